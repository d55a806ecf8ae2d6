"""One test of one meter, start to finish: checks → watchdog → instruments → points → figures → verdict → report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.bench.figures import Figure, figure
from agent.bench.instruments import opened
from agent.bench.plan import LoadedPlan, Plan
from agent.bench.preparing import Ready, prepare
from agent.bench.report.compose import About, Equipped, Made, report_of, result_of
from agent.bench.report.document import MeterTest, Result
from agent.bench.rules import AccuracyRules
from agent.bench.runner import Hooks, Taken, TakenPoint, run_points
from agent.bench.settings import BenchSettings
from agent.bench.verdict import Measured, Verdict, judge
from agent.bench.watchdog import Target, watching


@dataclass(frozen=True, slots=True)
class Place:
    """Where a test is made: the bench's configuration, whose agent it is, and its clock."""

    settings: BenchSettings
    agent_id: str
    zone: ZoneInfo
    clock_proven: bool
    now: Callable[[], datetime]
    profile_dirs: tuple[Path, ...] = ()
    hooks: Hooks = field(default_factory=Hooks)


@dataclass(frozen=True, slots=True)
class Assessed:
    """The figures of what was taken, by the points' names, and the verdict."""

    figures: dict[str, Figure]
    verdict: Verdict


async def conduct(
    loaded: LoadedPlan, rules: AccuracyRules, about: About, place: Place, found: Result | None = None
) -> MeterTest:
    """Make one test and return its report. `found`: what was found before the meter was worked on.

    Raises `BenchRefused` before anything is energised; `BenchTrouble`, `InstrumentError`, `SourceNotOff` after which
    there is no report.
    """
    ready = prepare(loaded.plan, rules, place.settings, place.now().astimezone(place.zone).date(), place.profile_dirs)
    started = place.now()
    target = Target(str(ready.source.path), ready.source.section.resource, ready.visa_library)
    async with watching(target) as watch, opened(ready) as (bench, identities):
        taken = await run_points(loaded.plan, bench, watch, place.hooks)
    assessed = assess(loaded.plan, rules, ready, taken)
    made = Made(
        agent_id=place.agent_id,
        msp_id=place.settings.msp_id or place.agent_id,
        started_at=started,
        finished_at=place.now(),
        zone=place.zone,
        clock_proven=place.clock_proven,
    )
    result = result_of(loaded.plan, taken, assessed.verdict, assessed.figures, about, made)
    return report_of(Equipped(loaded, rules, ready, identities), result, about, made, found)


def assess(plan: Plan, rules: AccuracyRules, ready: Ready, taken: Taken) -> Assessed:
    """Return the figures of what was taken, and the verdict. Pure."""
    found = [one for one in taken.points if one.creeping is None]
    figures = {one.point.name: _figure(one, plan, ready) for one in found if not one.silent}
    creeping = next((one.creeping for one in taken.points if one.creeping is not None), None)
    verdict = judge(plan, rules, _measured(found, figures), creeping)
    return Assessed(figures, verdict)


def _figure(taken: TakenPoint, plan: Plan, ready: Ready) -> Figure:
    return figure(taken.runs, ready.standard_percent, plan.repeatability_percent)


def _measured(found: Sequence[TakenPoint], figures: dict[str, Figure]) -> list[Measured]:
    return [Measured(one.point.name, one.point.role, figures.get(one.point.name)) for one in found]
