"""A reference standard: integrates energy from `start` to `stop`."""

from __future__ import annotations

from decimal import Decimal

from drivers.errors import UsageError
from drivers.instruments.instrument import Instrument
from drivers.instruments.schema import Standard as StandardSection


class Standard(Instrument):
    """A reference standard of active energy. Its calibration is not here: it is that of the individual."""

    @property
    def _section(self) -> StandardSection:
        if self.profile.standard is None:
            raise UsageError(f"the instrument profile {self.profile.name} is of no standard")
        return self.profile.standard

    @property
    def resolution_wh(self) -> Decimal:
        """The last digit of an energy that it gives, in Wh."""
        return Decimal(self._section.resolution_wh)

    @property
    def pulses_per_wh(self) -> Decimal | None:
        """Pulses per Wh of its output; None for one without."""
        pulses = self._section.pulses_per_wh
        return None if pulses is None else Decimal(pulses)

    @property
    def tells_elapsed(self) -> bool:
        """Whether it tells how long it has integrated."""
        return self._section.elapsed_s is not None

    def limit_wh(self, reading_wh: Decimal) -> Decimal:
        """Return the limits of error of a reading by its accuracy class, ± Wh: percent of the reading + absolute."""
        accuracy = self._section.accuracy
        return abs(reading_wh) * Decimal(accuracy.percent) / 100 + Decimal(accuracy.absolute_wh)

    async def reset(self) -> None:
        """Set energy and time to 0. Raises `InstrumentRefused`, `InstrumentError`."""
        await self._worker.call(self._talk.command, self._section.reset)

    async def start(self) -> None:
        """Begin to integrate. Raises `InstrumentRefused`, `InstrumentError`."""
        await self._worker.call(self._talk.command, self._section.start)

    async def stop(self) -> None:
        """Cease to integrate; the energy stays. Raises `InstrumentRefused`, `InstrumentError`."""
        await self._worker.call(self._talk.command, self._section.stop)

    async def energy_wh(self) -> Decimal:
        """Ask for the energy since `reset`, in Wh. Raises `Overrange`, `BadAnswer`, `InstrumentError`."""
        return await self._worker.call(self._talk.number, self._section.energy_wh)

    async def elapsed_s(self) -> Decimal | None:
        """Ask for how long it has integrated, in seconds; None if it cannot tell. Raises `InstrumentError`."""
        question = self._section.elapsed_s
        return None if question is None else await self._worker.call(self._talk.number, question)

    async def watts(self) -> Decimal | None:
        """Ask for the power now, in W; None if it cannot tell. Raises `InstrumentError`."""
        question = self._section.watts
        return None if question is None else await self._worker.call(self._talk.number, question)
