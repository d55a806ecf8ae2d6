"""The clock proof for people and programs: the body of `mrsp clock`. Pure."""

from __future__ import annotations

import json
from typing import Any

from agent.clock.advice import advice
from agent.clock.instant import Instant
from agent.clock.proof import KINDS, NOT_PROVEN, ClockProof, Permit
from agent.clock.samples import sentence
from agent.utc_text import utc_text
from drivers.decimal_text import plain

FORBIDDEN = 5  # exit status


def clock_json(proof: ClockProof, now: Instant) -> str:
    """Write the object that `mrsp clock --json` prints, in one line."""
    return json.dumps({**clock_facts(proof, now), "explanation": explanation(proof, now)}, ensure_ascii=False)


def clock_facts(proof: ClockProof, now: Instant) -> dict[str, Any]:
    """Return the proof as JSON says it, without words: decimal strings, keys that are unknown left out."""
    answer: dict[str, Any] = {"synchronized": proof.synchronized}
    uncertainty = proof.uncertainty_at(now.boottime_ns)
    if proof.offset_s is not None and uncertainty is not None:
        answer["offset_s"] = plain(proof.offset_s)
        answer["uncertainty_s"] = plain(uncertainty)
    answer["source"] = proof.source
    if proof.synchronized_at is not None:
        answer["synchronized_at"] = utc_text(proof.synchronized_at)
    answer["permits"] = {kind: proof.permits(kind, now).allowed for kind in KINDS}
    return answer


def clock_text(proof: ClockProof, now: Instant) -> str:
    """Write what `mrsp clock` tells a person: the verdict, what each source said, what may be read."""
    lines = [verdict(proof, now), *proof.reasons, "", "Sources"]
    lines += [f"  {sentence(outcome)}" for outcome in proof.outcomes] or ["  none is configured"]
    lines += ["", "May be read"]
    for kind in KINDS:
        permit = proof.permits(kind, now)
        lines.append(f"  {kind:<10}  {'yes' if permit.allowed else 'no':<3}  {_why(proof, permit)}")
    steps = advice(proof, now)
    if steps:
        lines += ["", "What to do", *(f"  {step}" for step in steps)]
    return "\n".join(lines)


def explanation(proof: ClockProof, now: Instant) -> str:
    """Say in sentences how the clock stands, what each source said, and why each kind of data may (not) be read."""
    said = [sentence(outcome) for outcome in proof.outcomes]
    verdicts = [
        f"{name}: {'permitted' if permit.allowed else 'forbidden'}. {_why(proof, permit)}"
        for name, permit in (
            ("Cumulative registers", proof.permits("cumulative", now)),
            ("Time-of-use and interval data", proof.permits("interval", now)),
        )
    ]
    return " ".join([verdict(proof, now), *proof.reasons, *said, *verdicts, *advice(proof, now)])


def exit_status(proof: ClockProof, now: Instant) -> int:
    """0 if interval reads are permitted, else 5."""
    return 0 if proof.permits("interval", now).allowed else FORBIDDEN


def verdict(proof: ClockProof, now: Instant) -> str:
    """Say in one sentence how the clock stands."""
    uncertainty = proof.uncertainty_at(now.boottime_ns)
    if proof.offset_s is None or uncertainty is None:
        return "The clock of this box is not synchronised: how far it is off is not known."
    state = "synchronised" if proof.synchronized else "not synchronised"
    way = "fast" if proof.offset_s > 0 else "slow"
    error = f"{abs(proof.offset_s):.6f} s {way}, ± {uncertainty:.6f} s"
    return f"The clock of this box is {state}: {error}, by {proof.source} (reference: {proof.reference})."


def _why(proof: ClockProof, permit: Permit) -> str:
    """The reason of a permit; short where what the sources said stands beside it."""
    return NOT_PROVEN if proof.offset_s is None and not permit.allowed else permit.reason
