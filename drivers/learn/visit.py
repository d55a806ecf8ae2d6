"""Read one meter with curiosity: every table that it lists, some that it does not, and the newest profile blocks.

Reads only. The password is shown as in any visit, once; no other is ever tried.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from drivers.base import Progress, Task
from drivers.c1219 import BlockLayout, block_layout
from drivers.c1219.profile import elements
from drivers.c1219.profile_data import TABLES as DATA_TABLES
from drivers.errors import DataError, MeterRefused, MrspError
from drivers.profiles import load_profiles
from drivers.psem.client import PsemClient
from drivers.psem.collect import CLOCK, LOGS, MANUFACTURER, PROFILE, REGISTERS, SOURCES, WHO, Collector
from drivers.psem.driver import opened
from drivers.psem.replies import BadTableData
from drivers.psem.services import table_name

STATUS: Final = 63
UNLISTED: Final = (1, 5, 6, 23, 52, 55, 61, 63, 76)  # standard tables worth a try though ST00 does not list them
PRIVATE: Final = frozenset({7, 8, *range(42, 48)})  # procedures, and passwords and keys
BLOCKS: Final = 8  # of each profile set: the newest; and the first two, which tell their layout
MOST_MANUFACTURER: Final = 64  # tables
_NOT_TO_BE_HAD = (MeterRefused, DataError, BadTableData)


async def listen(task: Task, record: Path) -> None:
    """Visit the meter of `task` and record everything to `record`, a new file.

    What single tables are refused is in the recording. Raises what `Driver.read` raises when the meter cannot be
    reached, refuses the password, or has no usable ST00.
    """
    profiles = load_profiles(task.profile_dirs)
    profile = profiles.find(task.profile) if task.profile else profiles.generic
    async with opened(replace(task, record=record), profile) as (client, collector, _line):
        try:
            async with client.session(task.password):
                await collector.configuration()
                await _tables(collector)
                await _blocks(client, collector, task)
        except MrspError as error:
            raise error.at(task.url) from error.__cause__


async def _tables(collector: Collector) -> None:
    st00 = collector.context.st00
    await collector.tables((*WHO, *SOURCES, 14))
    await collector.clock()
    await collector.tables((*CLOCK, *REGISTERS, *PROFILE, STATUS, *LOGS))
    done = {*WHO, *SOURCES, 14, 52, *CLOCK, *REGISTERS, *PROFILE, STATUS, *LOGS}
    for number in sorted(st00.std_tbls_used - done - PRIVATE - DATA_TABLES.keys()):
        if number:
            await collector.table(number)
    for number in UNLISTED:
        if number not in st00.std_tbls_used:
            await collector.table(number)
    for number in sorted(st00.mfg_tbls_used)[:MOST_MANUFACTURER]:
        await collector.table(MANUFACTURER + number)


async def _blocks(client: PsemClient, collector: Collector, task: Task) -> None:
    """Read the newest blocks of each profile set, and the first two, which tell their layout."""
    for table, data_set in DATA_TABLES.items():
        context = collector.context
        if table not in context.st00.std_tbls_used or not {61, 62, 63} <= context.tables.keys():
            continue
        try:
            count = context.st61.of_set(data_set, "nbr_blks")
            sizes = [BlockLayout.of(context, data_set, closure=closure).size for closure in (False, True)]
            begin = await client.read_offset(table, 0, min(2 * sizes[1], count * sizes[0]))
            size = block_layout(context, data_set, sample=begin).size
            for element in elements(context, data_set)[-BLOCKS:]:
                task.progress(Progress(table_name(table)))
                await client.read_offset(table, element * size, size, granule=size)
        except _NOT_TO_BE_HAD:
            continue  # the recording shows it
