"""One world for all instruments and the meter: its time, what the source puts out, and what has flowed since.

Time is the meter's: it runs at its rate, or it stands still but for what `pass_by` lets pass. All of it is integers, so
that two runs with the same commands agree to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from metersim.instruments.element import Element, Load, TestLight
from metersim.instruments.physics import BILLION, Integral

_MILLION = 10**6


@dataclass
class World:
    """Everything that is true. `now` and `skip` are the clock's: microseconds since 1970, and a jump ahead."""

    element: Element
    now: Callable[[], int]
    skip: Callable[[int], None]
    seed: int = 1
    standard_error_ppb: int = 0
    source_error_ppm: tuple[int, int] = (0, 0)  # of volts and of amperes: why nobody measures by settings
    step_us: int = 0  # how much passes when an instrument is asked how far it is; 0: none, time runs by itself
    set_to: Load = field(default_factory=Load)
    output_on: bool = False

    def __post_init__(self) -> None:
        begin = self.now()
        self.begin_us = begin
        self.true = Integral(begin)
        self.registered = Integral(begin)
        self.measured = Integral(begin)
        self.light = TestLight(self.element, self.registered)
        self._reading = 0

    @property
    def load(self) -> Load:
        """What is at the meter's terminals."""
        if not self.output_on:
            return Load()
        volts, amps = self.source_error_ppm
        return Load(
            self.set_to.microvolts * (_MILLION + volts) // _MILLION,
            self.set_to.microamps * (_MILLION + amps) // _MILLION,
            self.set_to.factor_ppm,
        )

    def set(self, load: Load) -> None:
        """Set the source to this; it flows at once where the output is on."""
        self.set_to = load
        self._flow()

    def switch(self, *, on: bool) -> None:
        """Switch the source's output."""
        self.output_on = on
        self._flow()

    def pass_by(self, microseconds: int) -> None:
        """Let time pass, where it does not run by itself."""
        if self.step_us:
            self.skip(microseconds)

    def wait(self) -> None:
        """Somebody asks how far it is: let a step of time pass, where time does not run by itself."""
        self.pass_by(self.step_us)

    def noise_ppb(self, spread_ppb: int) -> int:
        """Return the noise of the next reading, of this standard deviation."""
        self._reading += 1
        return int(Random(f"{self.seed}/reading/{self._reading}").gauss(0, spread_ppb))

    def _flow(self) -> None:
        at, load = self.now(), self.load
        self.true.change(at, load.power * BILLION)
        self.registered.change(at, self.element.rate(load))
        self.measured.change(at, load.power * (BILLION + self.standard_error_ppb))
