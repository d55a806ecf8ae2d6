"""What one table of a meter says, field by field, for people who want to see what is in there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.c1219 import Context, Decoded
from drivers.c1219.decade0 import ProcedureInitiate, ProcedureResponse
from drivers.c1219.decade4 import SECRET
from drivers.c1219.described import MANUFACTURER_TABLES_FROM, DescribedTable, decode_described
from drivers.c1219.profile_data import TABLES as DATA_TABLES
from drivers.c1219.readable import block_rows, rows_of
from drivers.c1219.tables import TABLES
from drivers.errors import DataError, MrspError
from drivers.psem.services import table_name

_LOG_IN = 18  # the standard procedure whose parameters hold a password
_UNKNOWN = "its layout is not confirmed by any open source: its octets are shown as they came"
_REFUSED_ASKED, _REFUSED = 2, 0  # exit codes: an operator who names a secret table made a mistake


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a table. `offset` is None where the octets cannot be told apart from their neighbours'.

    `text` is the value as it stands in the table, `unit` what it counts in, `note` what it means.
    """

    path: str
    text: str
    offset: int | None
    length: int
    octets: bytes
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class TableReport:
    """One table as read. `problem` says why there are no fields; `exit_code` is that of the error, else 0."""

    name: str
    title: str
    octets: bytes
    fields: tuple[Field, ...] = ()
    remarks: tuple[str, ...] = ()
    problem: str = ""
    exit_code: int = 0


@dataclass(slots=True)
class Found:
    """What was read of a meter. `blocks`: of load-profile tables that were not read whole, by table and element."""

    context: Context
    octets: Mapping[str, bytes]
    failures: Mapping[str, MrspError] = field(default_factory=dict)
    described: Mapping[int, DescribedTable] = field(default_factory=dict)
    blocks: Mapping[int, Mapping[int, bytes]] = field(default_factory=dict)


def secret_report(number: int, *, asked: bool) -> TableReport:
    """Return the refusal of a table that holds secrets; `asked`: it was named, not met among all others."""
    problem = f"{table_name(number)} holds {SECRET[number]}: it is never read, shown or kept"
    return TableReport(table_name(number), "", b"", problem=problem, exit_code=_REFUSED_ASKED if asked else _REFUSED)


def report_of(number: int, found: Found) -> TableReport:
    """Return what is known of a table. Never raises."""
    name = table_name(number)
    decoded = found.context.tables.get(number)
    if decoded is not None:
        return _decoded(decoded, found.context)
    if number in found.blocks:
        return _blocks(number, found)
    if name in found.octets and number in found.described:
        return _described(found.described[number], found.octets[name], found.context)
    return _undecoded(number, found)


def _undecoded(number: int, found: Found) -> TableReport:
    """Report a table as its octets, where that is all that can be known of it, or why there is not even that."""
    name = table_name(number)
    octets, error = found.octets.get(name), found.failures.get(name)
    title = TABLES[number].title if number in TABLES else "LP_DATA_SET" if number in DATA_TABLES else ""
    if octets is not None and number >= MANUFACTURER_TABLES_FROM:
        return TableReport(name, title, octets)
    if octets is not None and not title:
        return TableReport(name, title, octets, remarks=(_UNKNOWN,))
    if octets == b"" and number == ProcedureResponse.number:
        return TableReport(name, title, b"", remarks=("no procedure was called yet",))
    if error is None:
        return TableReport(name, title, octets or b"")
    return TableReport(name, title, octets or b"", problem=str(error), exit_code=error.exit_code)


def _decoded(decoded: Decoded, context: Context) -> TableReport:
    table = decoded.table
    if isinstance(table, ProcedureInitiate) and table.procedure == _LOG_IN and not table.manufacturer:
        problem = "its parameters hold a password: they are not shown"
        return TableReport(decoded.name, table.title, b"", problem=problem)
    fields = []
    for row in rows_of(decoded, context):
        at, length = row.span if row.span is not None else (None, 0)
        octets = b"" if at is None else decoded.octets[at : at + length]
        fields.append(Field(row.path, row.text, at, length, octets, row.unit, row.note))
    return TableReport(decoded.name, table.title, decoded.octets, tuple(fields), decoded.remarks)


def _blocks(number: int, found: Found) -> TableReport:
    """Report a load-profile table of which some blocks were read."""
    name, pieces = table_name(number), found.blocks[number]
    size = len(next(iter(pieces.values()), b""))
    fields = []
    try:
        for row in block_rows(number, pieces, found.context):
            at, length = row.span if row.span is not None else (0, 0)
            piece = pieces.get(at // size, b"") if size else b""
            octets = piece[at % size : at % size + length] if size else b""
            fields.append(Field(row.path, row.text, at, length, octets, row.unit, row.note))
    except DataError as error:
        return TableReport(name, "LP_DATA_SET", b"", problem=str(error), exit_code=error.exit_code)
    remark = f"of this table only these blocks were read: {', '.join(map(str, sorted(pieces)))}"
    return TableReport(name, "LP_DATA_SET", b"", tuple(fields), (remark,))


def _described(table: DescribedTable, octets: bytes, context: Context) -> TableReport:
    described = decode_described(table, octets, context)
    fields = tuple(
        Field(value.path, value.text, value.offset, value.length, value.octets, value.unit, value.note)
        for value in described.values
    )
    return TableReport(table.name, table.title, octets, fields, described.remarks)
