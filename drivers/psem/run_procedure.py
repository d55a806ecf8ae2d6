"""Open a meter for one procedure: who it is, the state before, the write, the state after."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from drivers.base import Task
from drivers.c1219 import Context, Record
from drivers.c1219.identity import identity_of
from drivers.c1219.procedure_catalogue import Action
from drivers.c1219.procedure_effects import EFFECTS, Effect, Verdict
from drivers.c1219.procedures import RemoteReset
from drivers.data import ClockChange
from drivers.errors import MeterRefused, MrspError, ProtocolError, TransportError, UsageError
from drivers.profiles import load_profiles
from drivers.psem.client import PsemClient
from drivers.psem.clock_setting import set_clock
from drivers.psem.collect import CLOCK, WHO, Collector
from drivers.psem.driver import opened
from drivers.psem.journalled import Journalled
from drivers.psem.procedure import Answer, NotWritten, carry_out, free_sequence, prepare
from drivers.writes import Journal, MeterWrite, WriteOutcome

_SET_CLOCK = "set_clock"
_DEMAND_INTERVALS = (11, 13)
_NO_CLOCK = "the meter's clock cannot be read: it was left alone"


@dataclass(frozen=True, slots=True)
class Run:
    """One action, as somebody with the right to do so asked for it."""

    action: Action
    given: dict[str, str] = field(default_factory=dict)  # its parameters, as typed
    expected_meter_id: str = ""  # another meter at the line: nothing is written; "" takes any
    dangerous: bool = False  # the person said that they mean it


@dataclass(frozen=True, slots=True)
class RunReport:
    """What became of it. `outcome` `failed`: the meter says that it is done, and its tables do not show it."""

    meter_id: str
    title: str
    outcome: WriteOutcome
    reason: str
    code: int | None = None  # RESULT_CODE of ST08
    effect: str = ""  # what the tables show
    clock: ClockChange | None = None


async def run_procedure(task: Task, run: Run, journal: Journal) -> RunReport:
    """Run one action on the meter at `task.url`, set down in `journal` before and after.

    `set_clock` takes its leave and the time from `task.clock_order`. Raises `UsageError` for an action that may not be
    run like this, `NotWritten` for a meter that cannot do it or is another one, what `Driver.read` raises when the
    meter cannot be reached, and what the journal raises: in all these cases nothing was written.
    """
    _check(task, run)
    profiles = load_profiles(task.profile_dirs)
    profile = profiles.find(task.profile) if task.profile else profiles.generic
    async with opened(task, profile) as (client, collector, _line):
        try:
            async with client.session(task.password):
                await collector.configuration()
                await collector.tables(WHO)
                return await run_action(client, collector, task, run, journal)
        except MrspError as error:
            raise error.at(task.url) from error.__cause__


async def run_action(client: PsemClient, collector: Collector, task: Task, run: Run, journal: Journal) -> RunReport:
    """Run one action through an open session; the collector has read ST00 and who the meter is. See `run_procedure`."""
    _check(task, run)
    _must_be(run.expected_meter_id, identity_of(collector.context).meter_id)
    if run.action.name == _SET_CLOCK:
        return await _set_clock(client, collector, task)
    return await _Runner(client, collector, task, run).run(journal)


def _check(task: Task, run: Run) -> None:
    """Raise `UsageError` for an action that may not be run like this."""
    danger = run.action.danger_of(run.given)
    if danger == "withheld":
        raise UsageError(f"{run.action.name} is not run on its own: {run.action.effect}")
    if run.action.name != _SET_CLOCK:
        run.action.parameters(run.given)
    elif task.clock_order is None:
        raise UsageError("set_clock needs a proven clock and an order that gives leave")
    elif run.given:
        raise UsageError("set_clock takes no parameters: the time is the agent's own")
    if danger == "dangerous" and not run.dangerous:
        raise UsageError(
            f"{run.action.name} {run.action.effect}: it is not run unless you say that you mean it",
            advice="--dangerous says so",
        )


def _must_be(expected: str, meter_id: str) -> None:
    """Raise `NotWritten` for another meter. Leading zeros are padding where ids are BCD, and then not in `meter_id`."""
    padded = expected.isascii() and expected.isdigit() and expected.lstrip("0") == meter_id
    if expected and expected != meter_id and not padded:
        raise NotWritten(
            f"the meter at this line is {meter_id or 'one that does not say who it is'}, not {expected}",
            advice="nothing was written to it",
        )


async def _set_clock(client: PsemClient, collector: Collector, task: Task) -> RunReport:
    await collector.clock()
    await collector.tables((*CLOCK, *_DEMAND_INTERVALS))
    change = await set_clock(client, collector, task)
    who, title = identity_of(collector.context).meter_id, "SP10 set date and time"
    if change is None:
        return RunReport(who, title, "failed", _NO_CLOCK)
    outcomes: dict[str, WriteOutcome] = {"set": "done", "left": "done", "refused": "refused", "failed": "failed"}
    return RunReport(who, title, outcomes.get(change.outcome, "unknown"), change.reason, clock=change)


@dataclass(frozen=True, slots=True)
class _Runner:
    client: PsemClient
    collector: Collector
    task: Task
    run_: Run

    async def run(self, journal: Journal) -> RunReport:
        """Write it once and look at what it did."""
        action, context = self.run_.action, self.collector.context
        parameters = action.parameters(self.run_.given)
        sequence = await free_sequence(self.client, context, monotonic_ns=self.task.monotonic_ns)
        initiation = prepare(action.procedure, parameters, context, sequence)
        effect = EFFECTS.get(action.name)
        if effect is not None:
            await self.collector.tables((*effect.limits, *effect.tables))
        before = self.collector.context
        who = identity_of(before).meter_id
        said = " ".join(f"{name}={value}" for name, value in self.run_.given.items())
        summary = f"{action.name} {said}".rstrip() + f": {action.effect}"
        write = MeterWrite(self.task.url, who, action.title, "ST07", initiation.octets, summary)
        with Journalled(journal, write) as entry:
            entry.leaves()
            answer = await carry_out(self.client, before, initiation)
            verdict = await self._seen(effect, before, parameters, answer)
            report = _report(answer, verdict, parameters)
            entry.settle(report.outcome, f"{report.reason}{f'; {report.effect}' if report.effect else ''}")
        reason = f"{report.reason}; {entry.trouble}" if entry.trouble else report.reason
        return replace(report, meter_id=who, title=action.title, reason=reason)

    async def _seen(self, effect: Effect | None, before: Context, parameters: Record, answer: Answer) -> Verdict:
        """Read the tables again and judge; a line that breaks now leaves it open."""
        if effect is None or answer.outcome == "refused":
            return Verdict(None, "")
        numbers = [number for number in effect.tables if number in before]
        try:
            for number in numbers:
                if not await self.collector.table(number):
                    return Verdict(None, f"ST{number:02} could not be read back")
        except (TransportError, ProtocolError, MeterRefused) as error:
            return Verdict(None, f"not read back: {error.message}")
        return effect.judge(before, self.collector.context, parameters)


def _report(answer: Answer, verdict: Verdict, parameters: Record) -> RunReport:
    """Weigh what ST08 says against what the tables show: these decide where they can tell."""
    outcome: WriteOutcome = answer.outcome
    reason = f"{answer.reason} ({answer.advice})" if answer.advice and answer.outcome != "done" else answer.reason
    if answer.outcome != "refused" and verdict.seen is True:
        outcome = "done"
    elif answer.outcome == "done" and verdict.seen is False:
        outcome, reason = "failed", f"{reason}, but its tables do not show it"
    elif answer.outcome == "done" and verdict.seen is None and _success_bits_missing(answer, parameters):
        outcome, reason = "failed", f"{reason}, but its answer does not count it among what was done"
    return RunReport("", "", outcome, reason, answer.code, verdict.text)


def _success_bits_missing(answer: Answer, parameters: Record) -> bool:
    """Whether SP09 answers that it did not do what it was asked; its answer alone is not confirmed by every source."""
    asked, did = parameters, answer.response
    if not isinstance(asked, RemoteReset) or not isinstance(did, RemoteReset):
        return False
    names = ("demand_reset", "self_read", "season_change")
    return any(getattr(asked, name) and not getattr(did, name) for name in names)
