"""Look at single tables of a meter, or of a recording of one, decoded field by field."""

from __future__ import annotations

from collections.abc import Sequence

from drivers.base import Task
from drivers.c1219 import Context
from drivers.c1219.decade4 import SECRET
from drivers.c1219.described import MANUFACTURER_TABLES_FROM
from drivers.c1219.opaque import OpaqueTable
from drivers.c1219.profile_data import TABLES as DATA_TABLES
from drivers.c1219.tables import TABLES
from drivers.errors import MrspError
from drivers.profiles import Profiles, load_profiles
from drivers.psem.driver import opened
from drivers.psem.inspect_recording import found_in
from drivers.psem.recognition import recognised
from drivers.psem.services import table_name
from drivers.psem.table_report import Field, Found, TableReport, report_of, secret_report
from drivers.transport.urls import ReplayAddress, parse_url

__all__ = ["Field", "TableReport", "inspect_tables"]

# What the layout of a table depends on (C12.19): its own limiting table, and for the profile its control table.
_DECIDES = {1: (11,), 2: (11, 21, 22), 3: (31,), 5: (51,), 6: (61, 62, 63), 7: (71,), 9: (91,)}
_SOURCES, _CLOCK = (11, 12, 15, 16), (51, 52, 53)
#: What else tells what the numbers of a table mean: their source's unit and constants, the sense of its times.
_EXPLAINS = {
    **dict.fromkeys((12, 13, 14, 15, 16, 22, 27, 62), _SOURCES),
    **dict.fromkeys((23, 24, 25, 26), _SOURCES),
    28: (*_SOURCES, 21, 27),
    **dict.fromkeys((52, 55, 57), _CLOCK),
    **dict.fromkeys(DATA_TABLES, (*_SOURCES, *_CLOCK)),
    **dict.fromkeys((74, 76), _CLOCK),
}
_WRITTEN, _ANSWER = 7, 8  # PROC_INITIATE_TBL: there is nothing to read; PROC_RESPONSE_TBL: of a procedure just called


async def inspect_tables(task: Task, numbers: Sequence[int], *, everything: bool = False) -> list[TableReport]:
    """Read and decode `numbers`: if empty, those that the meter has and that can be decoded; or `everything` it has.

    Tables that decide the layout of another come before it, those that explain its numbers after it. Raises what
    `Driver.read` raises when the meter cannot be reached or has no usable ST00; a single table that is refused or
    cannot be decoded is reported, not raised. A recording (`replay://FILE`) is searched for the tables, whatever its
    client read them for. Tables that hold secrets are never read.
    """
    profiles = load_profiles(task.profile_dirs)
    address = parse_url(task.url, task.options)
    if isinstance(address, ReplayAddress):
        found, wanted = found_in(address, profiles, task.profile, numbers)
    else:
        found, wanted = await _read(task, profiles, numbers, everything=everything)
    asked = bool(numbers)
    return [secret_report(number, asked=asked) if number in SECRET else report_of(number, found) for number in wanted]


async def _read(task: Task, profiles: Profiles, numbers: Sequence[int], *, everything: bool) -> tuple[Found, list[int]]:
    profile = profiles.find(task.profile) if task.profile else profiles.generic
    async with opened(task, profile) as (client, collector, _line):
        try:
            async with client.session(task.password):
                await collector.configuration()
                wanted = list(numbers) or _all(collector.context, everything=everything)
                used = collector.context.st00.std_tbls_used
                for number in (*_with_limits(wanted, used), *_explaining(wanted, used)):
                    if number and number not in SECRET and table_name(number) not in collector.collection.octets:
                        await collector.table(number)
                if task.profile is None and any(number >= MANUFACTURER_TABLES_FROM for number in wanted):
                    await collector.tables((1,))
                    profile = recognised(profiles, collector.context)
        except MrspError as error:
            raise error.at(task.url) from error.__cause__
    collection = collector.collection
    return Found(collection.context, collection.octets, collection.failures, profile.described_tables()), wanted


def _all(context: Context, *, everything: bool) -> list[int]:
    """Return the tables that the meter says it has: those that can be decoded and are not long, or all of them."""
    st00 = context.st00
    if everything:
        own = [MANUFACTURER_TABLES_FROM + number for number in sorted(st00.mfg_tbls_used)]
        return [number for number in sorted(st00.std_tbls_used | {0}) if number != _WRITTEN] + own
    known = [number for number in TABLES if number in st00.std_tbls_used and number not in {_WRITTEN, _ANSWER}]
    return [number for number in known if not issubclass(TABLES[number], OpaqueTable)]


def _with_limits(wanted: Sequence[int], used: frozenset[int]) -> list[int]:
    """Return `wanted` with the tables before them that decide their layout."""
    order: dict[int, None] = {}
    for number in wanted:
        limits = _DECIDES.get(number // 10, ()) if number < MANUFACTURER_TABLES_FROM else ()
        order.update(dict.fromkeys(limit for limit in limits if limit in used and limit < number))
        order[number] = None
    return list(order)


def _explaining(wanted: Sequence[int], used: frozenset[int]) -> list[int]:
    """Return the tables that tell what the numbers of `wanted` mean, with their own limits."""
    needed = dict.fromkeys(other for number in wanted for other in _EXPLAINS.get(number, ()) if other in used)
    return _with_limits(list(needed), used)
