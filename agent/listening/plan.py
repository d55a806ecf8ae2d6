"""The read plan of one-way telemetry: which meters are listened for, what each sends, and how its counts are billed.

CSV with a header, or the same as a JSON list of objects (also as `{"meters": […]}`). `meter_id` and `message` are
required; what is not in the plan is never delivered.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, cast, get_args

from agent.history import LARGEST
from drivers.errors import UsageError

Message = Literal["scm", "scmplus", "idm", "netidm", "pager"]
Commodity = Literal["electric", "gas", "water"]

MESSAGES: tuple[Message, ...] = get_args(Message)
COMMODITIES: tuple[Commodity, ...] = get_args(Commodity)
MOST_METERS = 100_000
MOST_OCTETS = 32 * 1024 * 1024
LONGEST = 200  # characters of a text
MOST_DIALS = 18
COLUMNS = (
    "meter_id",
    "message",
    "commodity",
    "multiplier",
    "unit",
    "dials",
    "last_reading",
    "service_delivery_point_id",
    # beyond the contract, all optional
    "last_read_at",
    "service_limit",
    "account_id",
    "format",
    "address",
    "place",
    "latitude",
    "longitude",
)


@dataclass(frozen=True, slots=True)
class PlannedMeter:
    """One line of the plan. Value = count × `multiplier`, in `unit`."""

    meter_id: str
    message: Message
    commodity: Commodity | None = None
    multiplier: Decimal = Decimal(1)
    unit: str = "kWh"
    dials: int | None = None  # digits of the register: the count starts again at 10 to the power of these
    last_reading: Decimal | None = None  # in `unit`
    service_delivery_point_id: str | None = None
    last_read_at: datetime | None = None  # of `last_reading`, aware
    service_limit: Decimal | None = None  # the most that it rises in an hour: kW for energy, else `unit` an hour
    account_id: str | None = None
    format: str | None = None  # of a page: the name of its grammar
    address: str | None = None  # of a page, where it is not the meter's id
    place: str | None = None  # where it is, for a person: "12 Oak St, rear"
    latitude: Decimal | None = None  # WGS 84, degrees; both or none
    longitude: Decimal | None = None
    unit_given: bool = True  # False: the plan leaves the unit to its default

    @property
    def key(self) -> tuple[Message, str]:
        """What a reception is matched by."""
        return self.message, key_of(self.meter_id)


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """The meters, in the order of the file, found by what they send and who they are."""

    meters: tuple[PlannedMeter, ...] = ()

    @property
    def messages(self) -> frozenset[Message]:
        """Which kinds of messages are listened for."""
        return frozenset(meter.message for meter in self.meters)

    def by_key(self) -> dict[tuple[Message, str], PlannedMeter]:
        """Return the meters by what a reception of theirs is matched by."""
        return {meter.key: meter for meter in self.meters}


def key_of(meter_id: str) -> str:
    """Return an identification without the leading zeros that pad a number; other texts as they are."""
    return (meter_id.lstrip("0") or "0") if meter_id.isascii() and meter_id.isdigit() else meter_id


def load_plan(path: Path) -> ReadPlan:
    """Read a plan. Raises `UsageError` naming file, line (or entry) and column of the first thing that is wrong."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_OCTETS + 1)
    except OSError as error:
        raise UsageError(f"read plan {path} cannot be read: {error.strerror}") from error
    return parse_plan(content, f"read plan {path}")


def parse_plan(content: bytes, name: str) -> ReadPlan:
    """Like `load_plan`, from the octets of the file; `name` is for messages."""
    if len(content) > MOST_OCTETS:
        raise UsageError(f"{name} is larger than {MOST_OCTETS:,} octets")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name}, line {line}: not UTF-8 text", advice="save it as UTF-8") from error
    rows = _json_rows(text, name) if text.lstrip()[:1] in {"[", "{"} else _csv_rows(text, name)
    meters: dict[tuple[str, str], tuple[PlannedMeter, str]] = {}
    for place, fields in rows:
        meter = _meter(place, fields)
        if len(meters) >= MOST_METERS:
            raise UsageError(f"{place}: more than {MOST_METERS:,} meters")
        for message in {"idm", "netidm"} if meter.message in {"idm", "netidm"} else {meter.message}:
            if (earlier := meters.get((message, key_of(meter.meter_id)))) is not None:
                raise UsageError(
                    f"{place}, column meter_id: {meter.meter_id} is planned already, at {earlier[1]}",
                    advice="one line a meter and message; of idm and netidm nothing on the air says which one it is",
                )
        meters[meter.key] = (meter, place)
    return ReadPlan(tuple(meter for meter, _ in meters.values()))


def _csv_rows(text: str, name: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    header: list[str] | None = None
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UsageError(f"{name}, line {reader.line_num}: {error}") from error
        if row is None:
            break
        place = f"{name}, line {reader.line_num}"
        if not any(cell.strip() for cell in row):
            continue
        if header is None:
            header = _header([cell.strip() for cell in row], place)
            continue
        if len(row) > len(header):
            raise UsageError(f"{place}: {len(row)} cells under a header of {len(header)}")
        yield place, {column: cell.strip() for column, cell in zip(header, row, strict=False) if cell.strip()}
    if header is None:
        raise UsageError(f"{name} is empty", advice=f"its first line names the columns: {','.join(COLUMNS[:8])}")


def _header(header: list[str], place: str) -> list[str]:
    _known(header, place)
    twice = [column for column in header if header.count(column) > 1]
    if twice:
        raise UsageError(f"{place}: the column {twice[0]} is there twice")
    for column in ("meter_id", "message"):
        if column not in header:
            raise UsageError(f"{place}: the header has no column {column}", advice=f"columns: {', '.join(COLUMNS)}")
    return header


def _known(columns: Iterable[str], place: str) -> None:
    for column in columns:
        if column not in COLUMNS:
            raise UsageError(
                f"{place}: {column!r} is no column of a read plan", advice=f"columns: {', '.join(COLUMNS)}"
            )


def _json_rows(text: str, name: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    document = _json(text, name)
    if isinstance(document, dict):
        document = document.get("meters")
    if not isinstance(document, list):
        raise UsageError(f"{name}: a list of objects expected", advice='[{"meter_id": "54585868", "message": "scm"}]')
    for number, entry in enumerate(document, start=1):
        place = f"{name}, entry {number}"
        if not isinstance(entry, dict):
            raise UsageError(f"{place}: an object expected")
        _known(entry, place)
        given = {column: value for column, value in entry.items() if value is not None}
        for column, value in given.items():
            if not isinstance(value, str):
                raise UsageError(f"{place}, column {column}: a text or a number expected")
        yield place, {column: value.strip() for column, value in given.items() if value.strip()}


def _json(text: str, name: str) -> object:
    """Parse JSON with its numbers left as the text that they are: 0.1 is a tenth."""

    def refused(word: str) -> object:
        raise UsageError(f"{name}: {word} is no number")

    try:
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=refused)
    except json.JSONDecodeError as error:
        raise UsageError(f"{name}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise UsageError(f"{name}: nested too deeply") from error


def _meter(place: str, fields: Mapping[str, str]) -> PlannedMeter:
    cell = _Cells(place, fields)
    cell.require("meter_id", "message")
    message = cast(Message, cell.word("message", MESSAGES))
    meter_id = cell.text("meter_id") or ""
    if message != "pager":
        cell.check_id(meter_id)
    multiplier = cell.number("multiplier")
    if multiplier is not None and multiplier <= 0:
        raise cell.wrong("multiplier", "must be above 0")
    limit = cell.number("service_limit")
    if limit is not None and limit <= 0:
        raise cell.wrong("service_limit", "must be above 0")
    last = cell.number("last_reading")
    if last is not None and last < 0 and message != "netidm":
        raise cell.wrong("last_reading", "is negative, which only a net register can be")
    read_at = cell.time("last_read_at")
    if read_at is not None and last is None:
        raise cell.wrong("last_read_at", "is given without last_reading")
    unit = cell.text("unit")
    latitude, longitude = cell.degrees("latitude", 90), cell.degrees("longitude", 180)
    if (latitude is None) != (longitude is None):
        raise cell.wrong("longitude" if longitude is None else "latitude", "is missing: a position has both")
    return PlannedMeter(
        meter_id=meter_id,
        message=message,
        commodity=cast("Commodity | None", cell.word("commodity", COMMODITIES)),
        multiplier=Decimal(1) if multiplier is None else multiplier,
        unit=unit or "kWh",
        dials=cell.dials(),
        last_reading=last,
        service_delivery_point_id=cell.text("service_delivery_point_id"),
        last_read_at=read_at,
        service_limit=limit,
        account_id=cell.text("account_id"),
        format=cell.text("format"),
        address=cell.text("address"),
        place=cell.text("place"),
        latitude=latitude,
        longitude=longitude,
        unit_given=unit is not None,
    )


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells of one line, read strictly: what is wrong is said with line and column."""

    place: str
    fields: Mapping[str, str]

    def wrong(self, column: str, why: str, advice: str = "") -> UsageError:
        found = self.fields.get(column)
        shown = "" if found is None else f" {found[:60]!r}"
        return UsageError(f"{self.place}, column {column}:{shown} {why}", advice=advice)

    def require(self, *columns: str) -> None:
        for column in columns:
            if column not in self.fields:
                raise self.wrong(column, "is missing")

    def text(self, column: str) -> str | None:
        found = self.fields.get(column)
        if not found:
            return None
        if len(found) > LONGEST or not found.isprintable():
            raise self.wrong(column, f"is no printable text of at most {LONGEST} characters")
        return found

    def word(self, column: str, words: tuple[str, ...]) -> str | None:
        found = self.text(column)
        if found is None:
            return None
        if found.lower() not in words:
            raise self.wrong(column, f"is none of {', '.join(words)}")
        return found.lower()

    def number(self, column: str) -> Decimal | None:
        found = self.text(column)
        if found is None:
            return None
        try:
            number = Decimal(found)
        except InvalidOperation:
            raise self.wrong(column, "is no number", "digits and a point, as in 0.01") from None
        if not number.is_finite() or number.copy_abs() > LARGEST or cast(int, number.as_tuple().exponent) < -15:
            raise self.wrong(column, f"must be finite, at most {LARGEST:f}, of at most 15 decimal places")
        return number

    def degrees(self, column: str, most: int) -> Decimal | None:
        found = self.number(column)
        if found is not None and abs(found) > most:
            raise self.wrong(column, f"must be from -{most} to {most} degrees")
        return found

    def dials(self) -> int | None:
        found = self.text("dials")
        if found is None:
            return None
        if not (found.isascii() and found.isdigit() and 1 <= int(found[:3]) <= MOST_DIALS and len(found) <= 3):
            raise self.wrong("dials", f"is no number of digits from 1 to {MOST_DIALS}")
        return int(found)

    def time(self, column: str) -> datetime | None:
        found = self.text(column)
        if found is None:
            return None
        try:
            at = datetime.fromisoformat(found)
        except ValueError:
            raise self.wrong(column, "is no time", "such as 2026-03-01T00:00:00Z") from None
        if at.tzinfo is None:
            raise self.wrong(column, "does not say its zone", "end it with Z for UTC")
        return at

    def check_id(self, meter_id: str) -> None:
        if not (meter_id.isascii() and meter_id.isdigit() and len(meter_id) <= 12 and 0 < int(meter_id) < 1 << 32):
            raise self.wrong("meter_id", "is no radio identification: a number from 1 to 4294967295")
