"""What a profile file may say: every key, its unit and its bounds. A key left out means "as the standard says".

The sections mirror the settings that they feed: `[psem]` feeds `drivers.psem.options`, `[c1219]` and `[displays]`
feed `drivers.c1219.quirks`, `[line]` the options of a serial line.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta

from drivers.c1219.described import MANUFACTURER_TABLES_FROM, DescribedTable
from drivers.c1219.quirks import Override, Quirks
from drivers.profiles.manufacturer_table import ManufacturerTable
from drivers.profiles.next_call import NextCallKeys
from drivers.profiles.section import DecimalText, FileName, Octet, Section, Status, Text
from drivers.psem.options import PsemOptions, Timing

# A description is what a person reads as "allowed" beside a mistake.
Glob = Annotated[  # no [sets], so that overlaps can be computed
    str, Meta(pattern=r"^[^\[\]]{1,32}$", description="1 to 32 characters; * stands for any text, ? for any character")
]
Version = Annotated[str, Meta(pattern=r"^\d{1,3}(\.\d{1,3})?$", description='text like "3" or "3.10"')]
Baud = Literal[300, 600, 1200, 2400, 4800, 9600, 14400, 19200, 28800, 38400, 57600, 115200, 128000, 256000]
ByteText = Annotated[str, Meta(max_length=10, pattern=r"^[ -~]*$", description="at most 10 ASCII characters")]
Pin = Literal["on", "off", "leave"]
StandardTable = Annotated[str, Meta(pattern=r"^ST\d{2,3}$", description='text like "ST28"')]
Factor = Annotated[
    str, Meta(pattern=r"^(?=.*[1-9])\d{1,12}(\.\d{1,18})?$", description='a factor above 0 as text, like "0.0001"')
]
StatusWord = Literal[
    "none",
    "overflow",
    "partial",
    "long",
    "short",
    "skipped",
    "missing",
    "test_mode",
    "power_outage",
    "clock_adjusted",
]  # of `drivers.c1219.interval_status.STATUS_WORDS`
_OVERRIDE = re.compile(r"ST(\d{2,3})\.(.+)")


class Versions(Section, frozen=True, kw_only=True):
    """An inclusive range of `version.revision` as ST01 holds them; `max = "3"` includes 3.255."""

    min: Version | None = None
    max: Version | None = None


class Detect(Section, frozen=True, kw_only=True):
    """How the family names itself in ST00 and ST01, blanks stripped; letter case is ignored."""

    manufacturer: Glob | Annotated[tuple[Glob, ...], Meta(min_length=1)]
    model: Glob | Annotated[tuple[Glob, ...], Meta(min_length=1)] = "*"
    hardware: Versions | None = None
    firmware: Versions | None = None
    device_class: Glob | None = None


class PsemKeys(Section, frozen=True, kw_only=True):
    """`[psem]`: how to speak to the meter (C12.18, C12.21). Times in milliseconds."""

    inter_character_ms: Annotated[int, Meta(ge=10, le=60_000)] | None = None
    response_ms: Annotated[int, Meta(ge=100, le=120_000)] | None = None
    channel_traffic_ms: Annotated[int, Meta(ge=1_000, le=255_000)] | None = None
    turnaround_ms: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    settle_ms: Annotated[int, Meta(ge=1, le=5_000)] | None = None
    retries: Annotated[int, Meta(ge=0, le=20)] | None = None
    identity: Octet | None = None
    toggles: bool | None = None
    password_padding: Literal["nul", "space"] | None = None
    user_padding: Literal["space", "nul"] | None = None
    user_id: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    user: ByteText | None = None
    negotiate: bool | None = None
    packet_size: Annotated[int, Meta(ge=32, le=8_192)] | None = None
    packets: Annotated[int, Meta(ge=1, le=255)] | None = None
    bauds: tuple[Baud, ...] | None = None
    size_excludes_overhead: bool | None = None
    wake_up: bool | None = None
    busy_retries: Octet | None = None
    busy_wait_ms: Annotated[int, Meta(ge=0, le=60_000)] | None = None
    recoveries: Annotated[int, Meta(ge=0, le=50)] | None = None
    logoff: bool | None = None
    authenticate: Literal["auto", "never", "required"] | None = None
    key_id: Octet | None = None
    timing_setup: bool | None = None


class C1219Keys(Section, frozen=True, kw_only=True):
    """`[c1219]`: what the tables mean where the standard leaves a choice, or the family does not follow it."""

    scaling: Literal["undo", "multiply", "none"] | None = None
    entry_lookup: Literal["flagged", "by_source"] | None = None
    closure_field: Literal["by_size", "present", "absent"] | None = None
    status_nibbles: Literal["high_first", "low_first"] | None = None
    simple_status: Literal["valid", "inverted"] | None = None
    open_block_end: Literal["last_interval", "block_grid"] | None = None
    block_order: Literal["flag", "ascending", "descending"] | None = None
    epoch: Literal["by_qualifier", "utc", "local"] | None = None
    clock_is: Literal["by_format", "utc", "local_standard", "local"] | None = None
    dst_rule: Literal["auto", "united_states", "site_zone", "none"] | None = None
    bcd_point: Annotated[int, Meta(ge=0, le=16)] | None = None
    uom: Literal["standard", "ignore"] | None = None
    meter_id_at: Literal["st05", "st06", "st01"] | None = None
    no_offset: bool | None = None
    event_time: Literal["by_size", "ltime", "htime"] | None = None
    max_read: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    constants_modulo: Annotated[int, Meta(ge=1, le=255)] | None = None
    register_scale: Factor | None = None
    interval_scale: Factor | None = None
    channel_status: dict[str, StatusWord] | None = None  # by nibble
    event_names: dict[str, Text] | None = None  # by the code of a manufacturer's event
    tables_absent: tuple[StandardTable, ...] | None = None
    tables_present: tuple[StandardTable, ...] | None = None
    override: dict[str, bool | int | DecimalText] | None = None  # by `ST61.sets[0].nbr_blk_ints`

    def settings(self) -> dict[str, Any]:
        """Return what is said, by the name and in the type of `Quirks`. Only for keys that `sense` found right."""
        said = self.said()
        for key in ("register_scale", "interval_scale"):
            if key in said:
                said[key] = Decimal(said[key])
        for key in ("channel_status", "event_names"):
            if key in said:
                said[key] = tuple((int(number), word) for number, word in said[key].items())
        for key in ("tables_absent", "tables_present"):
            if key in said:
                said[key] = frozenset(int(name[2:]) for name in said[key])
        if "override" in said:
            said["override"] = tuple(override_of(key, value) for key, value in said["override"].items())
        return said


def override_of(key: str, value: bool | int | str) -> Override:
    """Return what `"ST61.sets[0].nbr_blk_ints" = 96` says. Raises `ValueError` for a key that names no table."""
    found = _OVERRIDE.fullmatch(key)
    if found is None:
        raise ValueError("write it as table and field, like ST61.sets[0].nbr_blk_ints")
    return Override(int(found[1]), found[2], Decimal(value) if isinstance(value, str) else value)


class LineKeys(Section, frozen=True, kw_only=True):
    """`[line]`: the probe and the serial line. Known only when the profile is named: the line is open before ST01."""

    baud: Baud | None = None
    dtr: Pin | None = None
    rts: Pin | None = None
    warmup_ms: Annotated[int, Meta(ge=0, le=60_000)] | None = None
    echo: Literal["auto", "on", "off"] | None = None


class DialsAt(Section, frozen=True, kw_only=True):
    """Where the meter itself keeps its number of dials: an octet of a table, `ST04` or `MT16`."""

    table: Annotated[str, Meta(pattern=r"^(ST|MT)\d{1,4}$", description='text like "ST04" or "MT16"')]
    offset: Annotated[int, Meta(ge=0, le=65_535)]

    @property
    def table_id(self) -> int:
        """The id of `table` as a read request carries it."""
        number = int(self.table[2:])
        return number + MANUFACTURER_TABLES_FROM if self.table.startswith("MT") else number


class Displays(Section, frozen=True, kw_only=True):
    """`[displays]`: what the family's display shows. C12.19 has no standard field for the number of dials."""

    dials_at: DialsAt | None = None
    digits: Annotated[int, Meta(ge=1, le=12)] | None = None  # of the unmultiplied register, if all meters show as many


class Fact(Section, frozen=True, kw_only=True):
    """`[[fact]]`: one thing known of the family, in own words, and the public source that says so."""

    fact: Text
    source: Text  # title
    url: (
        Annotated[str, Meta(pattern=r"^https?://\S+$", description="an address that begins with https:// or http://")]
        | None
    ) = None  # none: a printed manual, named by title and page
    keys: tuple[str, ...] = ()  # keys of this profile that rest on it, as `c1219.max_read`


class ExpectedRegister(Section, frozen=True, kw_only=True):
    """One register that the recording must give, in the terms of the reading document; `value` exact, as text."""

    quantity: Text
    direction: Literal["delivered", "received", "net", "total"]
    kind: Literal["cumulative", "demand", "cumulative_demand", "coincident", "instantaneous"] = "cumulative"
    tier: Annotated[int, Meta(ge=0, le=255)] = 0
    value: Annotated[str, Meta(pattern=r"^-?\d+(\.\d+)?$", description='a decimal as text, like "12345.678"')]
    unit: Text


class Proof(Section, frozen=True, kw_only=True):
    """`[[proof]]`: a recording of a real meter in `tests/recordings/`, and what reading it must give."""

    recording: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$",
            description="a path below tests/recordings/, without `..`",
        ),
    ]
    meter_id: Text
    register: Annotated[tuple[ExpectedRegister, ...], Meta(min_length=1)]


class Profile(Section, frozen=True, kw_only=True):
    """One meter family."""

    name: FileName
    title: Text
    status: Status
    note: str = ""
    detect: Detect | None = None  # none: only by `--profile`
    psem: PsemKeys = PsemKeys()
    c1219: C1219Keys = C1219Keys()
    line: LineKeys = LineKeys()
    displays: Displays = Displays()
    next_call: NextCallKeys | None = None  # none: the family cannot be told, as far as anybody knows
    manufacturer_table: tuple[ManufacturerTable, ...] = ()
    fact: tuple[Fact, ...] = ()
    proof: tuple[Proof, ...] = ()

    @property
    def tried(self) -> bool:
        """Whether somebody read a real meter with it."""
        return self.status.startswith("tried")

    def said_keys(self) -> dict[str, Any]:
        """Return the settings that this profile makes, by dotted key (`c1219.max_read`), in the order of the schema."""
        names = ("detect", "psem", "c1219", "line", "displays", "next_call")
        sections: tuple[Section | None, ...] = tuple(getattr(self, name) for name in names)
        return {
            f"{name}.{key}": value
            for name, section in zip(names, sections, strict=True)
            if section is not None
            for key, value in section.said().items()
        }

    def psem_options(self, base: PsemOptions | None = None) -> PsemOptions:
        """Return `base` (default: C12.18's) with what this profile says; pass C12.21's timers for a modem line."""
        base = base or PsemOptions()
        said = self.psem.said()
        said = {_in_seconds(key): value / 1000 if key.endswith("_ms") else value for key, value in said.items()}
        timing = {field.name: said.pop(field.name) for field in fields(Timing) if field.name in said}
        return replace(base, timing=replace(base.timing, **timing), **said)

    def quirks(self, base: Quirks | None = None) -> Quirks:
        """Return `base` (default: our defaults) with what this profile says of the tables and dials."""
        said = self.c1219.settings()
        if at := self.displays.dials_at:
            said |= {"dials_table": at.table_id, "dials_offset": at.offset}
        return replace(base or Quirks(), **said)

    def described_tables(self) -> dict[int, DescribedTable]:
        """Return the manufacturer tables whose fields this profile describes, by table id (2048 + n)."""
        tables = [table.described() for table in self.manufacturer_table if table.field]
        return {table.number: table for table in tables}

    def register_tables(self) -> tuple[int, ...]:
        """Return the ids of the described tables that hold registers of the reading, which a visit has to read."""
        tables = self.described_tables().values()
        return tuple(table.number for table in tables if any(item.register is not None for item in table.fields))

    def line_options(self) -> dict[str, str]:
        """Return what this profile says of a serial line, as a URL's query writes it; other schemes refuse these."""
        return {name: str(value) for name, value in self.line.said().items()}


def _in_seconds(key: str) -> str:
    return f"{key.removesuffix('_ms')}_s" if key.endswith("_ms") else key
