"""What ST00 lists and what is served, units that do not follow the standard, log times, and the maker's own tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from drivers.c1219 import Context
from drivers.c1219.decade0 import DeviceIdentification
from drivers.c1219.decade1 import UnitsOfMeasure
from drivers.c1219.decade7 import EventLog
from drivers.learn.lesson import Lesson
from drivers.learn.visit import PRIVATE
from drivers.psem.codes import ResponseCode, describe
from drivers.psem.services import table_name

MANUFACTURER: Final = 2048  # manufacturer table n has the id 2048 + n
_GONE: Final = frozenset({ResponseCode.IAR, ResponseCode.ONP})
_SHOWN: Final = 16  # octets of a manufacturer table


def of_tables(context: Context, refused: Mapping[int, int], *, cleared: bool) -> list[Lesson]:
    """Return what the tables show. `refused`: response codes by table id; `cleared`: a password was accepted."""
    return [*_listed(context, refused, cleared=cleared), *_identity(context), *_units(context), *_log(context)]


def _listed(context: Context, refused: Mapping[int, int], *, cleared: bool) -> Iterator[Lesson]:
    used = context.st00.std_tbls_used
    listed = {number: code for number, code in refused.items() if number in used and number not in PRIVATE}
    gone = [f"ST{number:02}" for number, code in sorted(listed.items()) if code in _GONE]
    if gone:
        codes = ", ".join(sorted({describe(code) for code in listed.values() if code in _GONE}))
        seen = f"listed by ST00 and refused: {codes}"
        if cleared:
            yield Lesson("c1219.tables_absent", seen, "likely", gone)
        else:
            seen += f" for {', '.join(gone)}; it may be for want of a password"
            yield Lesson("c1219.tables_absent", seen, "open")
    closed = [f"ST{number:02}" for number, code in sorted(listed.items()) if code == ResponseCode.ISC]
    if closed:
        yield Lesson("c1219.tables_absent", f"{', '.join(closed)}: only with the password of a higher level", "open")
    hidden = [f"ST{number:02}" for number in sorted(context.tables) if number and number not in used]
    if hidden:
        yield Lesson("c1219.tables_present", "served although ST00 does not list it", "sure", hidden)


def _identity(context: Context) -> Iterator[Lesson]:
    table = context.find(DeviceIdentification)
    if table is None or not table.identification.strip():
        what = "was not read" if table is None else "is blank"
        yield Lesson("c1219.meter_id_at", f"ST05 {what}: the id is taken from ST06, else ST01", "open")
    else:
        yield Lesson("c1219.meter_id_at", "ST05 holds an id; compare it with the nameplate", "open")


def _units(context: Context) -> Iterator[Lesson]:
    table = context.find(UnitsOfMeasure)
    own = [str(index) for index, entry in enumerate(table.entries) if entry.nfs] if table is not None else []
    if own:
        seen = f"entries {', '.join(own)} of ST12 say that they do not follow the standard (NFS)"
        yield Lesson("c1219.uom", seen, "open")


def _log(context: Context) -> Iterator[Lesson]:
    table = context.find(EventLog)
    if table is not None and table.entries:
        word = "HTIME (with a fraction)" if table.entries[0].fraction is not None else "LTIME"
        yield Lesson("c1219.event_time", f"the size of ST76 says that its times are {word}")


def manufacturer_tables(
    context: Context, octets: Mapping[int, bytes], refused: Mapping[int, int]
) -> Iterator[tuple[int, str]]:
    """Yield (number, what was seen) of the manufacturer tables that ST00 lists."""
    for number in sorted(context.st00.mfg_tbls_used):
        came = octets.get(MANUFACTURER + number)
        if came is not None:
            more = " …" if len(came) > _SHOWN else ""
            yield number, f"{len(came)} octets: {came[:_SHOWN].hex(' ')}{more}"
        elif code := refused.get(MANUFACTURER + number):
            yield number, f"refused: {describe(code)}"
        else:
            yield number, f"{table_name(MANUFACTURER + number)} was not asked for"
