"""A request that brings nothing of use costs itself; and what is whole is not read again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from drivers.c1219 import Context
from drivers.errors import MeterSilent, MrspError
from drivers.psem import PsemClient, PsemOptions, ResponseCode
from drivers.psem.collect import REGISTERS, WHO, Collector
from drivers.psem.failures import Failures
from drivers.psem.meter import MeterEvent, MeterLimits, Served
from drivers.psem.replies import AnswerUnusable, BadTableData
from drivers.psem.services import FullRead, OffsetRead, Request
from tests.psem.lines import LEFT, PASSWORD, Direction, Line, Tables, clock, flipping, losing, run
from tests.soak.meters import simulated
from tests.soak.virtual_loop import rest

TABLES = {number: bytes((number, n & 0xFF))[:1] * 30 + bytes(range(n)) for n, number in enumerate(range(1, 9), 10)}
BAD = 4


def misbehaving(line: Line, answer: Callable[[float], None], *, number: int = BAD) -> None:
    """Let `answer` take the place of the meter's when table `number` is asked for."""
    honest = line.meter._answer

    def look(data: bytes, packets: int, now: float) -> list[MeterEvent]:
        if data == FullRead(number).encode():
            answer(now)
            return []
        return honest(data, packets, now)

    line.meter._answer = look  # type: ignore[method-assign]


def says(line: Line, message: bytes) -> Callable[[float], None]:
    return lambda now: line.meter._link.send_message(message, now, wants_reply=False)


async def read_all(line: Line, options: PsemOptions | None = None) -> tuple[dict[int, bytes], list[BadTableData]]:
    found, errors = {}, []
    client = PsemClient(line, options, clock=clock)
    async with client.session(PASSWORD) as session:
        for number in TABLES:
            try:
                found[number] = await session.read_table(number)
            except BadTableData as error:
                errors.append(error)
    return found, errors


@pytest.mark.parametrize(
    "message", [b"\x20", b"\x45\1\2", b"\x7f" * 40, b"\0\0\7nonsense"], ids=["20", "45", "7F", "a wrong count"]
)
def test_an_answer_that_is_none_costs_its_table(message: bytes) -> None:
    async def main() -> tuple[dict[int, bytes], list[BadTableData]]:
        line = Line(Tables(dict(TABLES), password=b"PASSWORD01"))
        misbehaving(line, says(line, message))
        result = await read_all(line)
        assert line.requests()[-2:] == LEFT
        return result

    found, errors = run(main())
    assert found == {number: octets for number, octets in TABLES.items() if number != BAD}
    (error,) = errors
    assert "ST04" in error.message
    assert error.advice or "wrong" in error.message or "count says" in error.message


def test_a_table_that_silences_the_meter_costs_itself() -> None:
    async def main() -> tuple[dict[int, bytes], list[BadTableData], float]:
        line = Line(Tables(dict(TABLES), password=b"PASSWORD01"))

        def die(_now: float) -> None:
            line.meter.power_fail()
            line.mute = True
            line.loop.call_later(8, setattr, line, "mute", False)

        misbehaving(line, die)
        began = clock()
        found, errors = await read_all(line)
        return found, errors, clock() - began

    found, errors, seconds = run(main())
    assert len(found) == len(TABLES) - 1
    assert isinstance(errors[0], AnswerUnusable)
    assert "asked in 3 sessions" in errors[0].message
    assert seconds < 90


def test_a_meter_of_which_every_table_is_useless_is_given_up() -> None:
    async def main() -> int:
        line = Line(Tables(dict(TABLES)))
        honest = line.meter._tables

        def useless(request: Request) -> bytes | ResponseCode:
            line.loop.call_soon(line.meter.power_fail)
            return honest(request)

        line.meter._tables = useless  # type: ignore[method-assign]
        with pytest.raises(MrspError):
            await read_all(line)
        return len(line.identified_at())

    assert run(main()) <= 8


def test_the_policy_of_giving_up() -> None:
    failures = Failures(5)
    silent = MeterSilent("no answer")
    failures.ask_again(silent, 2)
    with pytest.raises(AnswerUnusable):
        failures.ask_again(silent, 3)
    for _ in range(5):
        failures.open_again(silent, known=True)
    with pytest.raises(MeterSilent):
        failures.open_again(silent, known=True)
    failures.worked()
    failures.open_again(silent, known=False)
    with pytest.raises(MeterSilent):
        failures.open_again(silent, known=False)


# -- nothing whole is read again


class Whole:
    """Counts how often each octet of each table was asked for after it had come home whole."""

    def __init__(self, line: Line) -> None:
        self.home: set[tuple[int, int]] = set()
        self.again: Counter[int] = Counter()
        honest = line._note

        def note(events: list[MeterEvent]) -> None:
            for event in events:
                if isinstance(event, Served) and event.code is ResponseCode.OK:
                    match event.request:
                        case FullRead(table):
                            self._asked(table, range(event.octets - 4))
                        case OffsetRead(table, offset, count):
                            self._asked(table, range(offset, offset + count))
                        case _:
                            pass
            honest(events)

        line._note = note  # type: ignore[method-assign]

    def _asked(self, table: int, octets: range) -> None:
        self.again[table] += sum((table, octet) in self.home for octet in octets)

    def came(self, table: int, octets: range) -> None:
        self.home |= {(table, octet) for octet in octets}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", [flipping, losing])
def test_what_is_whole_is_not_read_again(kind: Callable[[float, int], Callable[[bytes], bytes]], seed: int) -> None:
    """Over a line that breaks sessions, with tables of every size; pieces share 8 octets where the line is bad."""
    tables = {number: (bytes(range(256)) * 20)[: 40 * number**2] for number in (1, 2, 3, 5, 8, 10)}

    async def main() -> Whole:
        line = Line(Tables(dict(tables)), there=Direction(kind(0.004, seed)), back=Direction(kind(0.004, seed + 50)))
        watch = Whole(line)
        client = PsemClient(line, clock=clock)
        async with client.session():
            for number, octets in tables.items():
                assert await client.read_table(number, size=len(octets)) == octets
                watch.came(number, range(len(octets)))
        assert client.statistics.retries + client.statistics.naks > 0
        return watch

    assert not +run(main()).again


def test_a_session_that_the_meter_drops_again_and_again_costs_no_octet_twice() -> None:
    """The meter forgets the session after every third request: of what is whole nothing is asked for again."""

    async def main() -> tuple[Line, Whole]:
        line = Line(Tables(dict(TABLES)))
        watch = Whole(line)
        honest, count = line.meter._tables, [0]

        def forget(request: Request) -> bytes | ResponseCode:
            count[0] += 1
            if count[0] % 3 == 0:
                line.loop.call_later(0.2, line.meter.power_fail)
            return honest(request)

        line.meter._tables = forget  # type: ignore[method-assign]
        async with PsemClient(line, clock=clock).session() as client:
            for number, octets in TABLES.items():
                assert await client.read_table(number) == octets
                watch.came(number, range(len(octets)))
                await rest(0.3)
        return line, watch

    line, watch = run(main())
    assert not +watch.again
    assert len(line.identified_at()) >= 3


def test_in_a_whole_visit_such_a_table_is_named_and_the_rest_comes_home() -> None:
    tables = dict(simulated("closure-1997"))

    async def main() -> Collector:
        line = Line(Tables(tables), limits=MeterLimits(packet_size=8192))
        misbehaving(line, says(line, b"\x33nonsense"), number=5)
        client = PsemClient(line, clock=clock)
        collector = Collector(client, Context(), progress=lambda _: None, monotonic_ns=lambda: int(clock() * 1e9))
        async with client.session():
            await collector.configuration()
            await collector.tables(WHO)
            await collector.tables(REGISTERS)
        return collector

    collection = run(main()).collection
    assert [problem.what for problem in collection.problems] == ["ST05"]
    assert "ST23" in collection.octets
    assert collection.octets["ST01"] == tables[1]
