"""The last proof of this boot on disk, so that one command's measurement holds over for the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec

from agent.clock.boot import BootStamp
from agent.clock.instant import Instant
from agent.clock.plausible import why_not
from agent.clock.proof import ClockProof, Policy, ProofSource
from agent.clock.samples import NANOSECOND, Leap, TimeSample
from agent.durable_file import write_durably

SCHEMA = "mrsp.clock-proof/1"
MAX_OCTETS = 65_536
MOST_S = 10**11  # no offset of two dates that have a calendar is larger

Text = Annotated[str, msgspec.Meta(max_length=1000)]


class KeptProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of a proof outlives the program that made it. `best`: the surest source, for whoever asks whence."""

    schema: str
    stamp: BootStamp
    measured: Instant
    source: ProofSource
    offset_s: Decimal
    uncertainty_s: Decimal
    heard_at: Annotated[datetime, msgspec.Meta(tz=True)]
    leap: Leap
    best: TimeSample
    reasons: tuple[Text, ...]


def save(path: Path, proof: ClockProof) -> None:
    """Write a fresh proof that tells the time; any other is left out. Raises `LocalTrouble`."""
    if proof.stamp is None or proof.best is None or proof.heard_at is None or proof.held_over or not proof.tells_time:
        return
    if proof.offset_s is None or proof.uncertainty_s is None:
        return
    kept = KeptProof(
        schema=SCHEMA,
        stamp=proof.stamp,
        measured=proof.measured,
        source=proof.source,
        offset_s=proof.offset_s,
        uncertainty_s=proof.uncertainty_s,
        heard_at=proof.heard_at,
        leap=proof.leap,
        best=proof.best,
        reasons=proof.reasons,
    )
    write_durably(path, msgspec.json.encode(kept))


def load(path: Path, policy: Policy) -> ClockProof | None:
    """Read what `save` wrote; None if there is nothing, or nothing to go by.

    Whether it still holds is for `hold_over` to decide.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
        kept = msgspec.json.decode(octets, type=KeptProof)
    except (OSError, msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    numbers = (kept.offset_s, kept.uncertainty_s, kept.best.offset_s, kept.best.uncertainty_s, kept.best.age_s)
    if kept.schema != SCHEMA or not all(n.is_finite() and abs(n) < MOST_S for n in numbers) or kept.uncertainty_s < 0:
        return None
    offset, uncertainty = kept.offset_s.quantize(NANOSECOND), kept.uncertainty_s.quantize(NANOSECOND)
    if why_not(kept.measured.realtime_ns - int(offset * 1_000_000_000)):
        return None
    best = kept.best
    return ClockProof(
        synchronized=abs(offset) + uncertainty <= policy.limit_s,
        source=kept.source,
        measured=kept.measured,
        policy=policy,
        offset_s=offset,
        uncertainty_s=uncertainty,
        heard_at=kept.heard_at.astimezone(UTC),
        leap=kept.leap,
        best=replace(
            best,
            offset_s=best.offset_s.quantize(NANOSECOND),
            uncertainty_s=best.uncertainty_s.quantize(NANOSECOND),
            age_s=best.age_s.quantize(NANOSECOND),
        ),
        reasons=kept.reasons,
        stamp=kept.stamp,
    )
