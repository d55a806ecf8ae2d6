"""The clock proof as it travels in a document. Pure."""

from __future__ import annotations

from decimal import Decimal

from agent.clock.boot import BootStamp
from agent.clock.instant import NS
from agent.clock.proof import ClockProof
from agent.clock.samples import NANOSECOND, TimeSample
from agent.reading import ClockPart, TimeSourcePart
from agent.utc_text import utc_text
from drivers.decimal_text import plain

MILLISECOND = Decimal("0.001")


def agent_clock_part(proof: ClockProof, at: BootStamp, *, claimed: bool = False) -> ClockPart:
    """Write what the proof says of a moment of this boot: the `agent_…` fields, and `corrected` as false.

    Where the proof tells no time, `agent_utc` is left out; with `claimed` (a bench read, which waives the proof) it is
    what the system clock claims.
    """
    now = at.boottime_ns
    utc = proof.utc_at(now) if claimed else proof.known_utc_at(now)
    uncertainty = proof.uncertainty_at(now)
    best = proof.best
    return ClockPart(
        agent_source=proof.source,
        corrected=False,
        agent_utc=utc_text(utc) if utc is not None else None,
        agent_uncertainty_s=plain(uncertainty) if uncertainty is not None else None,
        agent_offset_s=plain(proof.offset_s) if proof.offset_s is not None else None,
        agent_synchronized_at=utc_text(proof.synchronized_at) if proof.synchronized_at else None,
        agent_reference=proof.reference or None,
        agent_stratum=best.stratum if best is not None else None,
        agent_sources=_sources(proof) or None,
        agent_leap=proof.leap if proof.leap != "none" else None,
        agent_smeared=proof.smeared or None,
        agent_holdover_s=plain(_holdover_s(proof, now)) if proof.offset_s is not None else None,
        agent_held_over=proof.held_over or None,
        agent_boot_id=at.boot_id or None,
        agent_boottime_s=plain((Decimal(now) / NS).quantize(NANOSECOND)),
        agent_alarm=proof.alarm or None,
    )


def _holdover_s(proof: ClockProof, boottime_ns: int) -> Decimal:
    return (Decimal(boottime_ns - proof.measured.boottime_ns) / NS).quantize(MILLISECOND)


def _sources(proof: ClockProof) -> tuple[TimeSourcePart, ...]:
    """Each source that told a time; of a proof that is held over the best of those it was made from."""
    told = [outcome for outcome in proof.outcomes if isinstance(outcome, TimeSample)]
    if proof.held_over and proof.best is not None:
        told = [proof.best]
    return tuple(_source(sample, contradicted=sample.name in proof.contradicted) for sample in told)


def _source(sample: TimeSample, *, contradicted: bool) -> TimeSourcePart:
    return TimeSourcePart(
        source=sample.source,
        name=sample.name,
        reference=sample.reference,
        offset_s=plain(sample.offset_s),
        uncertainty_s=plain(sample.uncertainty_s),
        stratum=sample.stratum,
        leap=sample.leap if sample.leap != "none" else None,
        smeared=sample.smeared or None,
        authenticated=sample.authenticated or None,
        believed=False if contradicted else None,
    )
