"""One meter on one line: moves bytes between port and PSEM core, at the speed of the line if asked to.

Pacing works on deadlines that follow each other on the event loop's clock, so that what a sleep oversleeps is not added
up: byte n of a message is through 10·n bit times after the message began, whatever happened to byte n − 1. The meter is
told when a byte was through and when its timers were due, not when this program got around to it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from drivers.psem.meter import Ended, MeterSession, Served, SpeedChanged
from drivers.psem.packet import ACK
from drivers.psem.services import FullRead, IndexRead, OffsetRead
from metersim.meter import iec
from metersim.meter.faults import Faults
from metersim.meter.ports import Port
from metersim.meter.wire_faults import ByteFaults, PacketFaults

_BITS = 10  # of one byte: start, eight data, stop
_SPEED_GRACE_S = 0.3


@dataclass(frozen=True, slots=True)
class LineOptions:
    """How the line behaves."""

    paced: bool = False
    echo: bool = False
    seed: int = 1
    slice_s: float = 0.02  # of a paced line, handed over at once; far below every time-out
    hangs_up: bool = False  # Disconnect ends the call; a probe on a pseudo-terminal stays where it is


class Line:
    """Serves the session on the port until cancelled.

    `forget` is asked after each answer: drop the session now? `dead`: has the meter no power, and hears nothing?
    """

    def __init__(
        self,
        session: MeterSession,
        options: LineOptions,
        faults: Faults,
        forget: Callable[[], bool],
        dead: Callable[[], bool] = lambda: False,
    ) -> None:
        self._session = session
        self._options = options
        self._faults = faults
        self._forget = forget
        self._dead = dead
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[tuple[float, bytes]] = deque()
        self._leaving: deque[tuple[float, bytes]] = deque()
        self._woken = asyncio.Event()
        self._to_send = asyncio.Event()
        self._inbound = ByteFaults(faults, f"{options.seed}/in")
        self._outbound = ByteFaults(faults, f"{options.seed}/out")
        self._packets = PacketFaults(faults, f"{options.seed}/packets")
        self._delays = Random(f"{options.seed}/delays")
        self._iec = iec.IecPort(always=faults.iec == "always") if faults.iec else None
        self._echo = options.echo or faults.echo or faults.reversed_probe == "reflects"
        self._table: int | None = None  # that the present answer is about
        self._received_until = self._sent_until = self._moment = self._loop.time()
        self.bytes_received = 0
        self.bytes_sent = 0
        self._dropped = False
        self._calls = 0
        self._right_speed_at = float("-inf")

    def received(self, chunk: bytes) -> None:
        """Take bytes that the port hands over; they still have to travel."""
        self._arrived.append((self._loop.time(), chunk))
        self._woken.set()

    def carrier_lost(self) -> None:
        """End the session without a word; what has not been sent never is."""
        self._arrived.clear()
        self._leaving.clear()
        self._to_send.clear()
        self._calls += 1
        self._session.power_fail("carrier lost")

    async def run(self, port: Port) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send(port), name="meter sends")
            group.create_task(self._serve(port), name="meter listens")

    @property
    def _character_s(self) -> float:
        return _BITS / self._session.baud if self._options.paced and self._session.baud else 0.0

    def _wrong_speed(self, port: Port) -> bool:
        """On a paced line both sides must use the same speed, as on a real one.

        A client that changes its speed right after the ACK does so before that ACK has travelled: hence the grace.
        """
        baud = port.client_baud() if self._options.paced else None
        if baud is None or baud == self._session.baud:
            self._right_speed_at = self._loop.time()
        return self._loop.time() - self._right_speed_at > _SPEED_GRACE_S

    async def _serve(self, port: Port) -> None:
        while True:
            if self._arrived:
                await self._take(port)
            else:
                deadline = self._session.deadline()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(deadline):
                        await self._woken.wait()
                self._woken.clear()
                if not self._arrived:
                    self._it_is(self._loop.time() if deadline is None else deadline)
                    self._happened(self._session.tick(self._moment), port)
            self._answer()

    def _it_is(self, when: float) -> None:
        """Move the meter's time on, never back, and never ahead of the loop's."""
        self._moment = max(self._moment, min(when, self._loop.time()))

    async def _take(self, port: Port) -> None:
        """Let one slice of what arrived travel, then give it to the meter."""
        at, chunk = self._arrived.popleft()
        if character_s := self._character_s:
            length = max(1, int(self._options.slice_s / character_s))
            if len(chunk) > length:
                self._arrived.appendleft((at, chunk[length:]))
                chunk = chunk[:length]
            self._received_until = max(self._received_until, at) + len(chunk) * character_s
            await _sleep_until(self._received_until, self._loop)
        self._it_is(self._received_until if character_s else at)
        wrong = self._wrong_speed(port)
        self.bytes_received += len(chunk)
        if self._echo:
            await self._hand_over(port, chunk, wrong_speed=wrong)
        if not self._faults.reversed_probe:
            self._hear(self._inbound.through(chunk, wrong_speed=wrong), port)

    def _hear(self, heard: bytes, port: Port) -> None:
        """Give the meter what is left of the bytes that were sent to it."""
        if self._dead():
            self._session.power_fail()
            return
        if self._iec is not None:
            if answer := self._iec.hear(heard):
                self._leave(self._moment + iec.REACTION_S, answer)
            return
        if self._faults.seven_bits == "both":
            heard = iec.heard_as_7e1(heard)
        self._happened(self._session.feed(heard, self._moment), port)

    def _happened(self, events: list[Served | SpeedChanged | Ended], port: Port) -> None:
        for event in events:
            match event:
                case Served(request, _, _):
                    self._table = request.table if isinstance(request, FullRead | IndexRead | OffsetRead) else None
                case Ended(_, hang_up=True) if self._options.hangs_up:
                    port.hang_up()
                case Ended(reason, _) if reason != "Terminate":
                    port.discard()
                case _:  # a new speed is the session's, and asked of it
                    pass

    def _answer(self) -> None:
        while output := self._session.take_output(self._moment):
            output = self._packets.rewrite(output, table=self._table)
            if self._faults.seven_bits:
                output = iec.sent_as_7e1(output)
            at = self._moment + self._faults.late_s
            if slow_s := self._faults.slow_answers_s:
                answer = output.removeprefix(ACK)
                self._leave(at, output[: len(output) - len(answer)])
                output, at = answer, at + slow_s * self._delays.uniform(0.5, 1) if len(answer) < len(output) else at
            self._leave(at, output)
            if self._forget():
                self._session.power_fail("the session is forgotten")

    def _leave(self, at: float, output: bytes) -> None:
        """Put octets in line for sending, not before `at`."""
        if output:
            self._leaving.append((at, output))
            self._to_send.set()

    async def _send(self, port: Port) -> None:
        while True:
            await self._to_send.wait()
            if self._leaving:
                await self._transmit(port, *self._leaving.popleft())
            if not self._leaving:
                self._to_send.clear()

    async def _transmit(self, port: Port, at: float, output: bytes) -> None:
        """Send one message, in slices that arrive when their last bit would."""
        character_s = self._character_s
        length = max(1, int(self._options.slice_s / character_s)) if character_s else len(output)
        self._sent_until = max(self._sent_until, at)
        call = self._calls
        for begin in range(0, len(output), length):
            piece = output[begin : begin + length]
            self._sent_until += len(piece) * character_s
            await _sleep_until(self._sent_until, self._loop)
            if call != self._calls:
                return
            await self._hand_over(port, piece, wrong_speed=self._wrong_speed(port))

    async def _hand_over(self, port: Port, piece: bytes, *, wrong_speed: bool) -> None:
        """Give bytes to the client, unless the line has failed."""
        if self._faults.silence_after is not None:
            piece = piece[: max(0, self._faults.silence_after - self.bytes_sent)]
        drop = self._faults.drop_after
        breaking = drop is not None and not self._dropped and self.bytes_sent + len(piece) >= drop
        if breaking:
            piece = piece[: max(0, (drop or 0) - self.bytes_sent)]
        self.bytes_sent += len(piece)
        if through := self._outbound.through(piece, wrong_speed=wrong_speed):
            await port.send(through)
        if breaking:
            self._dropped = True
            port.hang_up()


async def _sleep_until(when: float, loop: asyncio.AbstractEventLoop) -> None:
    if (left := when - loop.time()) > 0:
        await asyncio.sleep(left)
