"""From what each source said to one proof. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from agent.clock.combine import Agreement, intersect
from agent.clock.instant import NS, Instant
from agent.clock.proof import STEP_NS, ClockProof, Policy, ProofSource
from agent.clock.samples import NANOSECOND, Outcome, SourceKind, TimeSample, signed

ADVICE = "; let chrony run on this box, or name NTP servers."
# The document knows three words. What disciplines a kernel that chrony does not is an NTP client.
WORDS: dict[SourceKind, ProofSource] = {"chrony": "chrony", "ntp": "ntp", "kernel": "ntp"}
# A source that has heard from its reference within eight polls at the usual longest interval (1024 s) is following it;
# one that has not coasts, and synchronised us when it last heard.
FRESH_S = Decimal(8 * 1024)


def conclude(outcomes: Sequence[Outcome], before: Instant, after: Instant, policy: Policy) -> ClockProof:
    """Combine what was heard between the moments `before` and `after`."""
    heard = _independent([o for o in outcomes if isinstance(o, TimeSample)])
    samples = [sample.aged(after.boottime_ns, policy.ppm) for sample in heard]
    step = after.difference_ns - before.difference_ns
    if abs(step) > STEP_NS:
        reason = f"The system clock was stepped by {signed(Decimal(step) / NS)} while it was measured."
        return _unproven(reason, outcomes, after, policy)
    if not samples:
        reason = ("No source gave the time" if outcomes else "No source of time is configured") + ADVICE
        return _unproven(reason, outcomes, after, policy)
    agreement = intersect(samples)
    if agreement is None:
        return _unproven(_disagreement(samples), outcomes, after, policy)
    return _proven(agreement, tuple(outcomes), after, policy)


def _unproven(reason: str, outcomes: Sequence[Outcome], after: Instant, policy: Policy) -> ClockProof:
    return ClockProof(
        synchronized=False,
        source="none",
        measured=after,
        policy=policy,
        reasons=(reason,),
        outcomes=tuple(outcomes),
    )


def _proven(agreement: Agreement, outcomes: tuple[Outcome, ...], after: Instant, policy: Policy) -> ClockProof:
    low = agreement.low_s.quantize(NANOSECOND, ROUND_FLOOR)
    high = agreement.high_s.quantize(NANOSECOND, ROUND_CEILING)
    offset = ((low + high) / 2).quantize(NANOSECOND)
    uncertainty = max(high - offset, offset - low)
    best = min(agreement.agreeing, key=lambda sample: sample.uncertainty_s)
    age = min(sample.age_s for sample in agreement.agreeing)
    proof = ClockProof(
        synchronized=abs(offset) + uncertainty <= policy.limit_s,
        source=WORDS[best.source],
        measured=after,
        policy=policy,
        offset_s=offset,
        uncertainty_s=uncertainty,
        leap_pending=any(sample.leap_pending for sample in agreement.agreeing),
        reference=best.reference,
        reasons=(*_lies(agreement), *_coasting(age), *_alone(agreement)),
        outcomes=outcomes,
    )
    at = proof.utc_at(after.boottime_ns)
    return replace(proof, heard_at=at - timedelta(seconds=int(age)) if age > FRESH_S else at)


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


def _alone(agreement: Agreement) -> list[str]:
    if len(agreement.agreeing) > 1 or agreement.agreeing[0].source == "chrony":
        return []  # chrony weighs its own sources
    return ["Only one source gave the time; nobody would notice if it were wrong."]
