"""The simulated counter: a gate between two test pulses of the meter, and the standard's pulses within it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from drivers.instruments.schema import Counter as CounterSection
from drivers.instruments.schema import InstrumentProfile, Question
from metersim.instruments.device import Answer, Device, nothing, told
from metersim.instruments.dialect import Heard, Refused
from metersim.instruments.faults import Faults
from metersim.instruments.physics import PER_WH
from metersim.instruments.world import World

_MICRO = Decimal(1_000_000)


class CounterDevice(Device):
    """A counter of the profile's commands. `pulses_per_wh`: what the standard at its second input gives."""

    def __init__(
        self, profile: InstrumentProfile, world: World, faults: Faults, pulses_per_wh: Decimal | None = None
    ) -> None:
        if profile.counter is None:
            raise ValueError(f"{profile.name} is of no counter")
        self._section: CounterSection = profile.counter
        self._reference = Fraction(pulses_per_wh or 0)
        self._wanted: int | None = None  # pulses after that which opens the gate; None: any number
        self._armed_for: int | None = None
        self._opening: int | None = None  # number of the pulse that opens the gate; None: never armed
        self._stopped_us: int | None = None
        super().__init__(profile, world, faults)

    def meanings(self) -> Mapping[str, Answer]:
        """Return what the commands of `[counter]` do. The last one of `arm` begins to count."""
        counter = self._section
        known: dict[str, Answer] = dict.fromkeys(counter.prepare, nothing)
        known |= {command: self._pulses if "{pulses}" in command else nothing for command in counter.arm}
        begins = counter.arm[-1]
        known[counter.disarm] = self._disarm
        known[begins] = self._pulses_and_arm if "{pulses}" in begins else self._arm
        known[counter.count.ask] = lambda _: self._asked(counter.count, self._shown())
        if (done := counter.done) is not None:
            known[done.ask] = lambda _: self._waited(told(done, yes=self._is_done()))
        if (reference := counter.reference) is not None:
            known[reference.ask] = lambda _: self.value(Decimal(self._in_gate()), reference)
        if (gate := counter.gate_s) is not None:
            known[gate.ask] = lambda _: self.value((self._gate()[1] - self._gate()[0]) / _MICRO, gate)
        return known

    def reset(self) -> None:
        """Forget everything."""
        self._wanted = self._opening = self._stopped_us = self._armed_for = None

    def _asked(self, question: Question, counted: int) -> str:
        return self._waited(self.value(Decimal(counted), question))

    def _waited(self, answer: str) -> str:
        """Return an answer; whoever asked will ask again, later."""
        if self._opening is not None and not self._is_done():
            self.world.wait()
        return answer

    def _pulses(self, heard: Heard) -> None:
        pulses = heard.numbers["pulses"]
        if pulses != int(pulses) or not 1 <= pulses <= self._section.most_pulses:
            raise Refused(-222, "Data out of range")
        self._wanted = int(pulses)

    def _pulses_and_arm(self, heard: Heard) -> None:
        self._pulses(heard)
        self._arm(heard)

    def _arm(self, _heard: Heard) -> None:
        self._opening = self.world.light.count(self.world.now()) + 1
        self._armed_for = self._wanted
        self._stopped_us = None

    def _disarm(self, _heard: Heard) -> None:
        if self._opening is not None and self._stopped_us is None:
            self._stopped_us = self.world.now()

    def _until(self) -> int:
        return self.world.now() if self._stopped_us is None else self._stopped_us

    def _counted(self) -> int | None:
        """Return pulses after that which opened the gate; None while it has not come."""
        seen = self.world.light.count(self._until())
        if self._opening is None or seen < self._opening:
            return None
        counted = seen - self._opening
        return counted if self._armed_for is None else min(counted, self._armed_for)

    def _shown(self) -> int:
        counted = self._counted()
        if counted is None:
            return 0
        return counted + 1 if self._section.counts_opening else counted

    def _is_done(self) -> bool:
        return self._armed_for is not None and self._counted() == self._armed_for

    def _gate(self) -> tuple[int, int]:
        """Return when the gate was opened and closed, or now where it is open."""
        if self._opening is None or self._counted() is None:
            return self._until(), self._until()
        light = self.world.light
        opened, closed = light.when(self._opening), self._until()
        if self._armed_for is not None and self._is_done():
            closed = light.when(self._opening + self._armed_for) or closed
        return opened or closed, closed

    def _in_gate(self) -> int:
        """Return the standard's pulses within the gate."""
        opened, closed = (self.world.measured.at(at) * self._reference // PER_WH for at in self._gate())
        return closed - opened
