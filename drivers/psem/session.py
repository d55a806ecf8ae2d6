"""The client's session: opened, kept, opened afresh after a failure, and always left (C12.18 §9.4, §11).

A refused password is never shown twice, and a meter is never hammered with Identify: after a session that broke, the
meter gets a Terminate, or the time to drop the session by itself.

Silence in mid-session is given up after ten response time-outs and 5 s at most: four for the request, two for
Terminate, four for Identify, and what the line may take to settle; a channel traffic time-out longer than Terminate
takes comes on top. A response time-out is what the meter may take (2 s, by C12.21 4 s) and what this line was measured
to add (`drivers.psem.patience`): that makes half a minute on a quick network, and a good minute on one that takes 3 s a
turn, or to a meter that keeps its session as long as C12.21 says (30 s); two where longer timers were agreed on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from drivers.errors import LineLost, LineTooBad, MeterProtocolError, MeterRefused, MeterSilent, MrspError
from drivers.memory import LineMemory
from drivers.psem.adaptive import best_shape, pays
from drivers.psem.bauds import BAUD_OF_CODE
from drivers.psem.codes import ResponseCode
from drivers.psem.failures import Failures, GivenUp
from drivers.psem.link_events import Manner
from drivers.psem.negotiation import SMALLEST_SIZE, Offer, Terms
from drivers.psem.opening import Opening
from drivers.psem.options import C12_21_TIMING, PsemOptions
from drivers.psem.packet import DEFAULT_SIZE, LARGEST_SIZE, OVERHEAD
from drivers.psem.replies import C12_21, BadTableData, IdentifyReply, NegotiateReply
from drivers.psem.services import Disconnect, Identify, Logoff, Negotiate, Request, Terminate
from drivers.psem.states import State
from drivers.psem.timers import usual_timing
from drivers.psem.wiring import Wiring
from drivers.secret import Secret
from drivers.transport.base import Transport
from drivers.transport.echo_report import echo_of

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

_OUTWAIT_MARGIN_S: Final = 1.0
_LEAVING_S: Final = 4.0  # longest response time-out while leaving, however patient the options are
_TERMINATE_RETRIES: Final = 1
_MOST_RENEGOTIATIONS: Final = 6  # of one visit for better packets; each is a logon in the meter's log

_GONE_ADVICE: Final = "it did answer before: check that the probe still sits and has power, or the connection"


class Session(Opening):
    """What the client knows about its session, and how to get it back."""

    def __init__(
        self,
        transport: Transport,
        options: PsemOptions,
        clock: Callable[[], float],
        *,
        remembered: LineMemory,
        fastest_baud: int = 0,
        wiring: Wiring | None = None,
    ) -> None:
        super().__init__(transport, options, clock, remembered, wiring)
        self.negotiates: bool | None = None  # whether the meter knows Negotiate
        self.offer = Offer(options, remembered, base_baud=transport.baud, fastest=fastest_baud, far=self.far)
        self._failures = Failures(options.recoveries)
        self._base_baud = transport.baud
        self._renegotiations = 0
        self._whole_before = 0  # packets that had arrived before the present speed was agreed on
        self._maybe_open = False  # the meter may be in a session, also if we do not know
        self._not_before: float | None = None  # no Identify before this second

    # -- asking, and opening the session afresh for it

    async def persist(self, operation: Callable[[], Awaitable[_T]]) -> _T:
        """Do something that may be done again, through failures of the line and of the session.

        Raises the last failure when recovering does not help, `AnswerUnusable` when it does and this still fails, and
        every refusal but ISSS at once.
        """
        tries = 0
        while True:
            await self._moor()
            try:
                result = await operation()
            except BadTableData:
                raise
            except (MeterSilent, MeterProtocolError) as error:
                await self.recover(error)
                tries += 1
                self._failures.ask_again(error, tries)
            except MeterRefused as refused:
                if refused.code != ResponseCode.ISSS:
                    raise
                await self.recover(refused)
            else:
                self._failures.worked()
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

    async def submit_now(self, request: Request, manner: Manner) -> bytes:
        """Do something now or not at all: no busy meter is waited for, and no session opened afresh."""
        if self._adrift is not None:
            raise self._adrift
        return await self.call(request, repeatable=False, manner=manner, patient=False)

    async def _moor(self) -> None:
        """Open the session afresh if the exchange before failed: what comes in then belongs to nothing."""
        if self._adrift is not None:
            await self.recover(self._adrift)

    # -- opening

    async def open(self, password: Secret | None) -> None:
        """Identify, negotiate, log on and show the password."""
        self.access.use(password)
        self._adrift = None
        cause = await self._try_open()
        if cause is not None:
            await self.recover(cause)

    async def _try_open(self) -> MrspError | None:
        """Open; return what went wrong if trying again may help, raise it otherwise."""
        try:
            await self._begin()
            await self.log_on()
        except GivenUp:
            raise
        except (MeterSilent, MeterProtocolError) as error:
            return error
        except MeterRefused as refused:
            if refused.code != ResponseCode.ISSS:
                raise
            return refused
        return None

    async def _begin(self) -> None:
        """Identify, and agree on everything but who we are."""
        await self.identify()
        await self.set_timing()
        await self.negotiate()

    async def identify(self) -> IdentifyReply:
        """Begin a session. Raises `MeterSilent` with advice if nothing answers."""
        await self._outwait()
        self.exchange.link.new_session()
        self.state = State.BASE
        self._maybe_open = True
        if self.options.wake_up:
            await self.exchange.transport.write(b"\x55")
            await asyncio.sleep(0.05)
        self.exchange.listen()
        try:
            payload = await self._identify()
        except MeterSilent as error:
            self._maybe_open = False
            name = self.exchange.transport.name
            if self.identity is not None:
                msg = f"the meter on {name} has fallen silent: no answer to Identify any more"
                raise GivenUp(msg, advice=_GONE_ADVICE) from error
            found = self.exchange.diagnosis()
            raise GivenUp(f"no answer to Identify on {name}: {found.text}", advice=found.advice) from error
        except LineTooBad as error:
            self._broken(self.exchange.clock())
            if self.exchange.link.statistics.foreign is not None:
                raise GivenUp(error.message, advice=error.advice) from error
            found = self.exchange.diagnosis()
            raise LineTooBad(f"{error.message}: {found.text}", advice=found.advice) from error
        self.identity = IdentifyReply.decode(payload)
        if self.identity.standard == C12_21:
            self.exchange.link.experience.patience.meter_takes(C12_21_TIMING.response_s)
        self._adrift = None
        self.ticket_used = False
        self.state = State.ID
        self.terms = Terms(DEFAULT_SIZE, 1, self.exchange.link.baud)
        self.go_by(usual_timing(self.options, self.identity))
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
                self.negotiates = True
                reply = NegotiateReply.decode(payload)
                await self._adopt(reply, offer)
                return reply
        self.negotiates = bool(self.negotiates)
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
        if offer.baud_codes and baud is not None and baud != link.baud:
            await self.exchange.set_baud(baud)
            self._whole_before = link.experience.quality.whole_packets
        self.terms = Terms(link.max_data + OVERHEAD, link.packets, link.baud)
        self.offer.agreed(self.terms)

    def may_carry_more(self, refused: MeterRefused) -> bool:
        """Whether larger packets could be had, and help: the meter says so, or smaller ones were asked for before."""
        largest = self.options.packet_size * self.options.packets
        smaller = self.offer.size < self.options.packet_size
        return (
            self.options.negotiate
            and self.exchange.link.most_octets < largest
            and (refused.code == ResponseCode.RNO or smaller)
        )

    async def enlarge(self) -> bool:
        """Negotiate for the largest packets there are. False if that brought no more than before."""
        before = self.exchange.link.most_octets
        self.offer.ask_for(self.options.packet_size)
        await self._agree_anew()
        return self.exchange.link.most_octets > before

    async def _agree_anew(self) -> None:
        """Negotiate again, for which the session has to be left (C12.18 §11). Nothing is lost if the meter declines."""
        await self._quietly(Logoff(), Manner(retries=1))
        self.state = State.ID
        if self.ticket_used:  # a ticket is good for once, and only Identify brings another
            heard_last = self.exchange.clock()
            if not await self._terminate():
                self._broken(heard_last)
            await self._begin()
        else:
            await self.negotiate()
        await self.log_on()

    def could_do_better(self, octets: int) -> bool:
        """Whether `tune` would do anything while so many octets are still to be read."""
        return self._better(octets) is not None

    async def tune(self, octets: int) -> None:
        """Agree on other packets, and on a speed left for a bad line, if that pays for the octets still to be read."""
        better = self._better(octets)
        if better is None:
            return
        self._renegotiations += 1
        size, faster = better
        before = self.terms
        _LOG.info("%s: asking for packets of %d octets", self.exchange.transport.name, size)
        self.offer.ask_for(size, faster=faster)
        await self._agree_anew()
        if self.terms == before:
            self._renegotiations = _MOST_RENEGOTIATIONS  # this meter does not negotiate twice

    def _better(self, octets: int) -> tuple[int, bool] | None:
        """Return the packet size to ask for, and whether to ask for speed; None if things are good as they are."""
        if not self.negotiates or self.state is not State.SESSION or self._renegotiations >= _MOST_RENEGOTIATIONS:
            return None
        link, terms, rate = self.exchange.link, self.terms, self.exchange.link.experience.quality.rate
        now = best_shape(rate, (terms.packet_size,), packets=link.packets, baud=terms.baud, far=self.far)
        then = self.offer.best(terms, rate, link.statistics.bytes_received)
        faster = self.offer.faster(terms.baud, then, octets)
        smaller_for_nothing = then.size < terms.packet_size and not self.line_is_bad
        other = then.size != terms.packet_size and not smaller_for_nothing
        if faster or (other and pays(now, then, octets, baud=terms.baud, far=self.far)):
            return then.size, faster
        return None

    # -- recovering

    async def recover(self, cause: MrspError) -> None:
        """Open the session afresh after `cause`, with smaller packets if the line is bad. Raises when it is no use."""
        problem: MrspError | None = cause
        while problem is not None:
            self._failures.open_again(problem, known=self.identity is not None)
            self.recoveries += 1
            _LOG.warning("%s: %s; opening the session again", self.exchange.transport.name, problem.message)
            self._ask_for_less(problem)
            await self._break_off()
            self._adrift = None
            problem = await self._try_open()

    def _ask_for_less(self, problem: MrspError) -> None:
        """Choose what to negotiate after a failure: no speed at which nothing or nothing more came, smaller packets."""
        link = self.exchange.link
        worked = link.experience.quality.whole_packets > self._whole_before
        if isinstance(problem, MeterSilent) or not worked:
            self.offer.speed_failed(link.baud, ever_worked=worked)
        elif isinstance(problem, LineTooBad):
            self.offer.line_failed(self.terms, link.experience.quality.rate, link.statistics.bytes_received)

    async def _break_off(self) -> None:
        """Bring the meter back to Base: by Terminate if it listens, else by the time that it takes by itself."""
        heard_last = self.exchange.clock()  # by the meter, if not Terminate itself, which ends the session as well
        await self.exchange.settle()
        if not await self._terminate():
            self._broken(heard_last)
            await self._outwait()
            await self.exchange.set_baud(self._base_baud)

    def _broken(self, since: float) -> None:
        self.state = State.BASE
        self._not_before = since + self.timing.channel_traffic_s + _OUTWAIT_MARGIN_S

    async def _outwait(self) -> None:
        if self._not_before is not None:
            await asyncio.sleep(max(0.0, self._not_before - self.exchange.clock()))
            self._not_before = None

    def remarks(self) -> tuple[str, ...]:
        """What an operator should know about line and meter."""
        quality, found = self.exchange.link.experience.quality, []
        if self.exchange.link.experience.toggles.learnt:
            found.append(
                "the meter does not toggle: toggles = false in the [psem] of its profile says so from the start"
            )
        if quality.damaged_packets:
            found.append(
                f"{quality.damaged_packets} packets arrived damaged or not at all, at the end about {quality.rate:.2%} "
                f"of the octets; packets of {self.terms.packet_size} octets suited the line best"
            )
        found += self.offer.remarks()
        echo = echo_of(self.exchange.transport)
        if echo.mode == "on" and not echo.removed and self.identity is not None:
            found.append("the line does not echo, though it is set to echo = on: leave it at auto")
        if echo.mode == "off" and self.exchange.link.statistics.echoes:
            found.append("the line echoes what is sent: set echo = auto")
        return tuple(found)

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
        answered = await self._quietly(Terminate(), Manner(response_s, retries=_TERMINATE_RETRIES))
        self.state = State.BASE
        if answered:
            self._maybe_open = False
            self._not_before = None
            self.exchange.link.new_session()
            await self.exchange.set_baud(self._base_baud)
        return answered

    async def _disconnect(self, response_s: float) -> bool:
        """End the session and have the meter hang up; False where it refuses, as one that knows only C12.18 does."""
        answer = await self._answer_to(Disconnect(), Manner(response_s, retries=_TERMINATE_RETRIES))
        if answer is None or answer[:1] != bytes((ResponseCode.OK,)):
            return False
        self.state = State.BASE
        self._not_before = None
        self.exchange.link.new_session()
        return True

    async def _quietly(self, request: Request, manner: Manner) -> bool:
        """Send something that may fail; whether any answer came."""
        return await self._answer_to(request, manner) is not None

    async def _answer_to(self, request: Request, manner: Manner) -> bytes | None:
        """Send something that may fail; None if no answer came."""
        try:
            return await self.exchange.request(request.encode(), request.what, manner=manner)
        except (MeterSilent, MeterProtocolError) as error:
            _LOG.debug("%s: %s", self.exchange.transport.name, error.message)
            return None

    async def leave(self) -> None:
        """Log off, then terminate, or have the last meter of a call hang up; best effort.

        Never raises, never takes longer than 16 s (8 s on a serial line). Goes on to its end although
        cancelled meanwhile, and is cancelled then.
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
        response_s = min(self.exchange.link.experience.patience.response_s, _LEAVING_S)
        try:
            async with asyncio.timeout(4 * response_s):
                if not self.exchange.link.idle:
                    await self.exchange.settle()
                    self.exchange.link.forget_peer()  # one answer was not heard: the next may equal the one before it
                if self.state is State.SESSION and self.options.logoff and self._adrift is None:
                    await self._quietly(Logoff(), Manner(response_s, retries=0))
                hung_up = self.wiring.hangs_up and await self._disconnect(response_s)
                if not hung_up and not await self._terminate(response_s):
                    self._broken(self.exchange.clock())
                    await self.exchange.set_baud(self._base_baud)
        except (TimeoutError, LineLost, MrspError) as error:
            self._broken(self.exchange.clock())
            _LOG.debug("%s: leaving the meter: %s", self.exchange.transport.name, error)
        self._maybe_open = False
