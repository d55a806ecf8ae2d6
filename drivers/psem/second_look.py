"""Read tables of registers once more inside an open session, where the task asks for it after it has seen the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from drivers.base import Task
from drivers.data import MeterData, Problem, SecondLook
from drivers.errors import ProtocolError, TransportError
from drivers.profiles import Profile
from drivers.psem.client import PsemClient
from drivers.psem.collection import Collection
from drivers.psem.fetching import Fetcher
from drivers.psem.meaning import meter_data
from drivers.psem.services import table_name

MOST_LOOKS: Final = 2  # one confirms what was read first or contradicts it, another tells which of the two is right
#: Registers of the present, the previous season, the last reset and the moment: read whole, unlike the self reads,
#: which are a list that moves on.
_READABLE: Final = (23, 24, 25, 28)


async def look_again(
    client: PsemClient,
    collection: Collection,
    profile: Profile,
    task: Task,
    told: Callable[[tuple[SecondLook, ...]], MeterData],
) -> tuple[tuple[SecondLook, ...], TransportError | ProtocolError | None]:
    """Read again what `task.second_look` names, as often as it asks for it, at most `MOST_LOOKS` times.

    `told`: the data so far, with these looks. Returns the looks, and what broke the line in one, if that happened.
    Nothing that was collected is changed but the list of problems, which gets those of the looks as remarks: what was
    read first stands whatever happens.
    """
    looks: tuple[SecondLook, ...] = ()
    while task.second_look is not None and len(looks) < MOST_LOOKS:
        wanted = task.second_look(told(looks))
        numbers = [number for number in _READABLE if table_name(number) in {*wanted} & {*collection.octets}]
        if not numbers:
            break
        try:
            look = await _look(client, collection, profile, task, numbers)
        except (TransportError, ProtocolError) as error:
            names = ", ".join(map(table_name, numbers))
            _remark(collection, names, f"the line broke, what was read first stands: {error}")
            return looks, error
        if look is None:
            break
        looks = (*looks, look)
    return looks, None


async def _look(
    client: PsemClient, collection: Collection, profile: Profile, task: Task, numbers: list[int]
) -> SecondLook | None:
    """Read each table as if for the first time; None, and the reasons written down, if none of them can be had."""
    seen = Collection(collection.context, digits=collection.digits)
    fetcher = Fetcher(client, seen, progress=task.progress, monotonic_ns=task.monotonic_ns)
    read = [number for number in numbers if await fetcher.table(number)]
    at_ns = task.monotonic_ns()
    for problem in seen.problems:
        _remark(collection, problem.what, f"{problem.reason}; what was read first stands")
    if not read:
        return None
    names = tuple(map(table_name, read))
    registers = meter_data(seen, profile, site_zone=task.site_zone).registers
    shown = (register for register in registers if register.source is not None and register.source.table in names)
    return SecondLook(names, tuple(shown), at_ns)


def _remark(collection: Collection, what: str, reason: str) -> None:
    collection.problems.append(Problem(f"second look at {what}", reason, lost=False))
