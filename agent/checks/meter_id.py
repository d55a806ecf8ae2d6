"""`meter_id_internal`, `meter_id_external`: the meter in front of us is the meter of the order."""

from __future__ import annotations

from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult

PADDING = " \t\r\n\0"
NOTHING_ON_RECORD = "no meter id on record: the order does not give one"


def judge_internal(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when the meter's electronic identification is the expected one; remote and optical reads (UBP A4 3.10).

    A BCD identification arrives without its leading zeros, which are padding, while the record may have them. So zeros
    before an expected id of digits alone are ignored if the meter's id is of digits alone and has none itself. Zeros
    that the meter does send belong to a character id and count, as does everything else: exact, case included.
    """
    verdict = Verdict.by(INTERNAL.name, rules, rules.meter_id_internal)
    if subject.data.method == "manual":
        return (verdict.skipped("read by a person: only the nameplate was seen"),)
    expected = _stripped(subject.expected_meter_id)
    if not expected:
        return (verdict.skipped(NOTHING_ON_RECORD),)
    found = _stripped(subject.data.identity.meter_id)
    measure = Measure(found, expected)
    if found == expected:
        return (verdict.passed(measure),)
    if not found:
        return (verdict.failed(measure, f"the meter does not identify itself; expected {expected}"),)
    if _digits(found) and _digits(expected) and not found.startswith("0") and expected.lstrip("0") == found:
        return (verdict.passed(measure, "equal but for leading zeros, which are padding where ids are BCD"),)
    return (verdict.failed(measure, f"the meter says it is {found}; expected {expected}"),)


def judge_external(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when the nameplate as a person read it is the expected id, exactly; optical and manual reads.

    A remote read has nobody at the meter; where an order brings a nameplate id all the same, it is judged.
    """
    verdict = Verdict.by(EXTERNAL.name, rules, rules.meter_id_external)
    expected, found = _stripped(subject.expected_meter_id), _stripped(subject.seen_id)
    if not found:
        nobody = "nobody typed or scanned it" if subject.on_site else "read remotely, nobody is at the meter"
        return (verdict.skipped(f"no nameplate id: {nobody}"),)
    if not expected:
        return (verdict.skipped(NOTHING_ON_RECORD),)
    measure = Measure(found, expected)
    if found == expected:
        return (verdict.passed(measure),)
    return (verdict.failed(measure, f"the nameplate says {found}; expected {expected}"),)


def _stripped(text: str | None) -> str:
    return (text or "").strip(PADDING)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


INTERNAL = Check(
    name="meter_id_internal",
    title="internal meter id",
    judge=judge_internal,
    advice="find out which meter this is before any of it is billed, and report an anomaly",
)
EXTERNAL = Check(
    name="meter_id_external",
    title="external meter id",
    judge=judge_external,
    advice="read the nameplate again; if it stays so, find out which meter this is and report an anomaly",
)
