"""A run listens, confirms and delivers each planned meter once; foreign meters, floods and failures cost nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from agent.anomalies import AnomalySettings
from agent.errors import LocalTrouble
from agent.follow_up import FollowUp
from agent.keys import create_device_key
from agent.listening.board import MOST_FOREIGN, Board
from agent.listening.delivery import Deliverer
from agent.listening.fixed import Station, listen_for_ever
from agent.listening.plan import ReadPlan
from agent.listening.reception import Ear
from agent.listening.report import summary
from agent.listening.run import Cycle, Listening, Run
from agent.listening.senders import MARK, SenderReports
from agent.listening.settings import RadioSettings
from agent.order import Order
from agent.seal import Sealer
from agent.spool import Spool
from agent.visit import Outcome
from drivers.errors import TransportError
from tests.clock.clock_kit import NOON, VirtualClock
from tests.ert.ert_lines import idm, netidm, scm
from tests.listening.listening_kit import ToldEar, box, deliverer, hearing, plan, planned, reception

A, B, C = planned(), planned(meter_id="2"), planned(meter_id="3")


class Place:
    """A run whose deliveries are collected."""

    def __init__(self, *meters: object, how: Listening | None = None, directory: Path | None = None) -> None:
        self.clock = VirtualClock()
        self.ear = ToldEar(self.clock)
        self.plan = ReadPlan(meters)  # type: ignore[arg-type]
        self.making: Deliverer = deliverer(self.ear, box(self.clock, directory))
        self.run = Run(self.ear, self.plan, self.making, self.clock, how or Listening(hold=None))
        self.values: list[tuple[str | None, str | None]] = []

    async def deliver(self, _order: Order, outcome: Outcome) -> None:
        reading = outcome.reading
        self.values.append((reading.meter.meter_id, reading.registers[0].value))

    async def listen(self) -> None:
        await self.run.listen(self.deliver)

    def told(self) -> list[str]:
        return list(summary(self.run.board, self.plan))


async def test_each_planned_meter_is_delivered_once_with_its_newest_value() -> None:
    place = Place(A, B, C)
    place.ear.tell(scm(count=100), scm(2, 7), scm(count=100), scm(2, 7), scm(count=101), scm(9), scm(3, 50))
    place.ear.refuse("not JSON")
    place.ear.end()
    await place.listen()
    assert place.values == [("54585868", "101"), ("2", "7")]
    assert place.ear.closed
    assert place.told() == [
        "7 messages, 2 of 3 meters read (66 %), 1 foreign meters",
        "1 lines were no messages of meters (not JSON: 1)",
        "unconfirmed: 3 (scm): heard once (50), and no last reading that it follows from",
    ]


async def test_the_unheard_are_listed() -> None:
    place = Place(A, planned(meter_id="77", service_delivery_point_id="SDP-9"))
    place.ear.tell(scm(), scm())
    place.ear.end()
    await place.listen()
    assert place.told()[-2:] == ["1 planned meters were not heard:", "unheard: 77 (scm, SDP-9)"]


async def test_what_is_confirmed_is_delivered_before_a_failure_is_raised() -> None:
    place = Place(A)
    place.ear.tell(scm(), scm())
    place.ear.fail(TransportError("the receiver is gone"))
    with pytest.raises(TransportError, match="gone"):
        await place.listen()
    assert place.values == [("54585868", "562456")]


async def test_it_ends_when_it_is_told_to() -> None:
    stop = asyncio.Event()
    place = Place(A, how=Listening(hold=None, stop=stop))
    place.ear.tell(scm(), scm())
    listening = asyncio.create_task(place.listen())
    while place.run.board.receptions < 2:  # noqa: ASYNC110 - the board is plain values
        await asyncio.sleep(0)
    stop.set()
    await listening
    assert place.values == [("54585868", "562456")]
    assert place.ear.closed


async def test_it_ends_after_its_time() -> None:
    place = Place(A, how=Listening(hold=None, seconds=0))
    await place.listen()
    assert place.values == []


async def test_trouble_with_keeping_ends_it() -> None:
    place = Place(A)
    place.ear.tell(scm(), scm())
    place.ear.end()

    async def refuse(_order: Order, _outcome: Outcome) -> None:
        raise LocalTrouble("the disk is full")

    with pytest.raises(LocalTrouble):
        await place.run.listen(refuse)


def board(*meters: object, hold_s: float | None = None) -> Board:
    hold_ns = None if hold_s is None else int(hold_s * 1e9)
    return Board(ReadPlan(meters), hearing, hold_ns=hold_ns)  # type: ignore[arg-type]


def test_a_confirmed_value_waits_for_a_newer_one_and_goes_once() -> None:
    heard = board(A, hold_s=30)
    for count, seconds in ((100, 0), (100, 10), (101, 20)):
        heard.take(reception(count, seconds), NOON, lambda: None)
    due = heard.next_due_ns()
    assert due == reception(100, 40).at.boottime_ns
    assert heard.due(due - 1, NOON) == []
    (ready,) = heard.due(due, NOON)
    assert (int(ready.newest.count), ready.count) == (101, 3)
    heard.take(reception(102, 60), NOON, lambda: None)
    assert heard.due(due * 2, NOON) == heard.finish(NOON) == []
    assert heard.delivered == 1


def test_a_contradiction_while_it_waits_holds_it_back() -> None:
    heard = board(A, hold_s=30)
    for count, seconds in ((100, 0), (100, 10), (70_000, 11), (70_000, 12)):
        heard.take(reception(count, seconds), NOON, lambda: None)
    assert heard.finish(NOON) == []
    assert [each.planned for each in heard.suspicious()] == [A]
    (line,) = [line for line in summary(heard, plan(A)) if line.startswith("unconfirmed")]
    assert "senders contradict each other (100, 70000)" in line


def test_ten_thousand_foreign_meters_are_told_apart_and_more_are_counted() -> None:
    heard = board(A)
    for k in range(10_000):
        heard.take(reception(1, k, meter_id=str(1_000 + k)), NOON, lambda: None)
    assert (heard.foreign.receptions, heard.foreign.meters) == (10_000, "10,000")
    sample = reception(1, 0)
    for k in range(MOST_FOREIGN + 5_000):
        heard.foreign.take(("scm", str(k)))
    assert len(heard.foreign.by_meter) == MOST_FOREIGN
    assert heard.foreign.meters == f"more than {MOST_FOREIGN:,}"
    assert sample.meter_id == A.meter_id


def test_of_one_frame_only_the_planned_kind_counts() -> None:
    net = planned(meter_id="11278109", message="netidm")
    heard = board(net, planned(meter_id="5", message="idm"))
    ear = ToldEar(VirtualClock())
    for _ in range(2):
        for line in (idm(), netidm(), idm(5), netidm(5), idm(6), netidm(6)):
            heard.take(ear.heard(line), NOON, lambda: None)
    assert {key for key, _ in heard.foreign.by_meter.items()} == {("idm", "6")}
    assert [ready.planned.message for ready in heard.finish(NOON)] == ["netidm", "idm"]


def test_a_cycle_delivers_each_meter_again() -> None:
    heard = board(A, hold_s=0)
    for hour in range(3):
        heard.take(reception(100 + hour, hour * 3_600), NOON, lambda: None)
        heard.take(reception(100 + hour, hour * 3_600 + 60), NOON, lambda: None)
        due = heard.next_due_ns()
        assert due is not None
        assert [int(ready.newest.count) for ready in heard.due(due, NOON)] == [100 + hour]
        heard.start_over()
    assert heard.unheard() == (A,)


async def test_after_a_restart_a_cycle_is_not_delivered_twice(tmp_path: Path) -> None:
    how = Listening(hold=None, cycle=Cycle(timedelta(days=1)))
    for expected in ([("54585868", "562456")], []):
        place = Place(A, how=how, directory=tmp_path)
        place.ear.tell(scm(), scm())
        place.ear.end()
        records = place.making._box.records
        assert records is not None

        async def deliver(order: Order, outcome: Outcome, place: Place = place) -> None:
            from agent.meter_record import advanced

            await place.deliver(order, outcome)
            keeper = place.making._box.records
            assert keeper is not None
            keeper.keep(advanced(keeper.of(order), outcome.reading, outcome.memory, outcome.before))

        await place.run.listen(deliver)
        assert place.values == expected


def test_cycles_are_a_grid_on_the_clock() -> None:
    cycle = Cycle(timedelta(days=1), timedelta(hours=6))
    assert cycle.began(NOON) == NOON.replace(hour=6)
    assert cycle.began(NOON.replace(hour=5)) == NOON.replace(hour=6) - timedelta(days=1)


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    key = create_device_key(tmp_path / "keys")
    async with await Spool.open(tmp_path / "spool.sqlite", agent_id="gw-1", sealer=Sealer(key)) as opened:
        yield opened


async def test_contradicting_senders_are_reported_once(spool: Spool, tmp_path: Path) -> None:
    where = box(VirtualClock(), tmp_path)
    assert where.records is not None
    reports = SenderReports(where.records, spool, AnomalySettings())
    making = deliverer(ToldEar(VirtualClock()), where)
    heard = hearing()
    for count, seconds in ((100, 0), (70_000, 1), (100, 30), (70_000, 31)):
        heard.take(reception(count, seconds))
    order = making.order_of(A)
    for _ in range(2):
        await reports.report(heard, order, NOON)
    (entry,) = await spool.entries()
    shown = await spool.show(entry.document_id)
    assert entry.kind == "anomaly"
    assert shown.document is not None
    assert b'"anomaly":"tamper"' in shown.document
    assert MARK.encode() in shown.document
    assert b"70000" in shown.document


async def test_tampering_becomes_an_anomaly_report_through_the_follow_up(spool: Spool, tmp_path: Path) -> None:
    from agent.clock.untimed import UntimedReadings
    from agent.listening.into_spool import IntoSpool
    from tests.listening.listening_kit import recordings

    kinds: list[str] = []
    for tamper in (3, 3, 0, 0):
        place = Place(A, directory=tmp_path)
        place.clock.advance(3_600 * len(kinds))
        records = place.making._box.records
        assert records is not None
        follower = FollowUp(records, spool)
        keeping = IntoSpool(spool, follower, UntimedReadings(tmp_path / "untimed"), recordings(tmp_path))
        place.ear.tell(scm(physical_tamper=tamper), scm(physical_tamper=tamper))
        place.ear.end()

        async def keep(order: Order, outcome: Outcome, keeping: IntoSpool = keeping) -> None:
            reading = await keeping.keep(order, outcome)
            assert reading.sequence > 0

        await place.run.listen(keep)
        kinds = [entry.kind for entry in await spool.entries()]
    assert kinds == ["reading", "reading", "reading", "anomaly", "reading"]


async def test_a_fixed_receiver_outlives_its_troubles(tmp_path: Path) -> None:
    """No plan, then a receiver that cannot be started, then one that works: it rests in between."""
    path = tmp_path / "plan.csv"
    settings = RadioSettings(plan="plan.csv", hold="0s", rest="1s")
    clock = VirtualClock()
    got: asyncio.Queue[str] = asyncio.Queue()
    ears: list[ToldEar] = []

    def ear_of(_plan: ReadPlan) -> Ear:
        ear = ToldEar(clock)
        ears.append(ear)
        if len(ears) == 1:
            ear.fail(TransportError("no receiver"))
        else:
            ear.tell(scm(), scm())
            ear.end()
        return ear

    async def keep(_order: Order, outcome: Outcome) -> object:
        got.put_nowait(outcome.reading.reading_id)
        return outcome.reading

    station = Station(box(clock), keep, path=lambda name: tmp_path / name)  # type: ignore[arg-type]
    running = asyncio.create_task(listen_for_ever(settings, station, ear_of))
    await asyncio.to_thread(path.write_text, "meter_id,message\n54585868,scm\n")
    assert await got.get()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(ears) >= 2
