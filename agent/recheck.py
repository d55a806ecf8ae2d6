"""Every value of a reading derived again from the bytes of its recording: what an auditor asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from agent.explained import explain_one_register, interval_arithmetic
from agent.rederive import Rederived
from agent.side_by_side import Difference, Twin, brief
from drivers.c1219.explain_interval import count_of, explain_interval, explain_interval_end
from drivers.data import IntervalBlock, Register
from drivers.errors import DataError


@dataclass(frozen=True, slots=True)
class Tally:
    """How many values of one kind were derived again, and how many of them are what the document says."""

    what: str
    values: int
    agree: int


@dataclass(frozen=True, slots=True)
class Recheck:
    """Every value of a document derived again."""

    tallies: tuple[Tally, ...]
    differences: tuple[Difference, ...]

    @property
    def values(self) -> int:
        return sum(tally.values for tally in self.tallies)

    @property
    def agree(self) -> int:
        return sum(tally.agree for tally in self.tallies)


def recheck(made: Rederived) -> Recheck:
    """Lay every value beside what the bytes say, and hold every number against the steps of its own explanation."""
    sides = made.sides
    tallies: list[Tally] = []
    differences: list[Difference] = []
    for what, twins, shown in (
        ("meter, clock and status", sides.others, made),
        ("registers", sides.registers, made),
        ("interval blocks", sides.blocks, made),
        ("events", sides.events, made),
        *(("registers read again", twins, replace(made, retold=retold)) for retold, twins in sides.looks),
    ):
        values = agree = 0
        for twin in twins:
            odd = twin.differences() or list(_arithmetic(shown, twin))
            count = _leaves(twin.document)
            values += count
            agree += 0 if twin.derived is None else count - min(count, len(odd))
            differences += odd
        tallies.append(Tally(what, values, agree))
    return Recheck(tuple(tallies), tuple(differences))


def _arithmetic(made: Rederived, twin: Twin) -> Iterator[Difference]:
    if isinstance(twin.origin, Register):
        yield from explain_one_register(made, twin, "value")[0].differences
    elif isinstance(twin.origin, IntervalBlock):
        yield from _of_block(made, twin, twin.origin)


def _of_block(made: Rederived, twin: Twin, block: IntervalBlock) -> Iterator[Difference]:
    """Do with every count of a block what the steps of one of its intervals say."""
    context, octets = made.retold.context, made.retold.octets
    told = next((k for k, value in enumerate(block.values) if value is not None), None)
    try:
        explain_interval_end(context, block, 0, made.times, octets)
        derivation = explain_interval(context, block, told or 0, octets)
    except DataError as error:
        yield Difference(twin.path, brief(twin.document), f"cannot be derived: {error.message}")
        return
    for k, said in enumerate(block.counts):
        if said is not None and count_of(context, block, k, octets) != said:
            yield Difference(f"{twin.path}.pulses[{k}]", str(said), "another count")
        if told is not None:
            yield from interval_arithmetic(twin, k, derivation)


def _leaves(value: object) -> int:
    """Count the values in a part of a document."""
    if isinstance(value, dict):
        return sum(map(_leaves, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_leaves, value))
    return 1
