"""What a reader found against what it had to find: `mrsp.reading/1`, or a document of that shape, against one visit.

Exact: every register, every interval that is new with count, value and status words, every new event, every check
that is foretold. A document without `checks` or `events` is compared in the rest, and a reader whose own clock was not
at the time of the visit is not held to what it says of the meter's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from metersim.lab.channels import utc
from metersim.lab.compared_intervals import Intervals, missing_intervals, wrong_intervals
from metersim.lab.document import VisitPart

Document = Mapping[str, Any]
_MOST = 8  # differences of one kind that are spelled out
_SAME_TIME, _NEVER = timedelta(hours=1), timedelta.max
_FAILED = ("fail", "verified")  # verified: failed, and confirmed by a second look
_WHO = ("meter_id", "serial_number", "manufacturer", "model", "hardware_version", "firmware_version")
_REGISTER = (
    "quantity", "direction", "kind", "season", "period", "phase", "extreme", "continuous", "occurrence", "self_read",
)  # fmt: skip
_REGISTER_NUMBERS = ("raw", "value")
_REGISTER_TEXTS = ("unit", "occurred_at", "period_end")


class NotComparable(ValueError):
    """The document is not of the shape that it must have."""


def differences(expected: VisitPart, found: Document) -> list[str]:
    """Return in words what a reader's document has otherwise than it must; empty if it is right in everything.

    Raises `NotComparable` for what is no such document.
    """
    wanted: dict[str, Any] = msgspec.to_builtins(expected)
    try:
        last = wanted["record"].get("last_read_at")
        since = None if last is None else int(datetime.fromisoformat(last).timestamp())
        ours, theirs = Intervals.of(wanted["interval_blocks"]), Intervals.of(found["interval_blocks"])
        return [
            *_identity(wanted, found),
            *_few(_register_differences(wanted["registers"], found["registers"], last)),
            *_few(list(missing_intervals(ours, theirs, since))),
            *_few(list(wrong_intervals(ours, theirs))),
            *(_few(_events(wanted["events"], found["events"], since)) if "events" in found else ()),
            *(_checks(_judged(wanted, found), found["checks"], theirs) if "checks" in found else ()),
        ]
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, OSError) as error:
        raise NotComparable(f"not of the shape of mrsp.reading/1: {type(error).__name__} {error}") from error


def _few(texts: Sequence[str]) -> list[str]:
    more = len(texts) - _MOST
    return [*texts] if more <= 0 else [*texts[:_MOST], f"and {more} more of the kind"]


def _identity(wanted: Document, found: Document) -> Iterator[str]:
    for key in _WHO:
        theirs, ours = str(found["meter"].get(key, "")), wanted["meter"][key]
        if theirs.lstrip("0") != ours.lstrip("0"):  # zeros before a BCD id are padding
            yield f"meter.{key}: {theirs!r} instead of {ours!r}"
    shown, right = ((one.get("clock") or {}).get("meter_time") for one in (found, wanted))
    if shown != right:
        yield f"clock.meter_time: {shown} instead of {right}"
    for key in ("mode", "flags"):
        said, are = (sorted((one.get("meter_status") or {}).get(key, ())) for one in (found, wanted))
        if said != are:
            yield f"meter_status.{key}: {said} instead of {are}"


def _register_differences(ours: Sequence[Document], theirs: Sequence[Document], last: str | None) -> list[str]:
    """Compare the registers; self reads of before the visit before may be there or not."""
    known = [one for one in ours if last is not None and one["period"] == "self_read" and one["period_end"] <= last]
    missing = _registers(ours) - _registers(theirs) - _registers(known)
    return [
        *(f"register not found: {_words(one)}" for one in missing.elements()),
        *(f"register that is not there: {_words(one)}" for one in (_registers(theirs) - _registers(ours)).elements()),
    ]


def _registers(parts: Iterable[Document]) -> Counter[Hashable]:
    """Count registers by all that is known of them; numbers as numbers, whatever their zeros."""
    return Counter(
        (
            part["tier"],
            *(part.get(key) or None for key in _REGISTER),
            *(Decimal(part[key]) if key in part else None for key in _REGISTER_NUMBERS),
            *(part.get(key) for key in _REGISTER_TEXTS),
        )
        for part in parts
    )


def _words(one: object) -> str:
    if isinstance(one, tuple):
        return " ".join(str(part) for part in one if part is not None)
    return str(one)


def _events(ours: Iterable[Document], theirs: Iterable[Document], since: int | None) -> list[str]:
    """Compare the logs; in the hour that the wall clock repeats either pass will do."""
    known = {_event(one): one for one in ours}
    found = {_event(one): str(one.get("at")) for one in theirs}
    texts = []
    for event, one in known.items():
        at, is_new = datetime.fromisoformat(one["at"]), since is None or _timestamp(one["at"]) > since
        times = {one["at"], utc(at + timedelta(hours=1))} if one.get("ambiguous") else {one["at"]}
        if event in found and found[event] not in times:
            texts.append(f"entry {_words(event)} at {found[event]} instead of {one['at']}")
        elif event not in found and is_new:
            texts.append(f"entry not found: {_words(event)} at {one['at']}")
    odd = sorted(f"{_words(one)} at {found[one]}" for one in found.keys() - known.keys())
    return [*texts, *(f"entry that is not there: {one}" for one in odd)]


def _timestamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _event(one: Document) -> Hashable:
    return one.get("log", "event"), one["sequence"], one["code"], one.get("user_id")


def _judged(wanted: Document, found: Document) -> list[Document]:
    """Return the checks that can be compared: not that of the clock, if the reader did not live at the visit's time."""
    at = found.get("read_finished_at")
    apart = _NEVER if at is None else abs(datetime.fromisoformat(at) - datetime.fromisoformat(wanted["at"]))
    return [check for check in wanted["checks"] if apart <= _SAME_TIME or check["check"] != "meter_clock"]


def _checks(ours: Iterable[Document], theirs: Sequence[Document], read: Intervals) -> Iterator[str]:
    for check in ours:
        results = [one for one in theirs if one["check"] == check["check"]]
        outcomes = {one["outcome"] for one in results}
        failed = not outcomes.isdisjoint(_FAILED)
        if check["outcome"] == "fail" and not failed:
            yield f"check {check['check']} must fail ({check.get('because', '')}): {', '.join(outcomes) or 'not run'}"
        elif check["outcome"] == "pass" and failed:
            reasons = "; ".join(one.get("reason", "") for one in results if one["outcome"] in _FAILED)
            yield f"check {check['check']} must pass: {reasons}"
        yield from _few(list(_named(check, results, read)))


def _named(check: Document, results: Iterable[Document], read: Intervals) -> Iterator[str]:
    """Compare the intervals that the results name, as far as the reader has them."""
    ends = read.ends_by_channel()
    indices = {(one["channel"], index) for one in results for index in one.get("intervals") or ()}
    known = {(channel, index) for channel, index in indices if 0 <= index < len(ends.get(channel, ()))}
    for channel, index in sorted(indices - known):
        yield f"check {check['check']} names interval {index} of channel {channel}, which is not there"
    named = {(channel, ends[channel][index]) for channel, index in known}
    must, may = (_ends(check.get(key) or {}, read) for key in ("intervals", "may_name"))
    for text, some in (("must name", must - named), ("must not name", named - must - may)):
        for channel, end in sorted(some):
            yield f"check {check['check']} {text} the interval of channel {channel} to {utc(end)}"


def _ends(by_channel: Mapping[str, Iterable[str]], read: Intervals) -> set[tuple[int, int]]:
    """Return (channel, end) of those that the reader has."""
    ends = {
        (int(channel), int(datetime.fromisoformat(end).timestamp()))
        for channel, of_channel in by_channel.items()
        for end in of_channel
    }
    return {(channel, end) for channel, end in ends if read.has(channel, end)}
