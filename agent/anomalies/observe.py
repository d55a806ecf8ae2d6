"""What one reading shows of each kind of finding: that it is there, that it is not, or nothing at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

from agent.anomalies.at_site import with_persons
from agent.anomalies.kinds import KINDS
from agent.anomalies.observation import Observation
from agent.anomaly import Finding
from agent.reading import CheckResult, Reading

CLOCK_FAILURES = 3  # in a row, of one meter (UBP A4 1.3.2)
LONGEST_MARK = 120
SHOWN = frozenset({"fail", "verified"})  # verified: failed, and a second look gave the same

_FAULTS = "the meter reports "  # before the names, in the reason of a check of what the meter says of itself
_SINCE = "since the read of "  # before the changes of a configuration
_BROKE = "the check broke "  # a check that could not judge: it shows nothing
_MUST_BE_SET = "the clock must be set"  # in the remark of a clock that is off and yet good enough for its registers
_BY_ITSELF: Mapping[Finding, tuple[frozenset[str], frozenset[str]]] = MappingProxyType(
    {
        "tamper": (frozenset({"tamper_detect"}), frozenset({"tamper_attempt", "device_unsealed"})),
        "reverse_rotation": (frozenset({"reverse_rotation"}), frozenset({"reverse_rotation"})),
    }
)


def observations(
    reading: Reading, *, clock_failures: int = 0, last_read_at: datetime | None = None
) -> tuple[Observation, ...]:
    """Return what `reading` shows. A kind that nothing was learnt of (its check was skipped) is not among them.

    `clock_failures`: in a row, this reading included; `last_read_at`: events of the meter's log up to then are old.
    A reading of the bench shows nothing, one of another meter nothing of how that compares with what is on record.
    """
    if reading.purpose == "bench":
        return ()
    found: list[Observation] = []
    checks = [check for check in reading.checks if not (check.reason or "").startswith(_BROKE)]
    other = any(check.check == "meter_id_internal" and check.outcome in SHOWN for check in checks)
    for finding, kind in KINDS.items():
        if kind.checks and not (other and kind.of_record):
            results = tuple(check for check in checks if check.check in kind.checks)
            found += _by_checks(finding, results, _MARKS.get(finding, _no_mark))
    by_name = {name: tuple(check for check in checks if check.check == name) for name in ("meter_clock", "test_mode")}
    found += _clock(reading, by_name["meter_clock"])
    found += _inspection(by_name["meter_clock"], clock_failures)
    found += _test_mode(reading, by_name["test_mode"])
    for finding, (flags, events) in _BY_ITSELF.items():
        found += _by_itself(finding, reading, last_read_at, flags, events)
    return with_persons(found, reading)


def _by_checks(
    finding: Finding, results: tuple[CheckResult, ...], mark: Callable[[CheckResult], Iterable[str]]
) -> Iterator[Observation]:
    if shown := tuple(result for result in results if result.outcome in SHOWN):
        marks = (_bounded(text) for result in shown for text in mark(result))
        yield Observation(finding, tuple(dict.fromkeys(marks)), _reasons(shown), shown)
    elif any(result.outcome == "pass" for result in results):
        yield Observation(finding)


def _clock(reading: Reading, results: tuple[CheckResult, ...]) -> Iterator[Observation]:
    """A clock that is off and was not set: there was no leave to, or the leave did not help."""
    shown = tuple(r for r in results if r.outcome in SHOWN or _MUST_BE_SET in (r.reason or ""))
    if all(result.outcome == "skipped" for result in results):
        return
    if not shown or reading.clock.correction == "set":
        yield Observation("clock_must_be_set")
        return
    why = f"its correction: {reading.clock.correction}" if reading.clock.correction else "no leave to correct it"
    if reading.clock.correction_reason:
        why += f" ({reading.clock.correction_reason})"
    yield Observation("clock_must_be_set", ("",), (*_reasons(shown), why), shown)


def _inspection(shown: tuple[CheckResult, ...], failures: int) -> Iterator[Observation]:
    """The third failure of the clock in a row; gone only when a visit finds the clock right."""
    if failures >= CLOCK_FAILURES:
        words = (f"the meter's clock failed at {failures} visits in a row",)
        yield Observation("physical_inspection_required", ("",), words, shown)
    elif failures == 0:
        yield Observation("physical_inspection_required")


def _test_mode(reading: Reading, results: tuple[CheckResult, ...]) -> Iterator[Observation]:
    """A meter that is in test mode now, whatever its intervals say of the past."""
    now = tuple(check for check in results if check.outcome in SHOWN and check.channel is None)
    if now:
        yield Observation("test_mode", ("",), _reasons(now), now)
    elif reading.meter_status is not None and any(check.outcome != "skipped" for check in results):
        yield Observation("test_mode")


def _by_itself(
    finding: Finding, reading: Reading, last: datetime | None, flags: frozenset[str], events: frozenset[str]
) -> Iterator[Observation]:
    """A flag of the meter's status, or an event that was logged since the last read. Unread, both say nothing."""
    status = reading.meter_status
    marks = [flag for flag in status.flags if flag in flags] if status is not None else []
    logged = [event for event in reading.events if not event.manufacturer and event.name in events]
    words = [f"its status says {flag}" for flag in marks]
    for event in logged:
        if event.at is not None and last is not None and datetime.fromisoformat(event.at) > last:
            marks.append(event.name)
            words.append(f"its log says {event.name} at {event.at}")
    if marks or status is not None:
        yield Observation(finding, tuple(dict.fromkeys(marks)), tuple(words))


def _reasons(results: Iterable[CheckResult]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(result.reason or result.check for result in results))


def _bounded(text: str) -> str:
    """Keep a mark short and yet its own: it is remembered as long as the finding stays."""
    if len(text) <= LONGEST_MARK:
        return text
    return f"{text[: LONGEST_MARK - 17]}…{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _no_mark(_result: CheckResult) -> tuple[str, ...]:
    return ("",)


def _identification(result: CheckResult) -> tuple[str, ...]:
    where = "nameplate " if result.check == "meter_id_external" else ""
    return (f"{where}{result.measured or 'none'}",)


def _instead(result: CheckResult) -> tuple[str, ...]:
    return (f"{result.measured} instead of {result.limit}",)


def _channel(result: CheckResult) -> tuple[str, ...]:
    return ("" if result.channel is None else f"channel {result.channel}",)


def _faults(result: CheckResult) -> tuple[str, ...]:
    reason = result.reason or ""
    return tuple(reason.removeprefix(_FAULTS).split(", ")) if reason.startswith(_FAULTS) else (reason,)


def _changes(result: CheckResult) -> tuple[str, ...]:
    """Give each change for itself: one stays as long as the record is not corrected, another is seen once."""
    reason = result.reason or ""
    listed = reason.partition(": ")[2] if reason.startswith(_SINCE) else reason
    return tuple(listed.split("; "))


_MARKS: Mapping[Finding, Callable[[CheckResult], Iterable[str]]] = MappingProxyType(
    {
        "wrong_meter": _identification,
        "dial_count_differs": _instead,
        "decimals_differ": _instead,
        "channel_count_differs": _instead,
        "configuration_change": _changes,
        "pulse_overflow": _channel,
        "meter_diagnostics": _faults,
        "phase_loss": _faults,
    }
)
