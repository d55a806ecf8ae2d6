"""How often a test finds the meter's true error within its own stated uncertainty.

    python -m tests.bench.coverage --runs 1000
    python -m tests.bench.coverage --runs 100 --instruments

Each run is a whole test of another meter on another bench: an error from −2 to 2 %, a standard whose own error is drawn
by its certificate (normal, U ÷ 2), runs that scatter, counters that begin at any phase.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from agent.bench.conduct import Assessed, assess
from agent.bench.instruments import opened
from agent.bench.plan import Plan
from agent.bench.preparing import prepare
from agent.bench.rules import load_test_rules
from agent.bench.runner import Hooks, run_points
from tests.bench.bench_kit import TODAY, Watched, World, hooks, ideal, loaded, ready
from tests.bench.simulated_bench import simulated_bench

STANDARD_SIGMA = 0.01  # percent: half of the 0.02 % in the certificate of the kit
LEAST, MOST_NOISE = 0.0, 0.03  # percent


@dataclass
class Coverage:
    """Of `runs` tests, in how many each figure held the true registration within its uncertainty."""

    runs: int = 0
    within: Counter[str] = field(default_factory=Counter)
    expanded: dict[str, list[float]] = field(default_factory=dict)

    def share(self, name: str) -> float:
        return self.within[name] / self.runs


async def measured(runs: int, *, seed: int = 0, instruments: bool = False) -> Coverage:
    """Make so many tests, on ideal instruments or through the drivers on those of `metersim instruments`."""
    found = Coverage()
    with tempfile.TemporaryDirectory() as directory:
        plan = loaded(Path(directory)).plan
    draw = random.Random(seed)  # noqa: S311
    make = _on_simulated_instruments if instruments else _on_an_ideal_bench
    for number in range(runs):
        error = draw.uniform(-2.0, 2.0)
        assessed = await make(plan, error, draw, seed * 1_000_003 + number)
        figures = {**assessed.figures}
        if assessed.verdict.average is not None:
            figures["final average"] = assessed.verdict.average
        for name, figure in figures.items():
            u = float(figure.expanded)
            found.within[name] += abs(float(figure.registration) - (100 + error)) <= u
            found.expanded.setdefault(name, []).append(u)
        found.runs += 1
    return found


async def _on_an_ideal_bench(plan: Plan, error: float, draw: random.Random, seed: int) -> Assessed:
    rules = load_test_rules(plan.rule_set)
    world = World(
        error=error,
        seed=seed,
        noise=draw.uniform(LEAST, MOST_NOISE),
        standard_error=draw.gauss(0.0, STANDARD_SIGMA),
        step_s=40.0,
    )
    bench, *_ = ideal(world, plan)
    taken = await run_points(plan, bench, Watched(), hooks(world))
    return assess(plan, rules, ready(plan, rules), taken)


async def _on_simulated_instruments(plan: Plan, error: float, _draw: random.Random, seed: int) -> Assessed:
    """The standard's error is drawn by the seed within the limits of its class, which its certificate covers."""
    rules = load_test_rules(plan.rule_set)
    async with simulated_bench(errors=(("30", error),), seed=seed) as simulated:
        prepared = prepare(plan, rules, simulated.settings, TODAY)
        async with opened(prepared) as (bench, _identities):
            taken = await run_points(plan, bench, Watched(), Hooks(pause=_at_once))
    return assess(plan, rules, prepared, taken)


async def _at_once(_seconds: float) -> None: ...


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--instruments", action="store_true", help="through the drivers, on `metersim instruments`")
    arguments = parser.parse_args()
    found = asyncio.run(measured(arguments.runs, seed=arguments.seed, instruments=arguments.instruments))
    for name, uncertainties in found.expanded.items():
        median = sorted(uncertainties)[len(uncertainties) // 2]
        sys.stdout.write(
            f"{name:14} within its uncertainty in {found.within[name]} of {found.runs} runs"
            f" ({100 * found.share(name):.1f} %), median U {median:.3f} %\n"
        )
    return 0 if all(found.share(name) >= 0.95 for name in found.expanded) else 1


if __name__ == "__main__":
    sys.exit(main())
