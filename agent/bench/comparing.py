"""One comparison: so many pulses of the meter against the standard, within one gate.

The counter's gate opens with a pulse of the meter and closes with the last of N after it, so N is exact. The energy of
the standard in that gate is counted there too, as its pulses; where the counter has no input for them, it is what the
standard integrated around the gate, in proportion to the time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from agent.bench.errors import BenchTrouble
from agent.bench.figures import Run
from agent.bench.instruments import Bench
from drivers.decimal_text import plain

PATIENCE = 3  # times the energy that N pulses stand for: a meter that has not given them by then registers below 34 %
_LEAST_S = 30.0  # that a standard is given, at any load, to measure something
FIRST_PAUSE_S, LAST_PAUSE_S = 0.05, 1.0  # between two looks


class NotRegistering(Exception):
    """The meter gave no pulse while the standard measured several times what they stand for."""


Beat = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is to be compared. `seconds`: how long that takes with a meter that registers 100 %."""

    pulses: int
    pulse_wh: Decimal
    elements: int
    seconds: float

    @property
    def wh(self) -> Decimal:
        """What the pulses stand for, in one element."""
        return self.pulses * self.pulse_wh / self.elements


@dataclass(frozen=True, slots=True)
class Compared:
    """One run, and the pulses of the meter that are in it."""

    run: Run
    pulses: int


async def compare(bench: Bench, wanted: Comparison, beat: Beat) -> Compared:
    """Make one comparison. `beat(seconds)` waits, and raises when the test is over.

    A meter that is much too slow is compared by the pulses that it gives. Raises `NotRegistering`, `BenchTrouble` if
    the standard measures nothing, and `InstrumentError`.
    """
    standard, counter = bench.standard, bench.counter
    pulses = wanted.pulses
    while True:
        await standard.reset()
        await standard.start()
        await counter.arm(pulses)
        if await _closed(bench, wanted, pulses, beat):
            break
        given = await counter.count()
        await counter.disarm()
        await standard.stop()
        if not given:
            raise NotRegistering
        if given >= pulses:
            raise BenchTrouble(f"{counter.name} counted {given} of {pulses} pulses and does not close its gate")
        pulses = given
    energy, step = await _standard_energy(bench)
    await standard.stop()
    if energy <= 0:
        raise BenchTrouble(
            f"{standard.name} measured nothing while the meter gave {pulses} pulses",
            advice="check its wiring and its pulse output; the meter is not judged by this",
        )
    run = Run(pulses * wanted.pulse_wh, energy * wanted.elements, step * wanted.elements)
    return Compared(run, pulses)


async def _closed(bench: Bench, wanted: Comparison, pulses: int, beat: Beat) -> bool:
    """Wait until the gate has closed; return False when the meter has had energy for several times the pulses."""
    patience_s = max(_LEAST_S, 2 * PATIENCE * wanted.seconds)
    pause_s = FIRST_PAUSE_S
    while not await bench.counter.is_done(pulses):
        energy = await bench.standard.energy_wh()
        if energy > PATIENCE * wanted.wh:
            return await bench.counter.is_done(pulses)  # it may have closed meanwhile
        if patience_s <= 0:
            raise BenchTrouble(
                f"{bench.standard.name} measured {plain(energy)} Wh where at least"
                f" {plain(round(2 * PATIENCE * wanted.wh, 3))} Wh were put out",
                advice="check its wiring and ranges; the meter is not judged by this",
            )
        patience_s -= pause_s
        await beat(pause_s)
        pause_s = min(LAST_PAUSE_S, pause_s * 1.5)
    return True


async def _standard_energy(bench: Bench) -> tuple[Decimal, Decimal]:
    """Return the standard's energy within the gate, in one element, and the step in which it is known."""
    standard, counter = bench.standard, bench.counter
    per_wh = standard.pulses_per_wh
    if per_wh is not None and counter.counts_reference:
        count = await counter.reference_count()
        if count is None:
            raise BenchTrouble(f"{counter.name} does not tell the pulses of the standard")
        return count / per_wh, 1 / per_wh
    await standard.stop()
    gate, elapsed, energy = await counter.gate_s(), await standard.elapsed_s(), await standard.energy_wh()
    if gate is None or elapsed is None or elapsed <= 0:
        raise BenchTrouble(f"{counter.name} and {standard.name} do not tell the time of the comparison")
    return energy * gate / elapsed, standard.resolution_wh * gate / elapsed
