"""The simulated AC source: sets the load of the world, switches it, and turns itself off when nobody speaks to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Protocol

from drivers.instruments.schema import InstrumentProfile, Range
from drivers.instruments.schema import Source as SourceSection
from metersim.instruments.device import Answer, Device, told
from metersim.instruments.dialect import Heard, Refused
from metersim.instruments.element import Load
from metersim.instruments.faults import Faults
from metersim.instruments.world import World

_MICRO = Decimal(1_000_000)
_MILLION = 10**6


class Timer(Protocol):
    """What a `Later` gives back."""

    def cancel(self) -> None:
        """Do not call."""


Later = Callable[[float, Callable[[], None]], Timer]


class SourceDevice(Device):
    """An AC source of the profile's commands. `later` calls something after so many real seconds: its watchdog."""

    def __init__(self, profile: InstrumentProfile, world: World, faults: Faults, later: Later) -> None:
        if profile.source is None:
            raise ValueError(f"{profile.name} is of no source")
        self._section: SourceSection = profile.source
        self._later = later
        self._watch_s = 0
        self._timer: Timer | None = None
        self.tripped = bool(faults.locked)
        self._set: dict[str, Decimal] = {}
        super().__init__(profile, world, faults)

    def meanings(self) -> Mapping[str, Answer]:
        """Return what the commands of `[source]` do."""
        source = self._section
        known: dict[str, Answer] = dict.fromkeys(source.settings, self._setting)
        known |= {
            source.on: self._on,
            source.off: self._off,
            source.state.ask: lambda _: told(source.state, yes=self._says_on()),
        }
        if source.lockout is not None:
            lockout = source.lockout
            known[lockout.ask] = lambda _: told(lockout, yes=self.tripped)
        if source.watchdog is not None:
            known[source.watchdog] = self._watch
        for question, measure in ((source.measured_volts, self._volts), (source.measured_amps, self._amps)):
            if question is not None:
                known[question.ask] = lambda _, question=question, measure=measure: self.value(measure(), question)  # type: ignore[misc]
        return known

    def hear(self, command: str) -> str | None:
        """Do what a command says; any of them feeds the watchdog."""
        self._feed()
        return super().hear(command)

    def reset(self) -> None:
        """Output off, all settings 0, no watchdog."""
        self._switch(on=False)
        self._set.clear()
        self.world.set(Load())
        self._watch_s = 0
        self._feed()

    def trip(self) -> None:
        """Nobody has spoken to it for too long: output off, and lockout until it is told to be off."""
        self._timer = None
        self.tripped = True
        self._switch(on=False)

    def stop(self) -> None:
        """End its watchdog."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _setting(self, heard: Heard) -> None:
        """Take a setting, as a whole or not at all."""
        if self.faults.deaf:
            raise Refused(-222, "Data out of range")
        ranges: dict[str, Range] = {
            "volts": self._section.volts,
            "amps": self._section.amps,
            "frequency_hz": self._section.frequency_hz,
        }
        for name, number in heard.numbers.items():
            least, most = {"phase_deg": (-90, 90), "power_factor": (0, 1)}.get(name, (0, 0))
            if name in ranges:
                allowed = ranges[name]
                if not Decimal(allowed.min) <= number <= Decimal(allowed.max):
                    raise Refused(-222, "Data out of range")
            elif not least <= number <= most:
                raise Refused(-222, "Data out of range")
        self._set |= heard.numbers
        self.world.set(
            Load(int(self._of("volts") * _MICRO), int(self._of("amps") * _MICRO), self._factor_ppm()),
        )

    def _of(self, name: str) -> Decimal:
        return self._set.get(name, Decimal(0))

    def _factor_ppm(self) -> int:
        if "power_factor" in self._set:
            return int(self._set["power_factor"] * _MICRO)
        return round(math.cos(math.radians(self._of("phase_deg"))) * _MILLION)

    def _on(self, _heard: Heard) -> None:
        if self.tripped:
            raise Refused(-221, "Settings conflict; output is locked out")
        self._switch(on=not self.faults.stuck_off)

    def _off(self, _heard: Heard) -> None:
        self.tripped = bool(self.faults.locked)
        self._switch(on=False)

    def _switch(self, *, on: bool) -> None:
        if on or not (self.faults.latched and self.world.output_on):
            self.world.switch(on=on)

    def _says_on(self) -> bool:
        return self.world.output_on and not self.faults.pretends

    def _watch(self, heard: Heard) -> None:
        seconds = heard.numbers["seconds"]
        if not 0 <= seconds <= 3600 or seconds != int(seconds):
            raise Refused(-222, "Data out of range")
        self._watch_s = int(seconds)
        self._feed()

    def _feed(self) -> None:
        self.stop()
        if self._watch_s:
            self._timer = self._later(self._watch_s, self.trip)

    def _volts(self) -> Decimal:
        return self.world.load.microvolts / _MICRO

    def _amps(self) -> Decimal:
        return self.world.load.microamps / _MICRO
