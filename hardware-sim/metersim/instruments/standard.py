"""The simulated reference standard: integrates what flows, a little wrong itself, and shows it in whole last digits."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from drivers.instruments.schema import InstrumentProfile, Question
from drivers.instruments.schema import Standard as StandardSection
from metersim.instruments.device import Answer, Device, nothing
from metersim.instruments.dialect import Heard
from metersim.instruments.faults import Faults
from metersim.instruments.physics import BILLION, PER_WH
from metersim.instruments.world import World

_MICRO = Decimal(1_000_000)
_TENTH_OF_MILLIWATT = 10**23  # 10⁻³³ J in a microsecond
_NOISE_PPB = 2_000  # of an integration: what a standard of 0.02 % repeats to, and better


class StandardDevice(Device):
    """A reference standard of the profile's commands."""

    def __init__(self, profile: InstrumentProfile, world: World, faults: Faults) -> None:
        if profile.standard is None:
            raise ValueError(f"{profile.name} is of no standard")
        self._section: StandardSection = profile.standard
        self._digit = int(Decimal(profile.standard.resolution_wh) * PER_WH)
        self._energy = 0
        self._elapsed_us = 0
        self._since_us: int | None = None
        super().__init__(profile, world, faults)

    def meanings(self) -> Mapping[str, Answer]:
        """Return what the commands of `[standard]` do."""
        standard = self._section
        known: dict[str, Answer] = dict.fromkeys(standard.prepare, nothing)
        known |= {
            standard.reset: self._clear_energy,
            standard.start: self._start,
            standard.stop: self._stop,
            standard.energy_wh.ask: self._asked(standard.energy_wh),
        }
        if standard.elapsed_s is not None:
            known[standard.elapsed_s.ask] = self._asked(standard.elapsed_s)
        if (watts := standard.watts) is not None:
            known[watts.ask] = lambda _: self.value(self._watts(), watts)
        return known

    def reset(self) -> None:
        """Stop, and forget everything."""
        self._since_us = None
        self._energy = self._elapsed_us = 0

    def _asked(self, question: Question) -> Answer:
        def answer(_heard: Heard) -> str:
            if self._since_us is not None:
                self.world.wait()
            return self.value(self._wh() if question is self._section.energy_wh else self._seconds(), question)

        return answer

    def _running(self) -> tuple[int, int]:
        """Return energy and microseconds since the integration was last started."""
        if self._since_us is None:
            return 0, 0
        now, measured = self.world.now(), self.world.measured
        return measured.at(now) - measured.at(self._since_us), now - self._since_us

    def _wh(self) -> Decimal:
        digits = (self._energy + self._running()[0]) // self._digit
        return digits * Decimal(self._section.resolution_wh)

    def _seconds(self) -> Decimal:
        return (self._elapsed_us + self._running()[1]) / _MICRO

    def _watts(self) -> Decimal:
        return self.world.measured.rate // _TENTH_OF_MILLIWATT / Decimal(10_000)

    def _start(self, _heard: Heard) -> None:
        if self._since_us is None:
            self._since_us = self.world.now()

    def _stop(self, _heard: Heard) -> None:
        if self._since_us is None:
            return
        energy, microseconds = self._running()
        self._energy += energy * (BILLION + self.world.noise_ppb(_NOISE_PPB)) // BILLION
        self._elapsed_us += microseconds
        self._since_us = None

    def _clear_energy(self, _heard: Heard) -> None:
        self._energy = self._elapsed_us = 0
        if self._since_us is not None:
            self._since_us = self.world.now()
