"""What a person says of a meter they stood at, with a reading or instead of one, as findings.

A reading that a person types shows that what they do not mention is gone. Words without such a reading only add to what
is known: behind a locked door no seal is seen. So that what was put right and comes back is not passed over for ever,
they are news again after a while.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from agent.anomalies.observation import Observation
from agent.anomalies.watch import News, OpenFinding, news_of
from agent.anomaly import Finding
from agent.reading import Reading
from drivers.visual.trouble import WORDS, Trouble

#: What each code of a route has to be reported as. `other` says nothing by itself: it is for the route's office.
FINDINGS: Mapping[Trouble, Finding | None] = MappingProxyType(
    {
        "no_access": "no_access",
        "locked": "no_access",
        "dog": "physical_danger",
        "unsafe": "physical_danger",
        "not_found": "no_access",
        "removed": "meter_missing",
        "wrong_meter": "wrong_meter",
        "dead_display": "meter_unreadable",
        "not_legible": "meter_unreadable",
        "broken_glass": "installation_defect",
        "damaged": "installation_defect",
        "seal_broken": "seal_defect",
        "tampered": "theft_of_service",
        "obstructed": "no_access",
        "other": None,
    }
)
REACHED: tuple[Finding, ...] = ("meter_not_reached", "no_access", "meter_missing")  # gone once there is a reading
SAID_AGAIN_AFTER = timedelta(days=20)  # less than a cycle: what is still there at the next one is told again
_LOOKED_FOR = frozenset(finding for finding in FINDINGS.values() if finding is not None) - {"wrong_meter"}


@dataclass(frozen=True, slots=True)
class Sight:
    """One thing that a person says: `code` tells it from others of its finding, `words` say it to people."""

    code: str
    finding: Finding
    words: str


def sights_of(said: Iterable[str]) -> tuple[Sight, ...]:
    """Return what these codes of `drivers.visual.trouble` are reported as; what is none of them is passed over."""
    codes = set(said)
    found = ((code, finding) for code, finding in FINDINGS.items() if code in codes)
    return tuple(Sight(code, finding, WORDS[code]) for code, finding in found if finding is not None)


def seen_at_site(sights: Iterable[Sight], *remarks: str) -> tuple[Observation, ...]:
    """Return one observation a finding, with the person's own words."""
    grouped: dict[Finding, list[Sight]] = {}
    for sight in sights:
        grouped.setdefault(sight.finding, []).append(sight)
    return tuple(
        Observation(
            finding,
            tuple(dict.fromkeys(one.code for one in group)),
            (*dict.fromkeys(one.words for one in group), *(remark for remark in remarks if remark)),
        )
        for finding, group in grouped.items()
    )


def news_without_reading(
    known: Sequence[OpenFinding], seen: Iterable[Observation], at: datetime
) -> tuple[tuple[OpenFinding, ...], tuple[News, ...]]:
    """Return which of the `known` findings stay open, and what of the `seen` has to be reported."""
    old = [one for one in known if one.finding in _LOOKED_FOR and _age(one, at) > SAID_AGAIN_AFTER]
    found = [one for one in seen if one.marks]
    news = tuple(
        replace(item, follows=item.follows or _last(old, item.observation.finding))
        for item in news_of([one for one in known if one not in old], found)[1]
    )
    again = {(item.observation.finding, mark) for item in news for mark in item.marks}
    return tuple(one for one in known if (one.finding, one.mark) not in again), news


def _age(one: OpenFinding, at: datetime) -> timedelta:
    """Return how long ago a finding was reported: its report's id, UUID version 7, begins with the milliseconds."""
    try:
        milliseconds = UUID(one.anomaly_id).int >> 80
        return at - (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds))
    except (ValueError, OverflowError):
        return timedelta.max  # not ours: its age is not known


def _last(known: Sequence[OpenFinding], finding: Finding) -> str | None:
    return next((one.anomaly_id for one in reversed(known) if one.finding == finding), None)


def with_persons(found: Sequence[Observation], reading: Reading) -> tuple[Observation, ...]:
    """Return what a reading shows, and what the person who brought it says, one observation a finding."""
    if reading.method != "manual":
        return tuple(found)
    problems = reading.problems or ()
    remarks = (f"remark: {one.reason}" for one in problems if one.what == "remark")
    said = seen_at_site(sights_of(one.what for one in problems), *remarks)
    merged: dict[Finding, Observation] = {one.finding: one for one in found}
    merged |= {finding: Observation(finding) for finding in _LOOKED_FOR}
    for one in said:
        known = merged.get(one.finding, Observation(one.finding))
        merged[one.finding] = Observation(
            one.finding, (*known.marks, *one.marks), (*known.reasons, *one.reasons), known.checks
        )
    return tuple(merged.values())
