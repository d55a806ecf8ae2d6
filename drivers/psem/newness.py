"""What one visit remembers of the lists that grow, so that the next need only read what is new."""

from __future__ import annotations

from drivers.c1219.newest import configuration_digest, remembered
from drivers.data import MeterData
from drivers.memory import LogMemory, SetMemory
from drivers.psem.collection import Collection
from drivers.psem.profile_reading import DATA_SETS
from drivers.psem.services import table_name

_LOGS = (74, 76)


def memory_of(collection: Collection, data: MeterData) -> tuple[tuple[SetMemory, ...], tuple[LogMemory, ...]]:
    """Return the newest interval of every profile set, and the newest entry of every log, that was read.

    Of a set or log that was not read wholly the memory of the visit before stands, if it was given: the next visit
    then goes on from there.
    """
    before = collection.news.memory if collection.news is not None else None
    sets = {one.data_set: one for one in before.sets} if before is not None else {}
    logs = {one.table: one for one in before.logs} if before is not None else {}
    for table, data_set in DATA_SETS.items():
        if table_name(table) not in collection.complete:
            continue
        blocks = [block for block in data.blocks if block.data_set == data_set]
        made = remembered(blocks, configuration_digest(collection.context))
        sets.pop(data_set, None)
        if made is not None:
            sets[data_set] = made
    for name in map(table_name, _LOGS):
        if name in collection.complete:
            logs.pop(name, None)
            if name in collection.newest_entries:
                logs[name] = collection.newest_entries[name]
    return tuple(sets[key] for key in sorted(sets)), tuple(logs[key] for key in sorted(logs))
