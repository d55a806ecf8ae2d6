"""From what each source said to one proof. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from agent.clock.boot import BootStamp
from agent.clock.combine import Agreement, intersect
from agent.clock.instant import NS, Instant
from agent.clock.kernel import KernelLeap
from agent.clock.plausible import EARLIEST, after_epoch, why_not
from agent.clock.proof import STEP_NS, ClockProof, Policy, ProofSource
from agent.clock.samples import NANOSECOND, NoTime, Outcome, SourceKind, TimeSample, signed
from agent.utc_text import utc_text

ADVICE = "; let chrony run on this box, or name NTP servers."
# The document knows these words. What disciplines a kernel that chrony does not is an NTP client.
WORDS: dict[SourceKind, ProofSource] = {"chrony": "chrony", "ntp": "ntp", "kernel": "ntp", "gnss": "gnss"}
# A source that has heard from its reference within eight polls at the usual longest interval (1024 s) is following it;
# one that has not coasts, and synchronised us when it last heard.
FRESH_S = Decimal(8 * 1024)
LEAPING_S = Decimal(1)  # while the kernel inserts a second, the system clock shows the one before it twice
LEAPING = "The kernel is inserting a leap second at this very moment."
NO_LEAP = KernelLeap()


@dataclass(frozen=True, slots=True)
class Around:
    """What is known besides what the sources say."""

    floor: datetime | None = None  # newest time stamp ever given: time does not run backwards past it
    kernel: KernelLeap = NO_LEAP
    stamp: BootStamp | None = None  # of the moment after asking


ALONE = Around()


def conclude(
    outcomes: Sequence[Outcome], before: Instant, after: Instant, policy: Policy, around: Around = ALONE
) -> ClockProof:
    """Combine what was heard between the moments `before` and `after`."""
    outcomes = tuple(_plausible(outcome, after) for outcome in outcomes)
    unproven = ClockProof(
        synchronized=False,
        source="none",
        measured=after,
        policy=policy,
        outcomes=outcomes,
        alarm=_backwards(after.realtime_ns, around.floor, "the system clock shows"),
        stamp=around.stamp,
        leap=around.kernel.armed,
    )
    heard = _independent([o for o in outcomes if isinstance(o, TimeSample)])
    samples = [sample.aged(after.boottime_ns, policy.ppm) for sample in heard]
    step = after.difference_ns - before.difference_ns
    if abs(step) > STEP_NS:
        reason = f"The system clock was stepped by {signed(Decimal(step) / NS)} while it was measured."
        return replace(unproven, reasons=(reason,))
    if not samples:
        reason = ("No source gave the time" if outcomes else "No source of time is configured") + ADVICE
        return replace(unproven, reasons=(reason, *_unset(after)))
    agreement = intersect(samples)
    if agreement is None:
        return replace(unproven, reasons=(_disagreement(samples),))
    return _proven(agreement, unproven, around)


def _proven(agreement: Agreement, unproven: ClockProof, around: Around) -> ClockProof:
    after, policy = unproven.measured, unproven.policy
    low = agreement.low_s.quantize(NANOSECOND, ROUND_FLOOR)
    high = agreement.high_s.quantize(NANOSECOND, ROUND_CEILING)
    offset = ((low + high) / 2).quantize(NANOSECOND)
    uncertainty = max(high - offset, offset - low) + (LEAPING_S if around.kernel.now else 0)
    best = min(agreement.agreeing, key=lambda sample: sample.uncertainty_s)
    age = min(sample.age_s for sample in agreement.agreeing)
    latest_ns = after.realtime_ns - int((offset - uncertainty) * NS)
    alarm = _backwards(latest_ns, around.floor, f"{best.name} puts the time at")
    believed = not alarm or not _is_alone(agreement)
    leaps = {*(sample.leap for sample in agreement.agreeing), around.kernel.armed} - {"none"}
    proof = replace(
        unproven,
        synchronized=believed and abs(offset) + uncertainty <= policy.limit_s,
        source=WORDS[best.source],
        offset_s=offset,
        uncertainty_s=uncertainty,
        leap=max(leaps, default="none"),  # "insert", should they contradict each other
        best=best,
        contradicted=tuple(sample.name for sample in agreement.falsetickers),
        smeared=any(sample.smeared for sample in agreement.agreeing),
        alarm=alarm,
        believed=believed,
        reasons=(
            *_lies(agreement),
            *_coasting(age),
            *_alone(agreement),
            *_smeared(agreement),
            *([LEAPING] if around.kernel.now else []),
            *([alarm] if alarm else []),
        ),
    )
    at = proof.utc_at(after.boottime_ns)
    return replace(proof, heard_at=at - timedelta(seconds=int(age)) if age > FRESH_S else at)


def _plausible(outcome: Outcome, now: Instant) -> Outcome:
    """Put aside a source that tells a time which cannot be true: it does not even count as a witness."""
    if isinstance(outcome, NoTime):
        return outcome
    shown_ns = outcome.at_boottime_ns + now.difference_ns - int(outcome.offset_s * NS)
    reason = why_not(shown_ns)
    return NoTime(outcome.source, outcome.name, reason) if reason else outcome


def _backwards(latest_ns: int, floor: datetime | None, who: str) -> str:
    """Say that time would run backwards, if it would even at the latest that the clock allows."""
    if floor is None:
        return ""
    latest = after_epoch(latest_ns)
    if latest is not None and latest >= floor:
        return ""
    shown = utc_text(latest.replace(microsecond=0)) if latest is not None else "an impossible date"
    return (
        f"ALARM: {who} {shown}, before the newest time that this box has stamped "
        f"({utc_text(floor.replace(microsecond=0))}): one of the two is wrong; a second source settles which."
    )


def _unset(now: Instant) -> list[str]:
    """Remark on a system clock that nobody has set."""
    shown = after_epoch(now.realtime_ns)
    if shown is not None and shown >= EARLIEST:
        return []
    date = f"{shown:%Y-%m-%d}" if shown is not None else "an impossible date"
    return [f"The system clock shows {date}: it was never set since this box was switched on."]


def _independent(samples: Sequence[TimeSample]) -> list[TimeSample]:
    """One vote for each address: two names of one server are one witness."""
    kept: dict[str, TimeSample] = {}
    for sample in samples:
        kept.setdefault(sample.peer or sample.name, sample)
    return list(kept.values())


def _disagreement(samples: Sequence[TimeSample]) -> str:
    if len(samples) == 2:
        return "The two sources contradict each other beyond their uncertainties."
    return f"The {len(samples)} sources contradict each other; no majority agrees."


def _lies(agreement: Agreement) -> list[str]:
    return [
        f"{s.name} is not believed: {signed(s.offset_s)} ± {s.uncertainty_s:.6f} s contradicts the majority."
        for s in agreement.falsetickers
    ]


def _coasting(age: Decimal) -> list[str]:
    return [f"The source last heard from its own reference {int(age)} s ago."] if age > FRESH_S else []


def _is_alone(agreement: Agreement) -> bool:
    return len(agreement.agreeing) == 1 and agreement.agreeing[0].source != "chrony"  # chrony weighs its own sources


def _alone(agreement: Agreement) -> list[str]:
    return ["Only one source gave the time; nobody would notice if it were wrong."] if _is_alone(agreement) else []


def _smeared(agreement: Agreement) -> list[str]:
    smearing = [sample.name for sample in agreement.agreeing if sample.smeared]
    if not smearing:
        return []
    return [f"{', '.join(smearing)} spreads a leap second over hours: up to a second off meanwhile, which is counted."]
