"""One request and one answer at a time, in whatever session is open: busy meters are waited for (C12.18 §9.6, §10)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from drivers.errors import LineTooBad, MeterProtocolError, MeterRefused, MeterSilent, MrspError
from drivers.memory import LineMemory
from drivers.psem.adaptive import best_shape
from drivers.psem.codes import BUSY, LOCKED, ResponseCode, split_response
from drivers.psem.exchange import Exchange
from drivers.psem.link_events import Manner
from drivers.psem.negotiation import Terms
from drivers.psem.options import PsemOptions
from drivers.psem.packet import DEFAULT_SIZE
from drivers.psem.replies import TABLE_OVERHEAD, IdentifyReply
from drivers.psem.services import Authenticate, Identify, OffsetRead, Request, Security, Wait
from drivers.psem.states import State
from drivers.psem.timers import keep_alive_s
from drivers.psem.wiring import LineKind, Wiring
from drivers.transport.base import Transport

_REPEATS: Final = 2
_LOCKED_RETRIES: Final = 3
_AWFUL: Final = 0.006  # damages per octet
_FIRST_OCTETS: Final = 4096  # of the first long answer; then up to twice as much as has come through


class Conversation:
    """Asks and listens; `Session` opens it, keeps it and leaves it."""

    def __init__(
        self,
        transport: Transport,
        options: PsemOptions,
        clock: Callable[[], float],
        remembered: LineMemory,
        wiring: Wiring | None = None,
    ) -> None:
        self.wiring = wiring or Wiring(LineKind.of_speed(transport.baud))
        self.exchange = Exchange(transport, options, clock, remembered, self.wiring)
        self.options = options
        self.timing = options.timing  # of the session
        self.identity: IdentifyReply | None = None
        self.state = State.BASE
        self.can_wait = True
        self.terms = Terms(DEFAULT_SIZE, 1, transport.baud)  # agreed on last
        self._adrift: MrspError | None = None  # an exchange failed: a late answer may still come, as if to the next

    async def call(
        self,
        request: Request,
        *,
        repeatable: bool = True,
        manner: Manner | None = None,
        on_part: Callable[[int], None] | None = None,
        patient: bool = True,
    ) -> bytes:
        """Return what follows the OK code; a busy meter is waited for. Raises `MeterRefused` and the line's errors."""
        busy = locked = 0
        message = request.encode()
        manner = manner or Manner(secret=isinstance(request, Security))
        while True:
            try:
                answer = await self.exchange.request(
                    message,
                    request.what,
                    manner=manner,
                    repeats=_REPEATS if repeatable else 0,
                    is_answer=_IS_ANSWER.get(type(request), bool),
                    on_part=on_part,
                )
                return split_response(answer, request.what)
            except MeterRefused as refused:
                busy += refused.code in BUSY
                locked += refused.code in LOCKED
                waited_for = refused.code in BUSY | LOCKED
                if not (waited_for and patient) or busy > self.options.busy_retries or locked > _LOCKED_RETRIES:
                    raise
            except (MeterSilent, MeterProtocolError) as error:
                self._adrift = error
                raise
            await self.pause(self.options.busy_wait_s)

    async def pause(self, seconds: float) -> None:
        """Let time pass without losing the session."""
        longest_s = keep_alive_s(self.timing, self.wiring.kind, self.identity)
        end = self.exchange.clock() + seconds
        while self.state is not State.BASE and (due := self.exchange.answered_at + longest_s) < end:
            await asyncio.sleep(max(0.0, due - self.exchange.clock()))
            await self.keep_alive()
        await asyncio.sleep(max(0.0, end - self.exchange.clock()))

    async def keep_alive(self) -> None:
        """Send something harmless, whatever the meter says to it, so that the channel traffic time-out starts anew."""
        request: Request = OffsetRead(1, 0, 1)
        if self.can_wait:
            request = Wait(min(255, int(self.timing.channel_traffic_s)))
        try:
            answer = await self.exchange.request(request.encode(), request.what, repeats=_REPEATS)
        except (MeterSilent, LineTooBad) as error:
            self._adrift = error
            raise
        if answer[:1] == bytes((ResponseCode.SNS,)):
            self.can_wait = False

    @property
    def far(self) -> bool:
        """Whether a turn of the line takes its time, and its speed is not ours to change."""
        return self.wiring.kind is not LineKind.PROBE

    @property
    def line_is_bad(self) -> bool:
        """Whether this line has been seen to damage octets."""
        return self.exchange.link.experience.quality.damaged_packets > 0

    @property
    def line_is_awful(self) -> bool:
        """Whether so many octets are damaged that some damage may go unnoticed, in a great many visits."""
        return self.line_is_bad and self.exchange.link.experience.quality.rate > _AWFUL

    def largest_read(self, limit: int, *, at_first: int = _FIRST_OCTETS) -> int:
        """Octets of table data that one answer should carry now, at most `limit`.

        Fewer on a line that fails, and on one that has carried little yet: what breaks off has to be read again.
        `at_first`: what is risked on a line that has carried nothing.
        """
        link, quality = self.exchange.link, self.exchange.link.experience.quality
        shape = best_shape(quality.rate, (self.terms.packet_size,), packets=link.packets, baud=link.baud, far=self.far)
        known = max(link.max_data, at_first + 2 * quality.whole_octets)
        return max(1, min(limit, known, shape.packets * link.max_data) - TABLE_OVERHEAD)


def _identifies(message: bytes) -> bool:
    """Whether a message can answer Identify: an OK of fewer than four octets is a leftover."""
    return len(message) >= 4 or message[:1] != b"\0"


def _proves(message: bytes) -> bool:
    """Whether a message can answer Authenticate: an OK without anything is a leftover, too."""
    return len(message) > 1 or message != b"\0"


_IS_ANSWER: Final[dict[type[Request], Callable[[bytes], bool]]] = {Identify: _identifies, Authenticate: _proves}
