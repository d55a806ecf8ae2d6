"""From a filed inspection to its anomaly reports: one for each kind of finding, those on safety first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

import msgspec

from agent.anomalies import AnomalySettings, News, Observation, Times, composed_at
from agent.anomalies.compose import MOST_PHOTOS
from agent.anomaly import Anomaly, Finding
from agent.business_days import within_business_days
from agent.inspections.checklist import Checklist, Item, by_code
from agent.inspections.draft import is_threat
from agent.inspections.inspection import Inspection, Mark, Party

REPORT_WITHIN = 1  # business day of the discovery (UBP, Safety-Related Reporting Requirements 2; anomaly report)
THREAT = "an immediate threat to personal safety, the site not to be left unattended until it is made safe"
_CALLED: Mapping[Party, str] = {
    "customer": "the customer",
    "utility": "the utility",
    "supplier": "the supplier",
    "authority": "the inspection authority",
}


@dataclass(frozen=True, slots=True)
class _Shown:
    """One item that has to be reported."""

    finding: Finding
    item: Item
    mark: Mark
    since: datetime
    threat: bool


def reports(
    inspection: Inspection,
    lists: Sequence[Checklist],
    settings: AnomalySettings,
    zone: tzinfo,
    earlier: Mapping[str, str] | None = None,
) -> tuple[Anomaly, ...]:
    """Return the reports of an inspection: immediate threats, other matters of safety, the rest.

    `zone`: of the site, whose business days count from the discovery. `earlier`: by finding, the reports of the last
    inspection of this place, which those of what is still there refer to.
    """
    groups: dict[tuple[Finding, bool], list[_Shown]] = {}
    for shown in _shown(inspection, lists):
        groups.setdefault((shown.finding, shown.threat), []).append(shown)
    made = [
        _report(inspection, group, settings, zone, (earlier or {}).get(finding))
        for (finding, _), group in groups.items()
    ]
    return tuple(sorted(made, key=lambda one: (not one.immediate_threat, not one.safety_related)))


def _shown(inspection: Inspection, lists: Sequence[Checklist]) -> Iterator[_Shown]:
    """Yield what has to be reported. What was put right, and what is on record already, has not."""
    items = by_code(lists)
    for code, mark in inspection.marks.items():
        checklist, item = items[code]
        finding: Finding | None = None
        if mark.answer == "found" and (item.recorded_as is None or item.recorded_as not in inspection.subject.hazards):
            finding = checklist.finding_of(item)
        elif mark.answer == "not_seen":
            finding = item.not_seen
        if finding is not None:
            since = inspection.since.get(code, inspection.changed_at)
            yield _Shown(finding, item, mark, since, is_threat(item, mark))


def _report(
    inspection: Inspection, group: Sequence[_Shown], settings: AnomalySettings, zone: tzinfo, follows: str | None
) -> Anomaly:
    subject, threat = inspection.subject, group[0].threat
    reasons = [_words(shown) for shown in group]
    if threat:
        reasons.insert(0, THREAT)
    if inspection.told:
        reasons.append("told at the site: " + ", ".join(_CALLED[party] for party in inspection.told))
    marks = tuple(shown.item.code for shown in group)
    detected_at = min(shown.since for shown in group).astimezone(UTC)
    news = News(Observation(group[0].finding, marks, tuple(reasons)), marks, follows)
    times = Times(detected_at, within_business_days(detected_at, REPORT_WITHIN, zone))
    report = composed_at(news, subject.site, inspection.agent_id, settings, times)
    photos = (*(photo for shown in group for photo in shown.mark.photos), *inspection.photos)
    return msgspec.structs.replace(
        report,
        safety_related=report.safety_related or threat,
        immediate_threat=threat,
        meter_id=subject.meter_id,
        order_id=subject.order_id,
        inspection_id=inspection.inspection_id,
        found_by=inspection.by,
        photos=tuple(dict.fromkeys(photos))[:MOST_PHOTOS],
    )


def _words(shown: _Shown) -> str:
    what = f"not to be seen: {shown.item.text}" if shown.mark.answer == "not_seen" else shown.item.text
    return what if shown.mark.remark is None else f"{what} ({' '.join(shown.mark.remark.split())})"
