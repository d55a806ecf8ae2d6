"""MQTT by `aiomqtt`, and nowhere else: one new client per attempt, mutual TLS, errors named by cause.

A new client every time, because a client that is entered again neither waits for the broker's answer nor forgets what
it had queued. A PUBACK means that the transport took a message; a publish that the broker refuses looks the same. So
nothing here removes anything from the spool.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.credentials import load_secret, located
from agent.errors import LocalTrouble
from agent.forward.fence import Look
from agent.forward.settings import ForwardSettings
from agent.forward.trouble import Cause, ForwardTrouble
from agent.forward.uplink import Topics, Uplink
from agent.private_file import check_private_file
from agent.seal import MAX_ACK_OCTETS

BROKER_TIMEOUT_S = 15.0
SESSION_EXPIRY_S = 86_400  # the broker keeps acknowledgements for us this long
PACKET_ROOM = 65_536  # octets of a packet beside its payload: topic and properties
KEPT_S = 2.0  # a broker sends what it keeps with its answer to the subscription; a cluster a little later
LOOK_SUFFIX = ".look"  # of the client identifier
MAX_QUEUED = 1_000  # messages; more are dropped: the MDSP acknowledges and asks again
MAX_QUEUED_OCTETS = 16_777_216  # of their payloads

_V5 = aiomqtt.ProtocolVersion.V5
_V311 = aiomqtt.ProtocolVersion.V311
_WRONG_VERSION = frozenset({1, 132})  # CONNACK: MQTT 3.1.1 §3.2.2.3, MQTT 5 §3.2.2.2
_NOT_AUTHORISED = frozenset({4, 5, 134, 135, 138, 140})
_log = logging.getLogger("agent.forward.mqtt")


class MqttDialer:
    """Makes connections for one agent; remembers which version of MQTT the broker speaks.

    `requests` is given what comes on the request topic, at once, and must not wait; None: nobody listens there. It
    takes payloads up to `largest_request`.
    """

    def __init__(
        self,
        settings: ForwardSettings,
        *,
        agent_id: str,
        timeout_s: float = BROKER_TIMEOUT_S,
        requests: Callable[[bytes], None] | None = None,
        largest_request: int = MAX_ACK_OCTETS,
    ) -> None:
        self._settings = settings
        self._topics = Topics(agent_id)
        self._timeout_s = timeout_s
        self._version = _V311 if settings.protocol == "3.1.1" else _V5
        self._requests = requests
        self._largest = MAX_ACK_OCTETS if requests is None else max(MAX_ACK_OCTETS, largest_request)
        self._proven = False  # this version has connected

    @asynccontextmanager
    async def dial(self, will: bytes) -> AsyncIterator[Uplink]:
        """Connect and subscribe; raises `ForwardTrouble`, or `LocalTrouble` for our own files."""
        client, tls, complaints = await self._connect(will)
        try:
            with self._named_errors(complaints):
                await self._subscribe(client, self._topics.acks)
                listeners = await self._hear_requests(client)
            yield _MqttUplink(
                client, self._timeout_s, lambda: self._named_errors(complaints), self._topics.acks, listeners
            )
        finally:
            with suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
            tls.abandon()

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Look]:
        """Connect under another name and listen to this agent's status alone: the agent's own session is not touched.

        Raises as `dial` does.
        """
        client, tls, complaints = await self._connect(None)
        try:
            with self._named_errors(complaints):
                await self._subscribe(client, self._topics.status)
            yield _MqttLook(client, lambda: self._named_errors(complaints))
        finally:
            with suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
            tls.abandon()

    async def _connect(self, will: bytes | None) -> tuple[aiomqtt.Client, _Tls, _Complaints]:
        tls, password = await asyncio.to_thread(self._read_files)
        complaints = _Complaints()
        client = self._client(will, tls, password, complaints)
        try:
            with self._named_errors(complaints):
                await client.__aenter__()
        except BaseException as err:
            client._client._sock_close()  # noqa: SLF001  (a failed entry leaves socket, reader and task behind)
            tls.abandon()
            if not isinstance(err, ForwardTrouble) or not self._change_version(err.cause):
                raise
        else:
            self._proven = True
            tls.send_at_once()
            return client, tls, complaints
        return await self._connect(will)

    def _change_version(self, cause: Cause) -> bool:
        """Choose the version for the next attempt; return whether that attempt should be made at once.

        A broker of 3.1.1 should refuse 5 by name, but some choke on its properties and fall silent: after a silence the
        versions take turns until one of them has connected.
        """
        if self._settings.protocol != "auto" or self._proven or cause not in {Cause.VERSION, Cause.TIMED_OUT}:
            return False
        at_once = cause is Cause.VERSION and self._version is _V5
        self._version = _V311 if self._version is _V5 else _V5
        _log.debug("next attempt with MQTT %s", "5" if self._version is _V5 else "3.1.1")
        return at_once

    def _client(self, will: bytes | None, tls: _Tls, password: str | None, complaints: _Complaints) -> aiomqtt.Client:
        looks = will is None
        version: dict[str, Any] = {"protocol": _V311, "clean_session": looks}
        if self._version is _V5:
            connect: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            connect.SessionExpiryInterval = 0 if looks else SESSION_EXPIRY_S
            connect.MaximumPacketSize = self._largest + PACKET_ROOM
            version = {"protocol": _V5, "clean_start": looks, "properties": connect}
        logger = logging.Logger(_log.name, logging.WARNING)  # noqa: LOG001  (of this connection alone: its complaints are the only reason)
        logger.addHandler(complaints)
        client = aiomqtt.Client(
            self._settings.host,
            self._settings.port,
            identifier=self._topics.agent_id + (LOOK_SUFFIX if looks else ""),
            username=self._settings.username,
            password=password,
            tls_context=tls,
            will=None if will is None else aiomqtt.Will(self._topics.status, will, qos=1, retain=True),
            keepalive=self._settings.keepalive,
            timeout=self._timeout_s,
            max_queued_incoming_messages=MAX_QUEUED,
            queue_type=_Arrivals,
            logger=logger,
            **version,
        )
        client.pending_calls_threshold = self._settings.window + 10
        return client

    async def _subscribe(self, client: aiomqtt.Client, topic: str) -> None:
        if not await _granted(client, topic):
            raise ForwardTrouble(f"the broker refuses our topic {topic}", cause=Cause.NOT_AUTHORISED)

    async def _hear_requests(self, client: aiomqtt.Client) -> Mapping[str, Callable[[bytes], None]]:
        """Listen to the request topic, where somebody wants to hear it; readings are forwarded with it or without."""
        if self._requests is None:
            return {}
        if not await _granted(client, self._topics.requests):
            _log.warning("the broker refuses our topic %s: no request will come", self._topics.requests)
        return {self._topics.requests: self._requests}

    def _read_files(self) -> tuple[_Tls, str | None]:
        tls = _Tls(ssl.PROTOCOL_TLS_CLIENT)  # verifies the chain and the host name
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        key = located(Path(self._settings.key))
        check_private_file(key)
        for path in (self._settings.ca, self._settings.certificate):
            if not Path(path).is_file():
                raise LocalTrouble(f"there is no certificate file {path}", advice="check `ca` and `certificate`")
        try:
            tls.load_verify_locations(cafile=self._settings.ca)
            tls.load_cert_chain(self._settings.certificate, key)
            return tls, self._password()
        except ssl.SSLError as err:
            raise LocalTrouble(
                f"the TLS files do not fit ({self._settings.ca}, {self._settings.certificate}, {key}): {err.reason}",
                advice="`mrsp keys status`: PEM files, and the certificate must be of this key",
            ) from err
        except OSError as err:
            raise LocalTrouble(f"cannot read {err.filename}: {err.strerror}", advice="check path and owner") from err

    def _password(self) -> str | None:
        if self._settings.password_file is None:
            return None
        return load_secret(Path(self._settings.password_file), "password of the broker").reveal().decode()

    @contextmanager
    def _named_errors(self, complaints: _Complaints) -> Iterator[None]:
        where = f"{self._settings.host}:{self._settings.port}"
        task = asyncio.current_task()
        cancelled = task.cancelling() if task is not None else 0
        failure: aiomqtt.MqttError | None = None
        try:
            yield
        except aiomqtt.MqttError as err:
            failure = err
        if task is not None and task.cancelling() > cancelled:
            # Python 3.11: `asyncio.wait_for`, in the library, forgets a cancellation that comes with the answer.
            raise asyncio.CancelledError from failure
        if failure is not None:
            cause, what = _classify(failure, complaints.last)
            raise ForwardTrouble(f"broker {where}: {what}", cause=cause) from failure


class _Arrivals(asyncio.Queue[aiomqtt.Message]):
    """What the broker sent and nobody took yet; full also where it holds as many octets as it may."""

    _octets = 0

    def full(self) -> bool:
        return super().full() or self._octets >= MAX_QUEUED_OCTETS

    def _put(self, item: aiomqtt.Message) -> None:
        super()._put(item)
        self._octets += len(item.payload)

    def _get(self) -> aiomqtt.Message:
        item = super()._get()
        self._octets -= len(item.payload)
        return item


class _MqttUplink:
    """`Uplink` over one connected client."""

    def __init__(
        self,
        client: aiomqtt.Client,
        timeout_s: float,
        named_errors: Callable[[], AbstractContextManager[None]],
        acks: str,
        listeners: Mapping[str, Callable[[bytes], None]],
    ) -> None:
        self._client = client
        self._acks = acks
        self._listeners = listeners
        self._timeout_s = timeout_s
        self._named_errors = named_errors

    async def publish(self, topic: str, body: bytes, *, retain: bool = False) -> None:
        with self._named_errors():
            await self._client.publish(topic, body, qos=1, retain=retain, timeout=self._timeout_s)

    async def received(self) -> list[bytes]:
        messages = self._client.messages
        with self._named_errors():
            found = [await anext(messages)]
            while len(messages):
                found.append(await anext(messages))
        acknowledgements: list[bytes] = []
        for message in found:
            if message.topic.value == self._acks:
                acknowledgements.append(message.payload)
            elif (hear := self._listeners.get(message.topic.value)) is not None:
                hear(message.payload)
            else:  # some brokers send what a look at the status asked for
                _log.debug("a message on %s, which this connection did not ask for", message.topic.value)
        return acknowledgements


async def _granted(client: aiomqtt.Client, topic: str) -> bool:
    codes = await client.subscribe(topic, qos=1)
    return all((code if isinstance(code, int) else code.value) < 0x80 for code in codes)


class _MqttLook:
    """`Look` over one connected client."""

    def __init__(self, client: aiomqtt.Client, named_errors: Callable[[], AbstractContextManager[None]]) -> None:
        self._client = client
        self._named_errors = named_errors

    async def next(self, within_s: float | None) -> bytes | None:
        with suppress(TimeoutError), self._named_errors():
            async with asyncio.timeout(KEPT_S if within_s is None else within_s):
                return bytes((await anext(self._client.messages)).payload)
        return None


class _Tls(ssl.SSLContext):
    """A context that remembers its socket: the library leaves it open when the handshake fails or is cancelled."""

    _made: ssl.SSLSocket | None = None
    _abandoned = False

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        made = super().wrap_socket(*args, **options)
        self._made = made
        if self._abandoned:
            self.abandon()
        return made

    def send_at_once(self) -> None:
        """Let no packet wait for the broker's TCP acknowledgement of the one before (Nagle): 40 ms at each turn.

        Not before the broker has let us in: one that refuses our certificate would get our next packet first, and its
        alert would be lost with the connection.
        """
        if self._made is not None:
            with suppress(OSError):  # it is lost already, which shows at the next packet
                self._made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def abandon(self) -> None:
        """Close the socket; a thread that is still in its handshake ends at once."""
        self._abandoned = True
        if self._made is not None:
            with suppress(OSError):
                self._made.shutdown(socket.SHUT_RDWR)
            self._made.close()


class _Complaints(logging.Handler):
    """Keeps the last warning of the library: TLS 1.3 refuses a certificate after the handshake, shown nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()
        _log.debug("%s", self.last)


def _classify(err: aiomqtt.MqttError, complaint: str) -> tuple[Cause, str]:
    """Return the cause and what to say of it."""
    if isinstance(err, aiomqtt.MqttCodeError) and err.rc is not None:
        code = err.rc if isinstance(err.rc, int) else err.rc.value
        if type(err) is not aiomqtt.MqttCodeError:  # the broker's answer to CONNECT
            cause = Cause.VERSION if code in _WRONG_VERSION else Cause.REFUSED
            return (Cause.NOT_AUTHORISED if code in _NOT_AUTHORISED else cause), f"refuses the connection: {err}"
        return Cause.LOST, f"the connection was lost: {complaint or err}"
    if "ALERT" in complaint.upper():
        return Cause.CLIENT_CERTIFICATE, f"it refuses our certificate: {complaint}"
    reason = err.__context__ or err.__cause__
    if isinstance(reason, OSError):
        return _classify_os_error(reason)
    return Cause.LOST, f"the connection was lost: {complaint or err}"


def _classify_os_error(err: OSError) -> tuple[Cause, str]:
    match err:
        case ssl.SSLCertVerificationError():
            found = Cause.SERVER_CERTIFICATE, f"its certificate does not verify: {err.verify_message}"
        case ssl.SSLError() if "ALERT" in (err.reason or ""):
            found = Cause.CLIENT_CERTIFICATE, f"it refuses our certificate: {err.reason}"
        case ssl.SSLError() if not isinstance(err, ssl.SSLZeroReturnError | ssl.SSLEOFError):
            found = Cause.NOT_TLS, f"does not speak TLS as we do: {err.reason}"
        case socket.gaierror():
            found = Cause.NAME, f"the name is not known: {err.strerror}"
        case ConnectionRefusedError():
            found = Cause.REFUSED, "nothing listens there"
        case TimeoutError():
            found = Cause.TIMED_OUT, "timed out or certificate refused"
        case _ if err.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}:
            found = Cause.UNREACHABLE, f"cannot be reached: {err.strerror}"
        case _:
            found = Cause.LOST, f"the connection was lost: {err}"
    return found
