"""A pulse counter: opens its gate with a test pulse of the meter and closes it a number of pulses later."""

from __future__ import annotations

from decimal import Decimal

from drivers.errors import UsageError
from drivers.instruments.errors import OutOfRange
from drivers.instruments.instrument import Instrument
from drivers.instruments.schema import Counter as CounterSection


class Counter(Instrument):
    """A counter of the meter's test pulses, and of the standard's within the same gate where it has a second input."""

    @property
    def _section(self) -> CounterSection:
        if self.profile.counter is None:
            raise UsageError(f"the instrument profile {self.profile.name} is of no counter")
        return self.profile.counter

    @property
    def counts_reference(self) -> bool:
        """Whether it counts the standard's pulses within the gate."""
        return self._section.reference is not None

    @property
    def tells_gate(self) -> bool:
        """Whether it tells how long the gate was open."""
        return self._section.gate_s is not None

    async def arm(self, pulses: int) -> None:
        """Open the gate with the next pulse of the meter and close it with the last of `pulses` after that one.

        Raises `OutOfRange` before anything is sent, `InstrumentRefused`, `InstrumentError`.
        """
        most = self._section.most_pulses
        if not 1 <= pulses <= most:
            raise OutOfRange(f"{pulses} pulses: it counts 1 to {most}", advice="change the plan").at(self.name)
        await self._worker.call(self._talk.command, *(one.format(pulses=pulses) for one in self._section.arm))

    async def disarm(self) -> None:
        """Give up counting; what was counted stays. Raises `InstrumentRefused`, `InstrumentError`."""
        await self._worker.call(self._talk.command, self._section.disarm)

    async def count(self) -> int:
        """Ask how many pulses of the meter came since the one that opened the gate. Raises `InstrumentError`."""
        counted = await self._worker.call(self._talk.count, self._section.count)
        return max(0, counted - 1) if self._section.counts_opening else counted

    async def is_done(self, pulses: int) -> bool:
        """Ask whether the gate has closed after `pulses`, as it was armed for. Raises `InstrumentError`."""
        if self._section.done is None:
            return await self.count() >= pulses
        return await self._worker.call(self._talk.state, self._section.done)

    async def reference_count(self) -> int | None:
        """Ask for the standard's pulses within the gate; None if it has no input for them. Raises `InstrumentError`."""
        question = self._section.reference
        return None if question is None else await self._worker.call(self._talk.count, question)

    async def gate_s(self) -> Decimal | None:
        """Ask how long the gate was open, in seconds; None if it cannot tell. Raises `InstrumentError`."""
        question = self._section.gate_s
        return None if question is None else await self._worker.call(self._talk.number, question)
