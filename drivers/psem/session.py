"""The client's session: opened, kept, opened afresh after a failure, and always left (C12.18 §9.4, §11).

A refused password is never shown twice, and a meter is never hammered with Identify: after a session that broke, the
meter gets a Terminate, or the time to drop the session by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from drivers.errors import LineLost, LineTooBad, MeterProtocolError, MeterRefused, MeterSilent, MrspError
from drivers.psem.bauds import BAUD_OF_CODE
from drivers.psem.codes import BUSY, LOCKED, ResponseCode, split_response
from drivers.psem.credentials import padded_password, padded_user
from drivers.psem.exchange import Exchange
from drivers.psem.link_events import Manner
from drivers.psem.negotiation import SMALLEST_SIZE, Offer, Terms
from drivers.psem.options import PsemOptions
from drivers.psem.packet import DEFAULT_SIZE, LARGEST_SIZE, OVERHEAD
from drivers.psem.replies import TABLE_OVERHEAD, BadTableData, IdentifyReply, NegotiateReply
from drivers.psem.services import (
    Authenticate,
    Identify,
    Logoff,
    Logon,
    Negotiate,
    OffsetRead,
    Request,
    Security,
    Terminate,
    Wait,
)
from drivers.psem.states import State
from drivers.secret import Secret
from drivers.transport.base import Transport

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

_REPEATS: Final = 2
_LOCKED_RETRIES: Final = 3
_RELOGONS: Final = 2  # after ISSS, without one whole answer in between
_PASSWORD_SHOWN: Final = 2  # times without an answer
_OUTWAIT_MARGIN_S: Final = 1.0
_KEEP_ALIVE_MARGIN_S: Final = 2.0
_LEAVING_S: Final = 4.0  # longest response time-out while leaving, however patient the options are
_CAUTIOUS_PACKETS: Final = 8  # of one answer on a line that has failed once: what a further failure can cost

_WRONG = frozenset({ResponseCode.ERR, ResponseCode.ISC, ResponseCode.IAR, ResponseCode.SME})
_SILENT_ADVICE: Final = (
    "turn the probe by 180° (ANSI and IEC heads differ), check its power (dtr, rts), the baud rate, and whether the "
    "meter's port sleeps; an IEC 62056-21 meter does not speak C12.18"
)
_GONE_ADVICE: Final = "it did answer before: check that the probe still sits and has power, or the connection"
_NOISE_ADVICE: Final = "check baud rate and parity (9600 8N1), the seat of the probe, and that it is a C12.18 meter"


class _GivenUp(MeterSilent):
    """No answer, and opening the session again cannot help."""


class Session:
    """What the client knows about its session, and how to get it back."""

    def __init__(self, transport: Transport, options: PsemOptions, clock: Callable[[], float]) -> None:
        self.exchange = Exchange(transport, options, clock)
        self.options = options
        self.state = State.BASE
        self.identity: IdentifyReply | None = None
        self.recoveries = 0  # in all
        self.can_wait = True
        self.offer = Offer(options)
        self.terms = Terms(DEFAULT_SIZE, 1, transport.baud)  # agreed on last
        self._attempts = 0  # recoveries since the last whole answer
        self._relogons = 0  # likewise, after ISSS
        self._cautious = False
        self._base_baud = transport.baud
        self._user = b""
        self._password: Secret | None = None
        self._refused: dict[Secret, MeterRefused] = {}  # passwords that were wrong
        self._unanswered = 0  # times that the present password was shown without an answer
        self._adrift: MrspError | None = None  # an exchange failed: a late answer may still come, as if to the next
        self._maybe_open = False  # the meter may be in a session, also if we do not know
        self._not_before: float | None = None  # no Identify before this second

    # -- asking

    async def call(
        self,
        request: Request,
        *,
        repeatable: bool = True,
        manner: Manner | None = None,
        on_part: Callable[[int], None] | None = None,
    ) -> bytes:
        """Return what follows the OK code; a busy meter is waited for. Raises `MeterRefused` and the line's errors."""
        busy = locked = 0
        message = request.encode()
        manner = manner or Manner(secret=isinstance(request, Security | Authenticate))
        while True:
            try:
                answer = await self.exchange.request(
                    message,
                    request.what,
                    manner=manner,
                    repeats=_REPEATS if repeatable else 0,
                    is_answer=_identifies if isinstance(request, Identify) else bool,
                    on_part=on_part,
                )
                return split_response(answer, request.what)
            except MeterRefused as refused:
                busy += refused.code in BUSY
                locked += refused.code in LOCKED
                waited_for = refused.code in BUSY | LOCKED
                if not waited_for or busy > self.options.busy_retries or locked > _LOCKED_RETRIES:
                    raise
            except (MeterSilent, MeterProtocolError) as error:
                self._adrift = error
                raise
            await self.pause(self.options.busy_wait_s)

    async def persist(self, operation: Callable[[], Awaitable[_T]]) -> _T:
        """Do something that may be done again, through failures of the line and of the session.

        Raises the last failure when recovering does not help, and every refusal but ISSS at once.
        """
        while True:
            await self._moor()
            try:
                result = await operation()
            except BadTableData:
                raise
            except (MeterSilent, MeterProtocolError) as error:
                await self.recover(error)
            except MeterRefused as refused:
                if refused.code != ResponseCode.ISSS:
                    raise
                await self.recover(refused)
            else:
                self._attempts = self._relogons = 0
                return result

    async def submit(self, request: Request, manner: Manner) -> bytes:
        """Do something that must not happen twice: done again only after a meter that lost its session refused it."""
        while True:
            await self._moor()
            try:
                return await self.call(request, repeatable=False, manner=manner)
            except MeterRefused as refused:
                if refused.code != ResponseCode.ISSS:
                    raise
                await self.recover(refused)

    async def _moor(self) -> None:
        """Open the session afresh if the exchange before failed: what comes in then belongs to nothing."""
        if self._adrift is not None:
            await self.recover(self._adrift)

    async def pause(self, seconds: float) -> None:
        """Let time pass without losing the session."""
        longest = max(0.5, self.options.timing.channel_traffic_s - _KEEP_ALIVE_MARGIN_S)
        while seconds > longest and self.state is not State.BASE:
            await asyncio.sleep(longest)
            await self.keep_alive()
            seconds -= longest
        await asyncio.sleep(seconds)

    async def keep_alive(self) -> None:
        """Send something harmless, whatever the meter says to it, so that the channel traffic time-out starts anew."""
        traffic_s = self.options.timing.channel_traffic_s
        request: Request = Wait(min(255, int(traffic_s))) if self.can_wait else OffsetRead(1, 0, 1)
        try:
            answer = await self.exchange.request(request.encode(), request.what, repeats=_REPEATS)
        except (MeterSilent, LineTooBad) as error:
            self._adrift = error
            raise
        if answer[:1] == bytes((ResponseCode.SNS,)):
            self.can_wait = False

    def largest_read(self, limit: int) -> int:
        """Octets of table data that one answer can carry now, at most `limit`."""
        packets = min(self.exchange.link.packets, _CAUTIOUS_PACKETS) if self._cautious else self.exchange.link.packets
        return max(1, min(limit, packets * self.exchange.link.max_data - TABLE_OVERHEAD))

    # -- opening

    async def open(self, password: Secret | None) -> None:
        """Identify, negotiate, log on and show the password."""
        self._use(password)
        self._adrift = None
        cause = await self._try_open()
        if cause is not None:
            await self.recover(cause)

    async def _try_open(self) -> MrspError | None:
        """Open; return what went wrong if trying again may help, raise it otherwise."""
        try:
            await self.identify()
            await self.negotiate()
            await self._log_on()
        except _GivenUp:
            raise
        except (MeterSilent, MeterProtocolError) as error:
            return error
        except MeterRefused as refused:
            if refused.code != ResponseCode.ISSS:
                raise
            return refused
        return None

    async def identify(self) -> IdentifyReply:
        """Begin a session. Raises `MeterSilent` with advice if nothing answers."""
        await self._outwait()
        self.exchange.link.new_session()
        self.state = State.BASE
        self._maybe_open = True
        if self.options.wake_up:
            await self.exchange.transport.write(b"\x55")
            await asyncio.sleep(0.05)
        try:
            payload = await self._identify()
        except MeterSilent as error:
            self._maybe_open = False
            if self.identity is not None:
                msg = f"the meter on {self.exchange.transport.name} has fallen silent: no answer to Identify any more"
                raise _GivenUp(msg, advice=_GONE_ADVICE) from error
            msg = f"no answer to Identify on {self.exchange.transport.name}"
            raise _GivenUp(msg, advice=_SILENT_ADVICE) from error
        except LineTooBad as error:
            self._broken()
            raise LineTooBad(error.message, advice=_NOISE_ADVICE) from error
        self.identity = IdentifyReply.decode(payload)
        self._adrift = None
        self.state = State.ID
        self.terms = Terms(DEFAULT_SIZE, 1, self.exchange.link.baud)
        return self.identity

    async def _identify(self) -> bytes:
        try:
            return await self.call(Identify())
        except MeterRefused as refused:
            if refused.code != ResponseCode.ISSS:
                raise
        # Somebody else's session is still open in the meter.
        await self._terminate()
        self.exchange.link.new_session()
        self._maybe_open = True
        return await self.call(Identify())

    async def negotiate(self) -> NegotiateReply | None:
        """Agree on packets and speed; None if the meter keeps the defaults, which is no error."""
        if not self.options.negotiate:
            return None
        for offer in self.offer.requests(self.exchange.link.baud):
            try:
                payload = await self.call(offer)
            except MeterRefused as refused:
                if refused.code == ResponseCode.ISSS:
                    raise
                if refused.code == ResponseCode.SNS:
                    break
            else:
                reply = NegotiateReply.decode(payload)
                await self._adopt(reply, offer)
                return reply
        _LOG.info("%s does not negotiate: packets of 64 octets", self.exchange.transport.name)
        return None

    async def _adopt(self, reply: NegotiateReply, offer: Negotiate) -> None:
        if reply.packet_size < SMALLEST_SIZE:
            msg = f"Negotiate: the meter wants packets of {reply.packet_size} octets"
            raise MeterProtocolError(msg)
        link = self.exchange.link
        link.configure(
            packet_size=min(reply.packet_size, LARGEST_SIZE),
            packets=max(1, reply.packets),
            size_excludes_overhead=self.options.size_excludes_overhead,
        )
        baud = BAUD_OF_CODE.get(reply.baud_code or 0)
        if offer.baud_codes and baud is not None:
            await self.exchange.set_baud(baud)
        self.terms = Terms(link.max_data + OVERHEAD, link.packets, link.baud)

    async def logon(self, password: Secret | None) -> None:
        """Log on as the options say, then show the password, if any."""
        self._use(password)
        await self._log_on()

    def _use(self, password: Secret | None) -> None:
        """Take the credentials. Raises `UsageError` for those that do not fit, before anything is sent."""
        padded = None if password is None else padded_password(password, self.options.password_padding)
        if padded != self._password:
            self._unanswered = 0
        self._password = padded
        self._user = padded_user(self.options.user, self.options.user_padding)

    async def _log_on(self) -> None:
        await self.call(Logon(self.options.user_id, self._user))
        self.state = State.SESSION
        if self._password is not None:
            await self._show(self._password)

    async def _show(self, password: Secret) -> None:
        if password in self._refused:
            raise self._refused[password]
        if self._unanswered >= _PASSWORD_SHOWN:
            msg = "Security: the password was sent twice and not answered"
            raise _GivenUp(
                msg, advice="it may be wrong: it is not sent again, since many meters lock after a few tries"
            )
        self._unanswered += 1
        try:
            await self.call(Security(password), repeatable=False)
        except MeterRefused as refused:
            self._unanswered = 0
            if refused.code not in _WRONG:
                raise
            wrong = MeterRefused(
                f"{refused.message}: the password is wrong",
                code=refused.code,
                advice="it is not tried again, since many meters lock after a few tries; check password and padding",
            )
            self._refused[password] = wrong
            raise wrong from refused
        self._unanswered = 0

    async def renegotiate(self) -> bool:
        """Log off, negotiate as at the beginning, log on again. False if that cannot get more than there is."""
        before = self.exchange.link.most_octets
        if not self.options.negotiate or before >= self.offer.size * self.options.packets:
            return False
        await self._quietly(Logoff(), Manner(retries=1))
        self.state = State.ID
        await self.negotiate()
        await self._log_on()
        return self.exchange.link.most_octets > before

    # -- recovering

    async def recover(self, cause: MrspError) -> None:
        """Open the session afresh after `cause`, with smaller packets if the line is bad. Raises when it is no use."""
        problem: MrspError | None = cause
        while problem is not None:
            relogon = isinstance(problem, MeterRefused)
            self._attempts += 1
            self._relogons += relogon
            # Noise from the very beginning is more likely a wrong speed than a bad line: one more try will do.
            most = self.options.recoveries if self.identity else 1
            if self._attempts > most or self._relogons > _RELOGONS:
                raise problem
            self.recoveries += 1
            _LOG.warning("%s: %s; opening the session again", self.exchange.transport.name, problem.message)
            if not relogon:
                self._cautious = True
                self.offer.go_easier(self.terms.packet_size if not isinstance(problem, MeterSilent) else None)
            await self._break_off()
            self._adrift = None
            problem = await self._try_open()

    async def _break_off(self) -> None:
        """Bring the meter back to Base: by Terminate if it listens, else by the time that it takes by itself."""
        await self.exchange.settle()
        if not await self._terminate():
            self._broken()
            await self._outwait()
            await self.exchange.set_baud(self._base_baud)

    def _broken(self) -> None:
        self.state = State.BASE
        traffic_s = self.options.timing.channel_traffic_s
        self._not_before = self.exchange.clock() + traffic_s + _OUTWAIT_MARGIN_S

    async def _outwait(self) -> None:
        if self._not_before is not None:
            await asyncio.sleep(max(0.0, self._not_before - self.exchange.clock()))
            self._not_before = None

    # -- leaving

    async def logoff(self) -> None:
        """Give up the access rights. Raises what the meter or the line has against it."""
        await self.call(Logoff())
        self.state = State.ID

    async def terminate(self) -> None:
        """End the session; the meter is in Base afterwards, sooner or later. Never raises for a meter's silence."""
        await self._terminate()

    async def _terminate(self, response_s: float | None = None) -> bool:
        """Terminate, with one retry; whether the meter answered. Speed and packets are at their defaults then."""
        answered = await self._quietly(Terminate(), Manner(response_s, retries=1))
        self.state = State.BASE
        if answered:
            self._maybe_open = False
            self._not_before = None
            self.exchange.link.new_session()
            await self.exchange.set_baud(self._base_baud)
        return answered

    async def _quietly(self, request: Request, manner: Manner) -> bool:
        """Send something that may fail; whether any answer came."""
        try:
            await self.exchange.request(request.encode(), request.what, manner=manner)
        except (MeterSilent, MeterProtocolError) as error:
            _LOG.debug("%s: %s", self.exchange.transport.name, error.message)
            return False
        return True

    async def leave(self) -> None:
        """Log off and terminate, best effort. Never raises, never takes longer than 16 s (8 s on a serial line).

        Goes on to its end although cancelled meanwhile, and is cancelled then.
        """
        if not self._maybe_open:
            return
        task = asyncio.create_task(self._leave(), name="psem-leave")
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def _leave(self) -> None:
        response_s = min(self.options.timing.response_s, _LEAVING_S)
        try:
            async with asyncio.timeout(4 * response_s):
                if not self.exchange.link.idle:
                    await self.exchange.settle()
                    self.exchange.link.forget_peer()  # one answer was not heard: the next may equal the one before it
                if self.state is State.SESSION and self.options.logoff and self._adrift is None:
                    await self._quietly(Logoff(), Manner(response_s, retries=0))
                if not await self._terminate(response_s):
                    self._broken()
                    await self.exchange.set_baud(self._base_baud)
        except (TimeoutError, LineLost, MrspError) as error:
            self._broken()
            _LOG.debug("%s: leaving the meter: %s", self.exchange.transport.name, error)
        self._maybe_open = False


def _identifies(message: bytes) -> bool:
    """Whether a message can answer Identify: an OK of fewer than four octets is a leftover."""
    return len(message) >= 4 or message[:1] != b"\0"
