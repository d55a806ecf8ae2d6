"""A reference MDSP on MQTT: verifies, de-duplicates, stores durably, only then acknowledges; and trouble on request.

The first line of output says that it is ready; then one JSON line a document or refusal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import ssl
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
from joserfc import jws
from joserfc.jwk import ECKey, Key
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from metersim.mdsp_store import MdspStore, Verdict
from metersim.mdsp_verify import ID_FIELDS, Delivered, Refused, Registry, open_sealed, read_keys
from metersim.pki import Pki

RETRY_S = 1.0
CANCEL_AGAIN_S = 0.2
MAX_IDS_PER_ACK = 500
_log = logging.getLogger("metersim.mdsp")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What this MDSP does wrong on purpose. Counts are of acknowledgements, from the start on."""

    drop_acks: int = 0  # the first N are never sent
    forge_acks: int = 0  # the first N (after the dropped ones) are signed with a key that is not the MDSP's
    duplicate_acks: bool = False
    ack_delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class MdspConfig:
    """Where the broker is, and where `metersim pki` wrote its files."""

    pki: Pki
    host: str
    port: int
    username: str | None = None
    password: str | None = None
    mqtt5: bool = True  # False for brokers that fall silent when spoken to in version 5 (amqtt)
    trouble: Trouble = Trouble()


class Mdsp:
    """The consumer. `report` is called with one event (a JSON-able dict) a document; `ready` is set once subscribed."""

    def __init__(self, config: MdspConfig, store: MdspStore, report: Callable[[dict[str, Any]], None]) -> None:
        self.ready = asyncio.Event()
        self.statuses: dict[str, dict[str, Any]] = {}  # the last retained status of each agent
        self._config = config
        self._store = store
        self._report = report
        self._registry = Registry(config.pki.agents)
        keys = read_keys(config.pki.mdsp_private_jwks).keys
        self._signing = next(key for key in keys if key.get("use") == "sig")
        self._decryption = [key for key in keys if key.get("use") == "enc"]
        self._forger: Key = ECKey.generate_key("P-256", {"kid": str(self._signing.kid)})
        self._acks = 0

    async def run(self) -> None:
        """Serve until cancelled; connects again after a loss."""
        while True:
            try:
                async with mdsp_client(self._config, "mdsp") as client:
                    await self._subscribe(client)
                    self.ready.set()
                    await self._converse(client)
            except aiomqtt.MqttError as error:
                _log.warning("broker: %s", error)
            self.ready.clear()
            await asyncio.sleep(RETRY_S)

    async def _converse(self, client: aiomqtt.Client) -> None:
        """Receive and consume until one of them fails; raise what it raised.

        No `TaskGroup`: that of Python 3.11 forgets a cancellation that comes while a task of it fails, and the MDSP
        would not stop together with its broker.
        """
        arrived: asyncio.Queue[aiomqtt.Message] = asyncio.Queue()
        tasks = [
            asyncio.create_task(self._receive(client, arrived)),
            asyncio.create_task(self._consume(client, arrived)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            while left := [task for task in tasks if not task.done()]:
                for task in left:
                    task.cancel()  # again if need be: `asyncio.wait_for` of Python 3.11, in the library, may forget it
                await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        for kind in (*ID_FIELDS, "status"):
            codes = await client.subscribe(f"mrsp/v1/+/{kind}", qos=1)
            if any((code if isinstance(code, int) else code.value) >= 0x80 for code in codes):
                raise aiomqtt.MqttError(f"subscription to {kind} refused")

    async def _receive(self, client: aiomqtt.Client, arrived: asyncio.Queue[aiomqtt.Message]) -> None:
        async for message in client.messages:  # of the two tasks, the one that hears at once of a lost connection
            arrived.put_nowait(message)

    async def _consume(self, client: aiomqtt.Client, arrived: asyncio.Queue[aiomqtt.Message]) -> None:
        while True:
            batch = [await arrived.get()]
            while not arrived.empty() and len(batch) < MAX_IDS_PER_ACK:
                batch.append(arrived.get_nowait())
            accepted = await asyncio.to_thread(self._take, [(str(one.topic), bytes(one.payload)) for one in batch])
            for agent_id, document_ids in accepted.items():
                await self._acknowledge(client, agent_id, document_ids)

    def _take(self, batch: list[tuple[str, bytes]]) -> dict[str, list[str]]:
        """Verify and store a batch; return the ids to acknowledge, by agent. Durable on return."""
        now = datetime.now(UTC)
        opened: list[Delivered] = []
        for topic, payload in batch:
            if topic.endswith("/status"):
                self._note_status(topic, payload)
                continue
            try:
                opened.append(open_sealed(topic, payload, self._registry, self._decryption))
            except Refused as err:
                self._store.note(topic, str(err), now)
                self._report({"refused": str(err), "topic": topic})
        accepted: dict[str, list[str]] = defaultdict(list)
        for delivered, verdict in zip(opened, self._store.take(opened, now), strict=True):
            event = {"agent_id": delivered.agent_id, "kind": delivered.kind, "id": delivered.document_id}
            if delivered.kind == "responses":
                answer = json.loads(delivered.document)
                event |= {
                    name: answer[name] for name in ("jti", "transaction_id", "outcome", "reason") if name in answer
                }
            self._report({**event, "seq": delivered.seq, "verdict": verdict.value})
            if verdict in {Verdict.NEW, Verdict.DUPLICATE}:
                accepted[delivered.agent_id].append(delivered.document_id)
        return accepted

    def _note_status(self, topic: str, payload: bytes) -> None:
        try:
            self.statuses[topic.split("/")[2]] = json.loads(payload)
        except (ValueError, IndexError, RecursionError) as err:
            self._report({"refused": f"status: {err}", "topic": topic})

    async def _acknowledge(self, client: aiomqtt.Client, agent_id: str, document_ids: list[str]) -> None:
        trouble = self._config.trouble
        self._acks += 1
        if self._acks <= trouble.drop_acks:
            return
        forged = self._acks <= trouble.drop_acks + trouble.forge_acks
        await asyncio.sleep(trouble.ack_delay_s)
        token = self._sign({"acknowledged": document_ids, "agent_id": agent_id}, forged=forged)
        for _ in range(2 if trouble.duplicate_acks else 1):
            await client.publish(f"mdsp/v1/{agent_id}/acks", token, qos=1)

    def _sign(self, content: dict[str, Any], *, forged: bool) -> str:
        key = self._forger if forged else self._signing
        algorithm = "ES256" if isinstance(key, ECKey) else "Ed25519"
        header = {"alg": algorithm, "kid": self._signing.kid, "typ": "mdsp-ack+jws"}
        return jws.serialize_compact(header, json.dumps(content), key, algorithms=[algorithm])


def mdsp_client(config: MdspConfig, identifier: str) -> aiomqtt.Client:
    """Return a client of the broker with the MDSP's certificate; its session outlives the connection."""
    tls = ssl.create_default_context(cafile=config.pki.ca)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.load_cert_chain(config.pki.mdsp_certificate, config.pki.mdsp_key)
    version: dict[str, Any] = {"protocol": aiomqtt.ProtocolVersion.V311, "clean_session": False}
    if config.mqtt5:
        session: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = 3600
        version = {"protocol": aiomqtt.ProtocolVersion.V5, "clean_start": False, "properties": session}
    client = aiomqtt.Client(
        config.host,
        config.port,
        identifier=identifier,
        username=config.username,
        password=config.password,
        tls_context=tls,
        **version,
    )
    client.pending_calls_threshold = 1_000
    return client


def add_broker_arguments(parser: argparse.ArgumentParser) -> None:
    """Where everything is, for every command of the MDSP."""
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="certificates and keys as `metersim pki` makes them"
    )
    parser.add_argument("--broker", default="localhost:8883", metavar="HOST:PORT")
    parser.add_argument("--store", type=Path, help="database file (default: DIR/mdsp.db)")
    parser.add_argument("--username")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--mqtt", choices=("5", "3.1.1"), default="5", help="3.1.1 for `metersim broker`")


def config_of(args: argparse.Namespace, trouble: Trouble) -> MdspConfig:
    """Return what these arguments say."""
    host, _, port = args.broker.rpartition(":")
    password = args.password_file.read_text("utf-8").rstrip("\n") if args.password_file else None
    return MdspConfig(Pki(args.directory), host, int(port), args.username, password, args.mqtt == "5", trouble)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`metersim mdsp DIR --broker HOST:PORT`"""
    add_broker_arguments(parser)
    parser.add_argument("--drop-acks", type=int, default=0, metavar="N", help="never send the first N acknowledgements")
    parser.add_argument("--forge-acks", type=int, default=0, metavar="N", help="sign N of them with a wrong key")
    parser.add_argument("--duplicate-acks", action="store_true", help="send each acknowledgement twice")
    parser.add_argument("--ack-delay", type=float, default=0.0, metavar="SECONDS")


async def serve(args: argparse.Namespace) -> None:
    """Print `… ready` once subscribed, then one JSON line an event, until cancelled."""
    config = config_of(args, Trouble(args.drop_acks, args.forge_acks, args.duplicate_acks, args.ack_delay))
    store = MdspStore(args.store or args.directory / "mdsp.db")
    mdsp = Mdsp(config, store, lambda event: _say(json.dumps(event)))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(mdsp.run())
            await mdsp.ready.wait()
            _say(f"mdsp on {args.broker} ready")
    finally:
        store.close()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
