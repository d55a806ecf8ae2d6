"""The checks of a reading in plain words, worst first; and the document as the person who typed it may see it.

Who types a reading is to say what is seen, not what is on record: where a check compares with earlier readings, its
figures are left out, and what it found is said without them.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from agent.checks.run import CHECKS
from agent.document import encode
from agent.field.views import CheckView
from agent.reading import CheckResult, Outcome, Reading

MOST_PLACES = 3  # of a figure that passed
_WORST_FIRST: dict[Outcome, int] = {"fail": 0, "verified": 1, "pass": 2, "skipped": 3}
_KNOWN = {check.name: check for check in CHECKS}

#: Checks of a typed reading whose words hold nothing of earlier readings. Of any other one the figures are left out.
_TOLD_IN_FULL = frozenset(
    {"agent_clock", "meter_id_internal", "meter_id_external", "table_data", "dial_count", "demand_decimals"}
)
_WITHOUT_FIGURES = {
    "register_advance": "a value is lower than an earlier reading of the register",
    "high_low_usage": "the usage is unusually high or low for this place",
    "high_low_demand": "the demand is unusually high or low for this place",
    "zero_consumption": "the meter has not counted anything since the last reading",
    "configuration_change": "a multiplier is not the one on record",
}
_OUTCOME = {"fail": "it does not agree with the record", "verified": "it was looked up again: the same values"}


def told(reading: Reading, *, typed: bool) -> tuple[CheckView, ...]:
    """Return the results of the checks for a person; `typed`: a person read the meter by eye."""
    results = sorted(reading.checks, key=lambda result: _WORST_FIRST[result.outcome])
    return tuple(_view(result, typed=typed) for result in results)


def document_for_person(reading: Reading, *, typed: bool) -> bytes:
    """Return the document (JSON); of a typed reading without the figures of the record in its checks."""
    if not typed:
        return encode(reading)
    checks = tuple(_without_figures(result) for result in reading.checks)
    return encode(msgspec.structs.replace(reading, checks=checks))


def _view(result: CheckResult, *, typed: bool) -> CheckView:
    known = _KNOWN.get(result.check)
    return CheckView(
        check=result.check,
        title=known.title if known is not None else result.check.replace("_", " "),
        outcome=result.outcome,
        says=(_without_figures(result) if typed else result).reason or _measured(result, typed=typed),
        advice=known.advice if known is not None and result.outcome == "fail" else "",
        clause=result.clause,
        channel=result.channel,
    )


def _without_figures(result: CheckResult) -> CheckResult:
    if result.check in _TOLD_IN_FULL:
        return result
    said = None
    if result.outcome in _OUTCOME:
        said = _WITHOUT_FIGURES.get(result.check, _OUTCOME["fail"])
        if result.outcome == "verified":
            said = f"{said}; {_OUTCOME['verified']}"
    return msgspec.structs.replace(result, measured=None, limit=None, unit=None, reason=said)


def _measured(result: CheckResult, *, typed: bool) -> str:
    """Say what a check that passed without a remark has measured."""
    if result.measured is None or (typed and result.check not in _TOLD_IN_FULL):
        return ""
    if not result.unit:
        return result.measured  # an identification: it is the one on record, else there were words
    said = f"{_short(result.measured)} {result.unit}"
    return said if result.limit is None else f"{said}, limit {result.limit}"


def _short(figure: str) -> str:
    """Leave out what nobody reads: the document has every digit."""
    if len(figure.partition(".")[2]) <= MOST_PLACES:
        return figure
    return f"{Decimal(figure):.{MOST_PLACES}f}"
