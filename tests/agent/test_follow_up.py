"""After a reading is stored the meter's record moves on and a person is called, once an episode, whatever happens."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import follow_up as module
from agent.anomalies import AnomalySettings
from agent.anomalies.state import MOST_OWED
from agent.document import encode
from agent.durable_file import write_durably
from agent.errors import LocalTrouble
from agent.follow_up import FollowUp
from agent.keys import create_device_key
from agent.meter_record import MeterRecord, MeterRecords
from agent.order import Order, Site
from agent.reading import MeterPart, Outcome, Reading
from agent.seal import Sealer
from agent.spool import AlreadySpooled, Priority, Spool
from agent.visit import Outcome as Visited
from tests.anomalies.anomalies_kit import METER, check, reports, visited

ORDER = Order(url="/dev/ttyUSB0", expected_meter_id=METER, order_id="o-7", site=Site(zone="America/Denver"))


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    key = create_device_key(tmp_path / "keys")
    async with await Spool.open(tmp_path / "spool.sqlite", agent_id="gw-1", sealer=Sealer(key)) as opened:
        yield opened


@pytest.fixture
def records(tmp_path: Path) -> MeterRecords:
    return MeterRecords(tmp_path / "meters")


def clock(outcome: Outcome, day: int) -> Visited:
    return visited(check("meter_clock", outcome, "200 s fast" if outcome == "fail" else None), day=day)


def faults(day: int, *names: str) -> Visited:
    reason = "the meter reports " + ", ".join(names) if names else None
    return visited(check("meter_diagnostics", "fail" if names else "pass", reason), day=day)


async def store(spool: Spool, reading: Reading) -> None:
    await spool.add("reading", reading.reading_id, lambda _sequence: encode(reading))


async def visit_all(follower: FollowUp, spool: Spool, *visits: Visited, order: Order = ORDER) -> None:
    for one in visits:
        prepared = await follower.prepare(order, one)
        await store(spool, one.reading)
        await follower.complete(prepared)


async def test_a_third_clock_failure_in_a_row_is_reported_once(spool: Spool, records: MeterRecords) -> None:
    follower = FollowUp(records, spool)
    await visit_all(follower, spool, *(clock("fail", day) for day in range(1, 6)))
    first, third = await reports(spool)
    assert (first["anomaly"], first["reading_id"]) == ("clock_must_be_set", "r-1")
    assert (third["anomaly"], third["reading_id"]) == ("physical_inspection_required", "r-3")
    assert (first["sequence"], third["sequence"]) == (1, 2)
    assert third["order_id"] == "o-7"


async def test_a_clock_found_right_starts_the_count_anew(spool: Spool, records: MeterRecords) -> None:
    words: tuple[Outcome, ...] = ("fail", "fail", "pass", "fail", "fail", "fail")
    await visit_all(FollowUp(records, spool), spool, *(clock(word, day) for day, word in enumerate(words, start=1)))
    found = [(one["anomaly"], one["reading_id"]) for one in await reports(spool)]
    assert found == [
        ("clock_must_be_set", "r-1"),
        ("clock_must_be_set", "r-4"),
        ("physical_inspection_required", "r-6"),
    ]


async def test_the_report_is_due_at_the_end_of_the_next_business_day_of_the_place(
    spool: Spool, records: MeterRecords
) -> None:
    saturday = faults(1, "ram_failure")
    saturday = Visited(msgspec.structs.replace(saturday.reading, read_finished_at="2026-03-01T06:01:00Z"), None, None)
    await visit_all(FollowUp(records, spool), spool, saturday)
    (report,) = await reports(spool)
    assert report["due_by"] == "2026-03-03T06:59:59Z"  # in Denver it is still Saturday: Monday, 23:59:59 there


async def test_what_is_new_beside_what_stays_is_told_and_refers_to_it(spool: Spool, records: MeterRecords) -> None:
    visits = (faults(1, "low_battery"), faults(2, "low_battery", "rom_failure"), faults(3, "rom_failure"))
    await visit_all(FollowUp(records, spool), spool, *visits)
    first, second = await reports(spool)
    assert (first["found"], second["found"]) == (["low_battery"], ["rom_failure"])
    assert second["follows"] == first["anomaly_id"]
    await visit_all(FollowUp(records, spool), spool, faults(4, "low_battery", "rom_failure"))
    assert [one["found"] for one in await reports(spool)][2:] == [["low_battery"]]


async def test_safety_goes_first_and_is_marked_in_the_queue(spool: Spool, records: MeterRecords) -> None:
    both = visited(
        check("meter_diagnostics", "fail", "the meter reports low_battery"),
        check("phase_loss", "fail", "the meter reports low_loss_potential"),
    )
    await visit_all(FollowUp(records, spool), spool, faults(9, "rom_failure"), both)
    sent = [one.entry for one in await spool.pending(10)]
    assert [(entry.kind, entry.priority) for entry in sent][:2] == [
        ("anomaly", Priority.URGENT),
        ("reading", Priority.ORDINARY),
    ]
    assert [one["anomaly"] for one in await reports(spool)] == ["meter_diagnostics", "phase_loss", "meter_diagnostics"]


async def test_the_configuration_decides_what_goes_first(spool: Spool, records: MeterRecords) -> None:
    wanted = AnomalySettings(safety_related={"meter_diagnostics": True})
    await visit_all(FollowUp(records, spool, wanted), spool, faults(1, "low_battery"))
    assert [one.entry.kind for one in await spool.pending(10)] == ["anomaly", "reading"]


async def test_another_meter_on_the_line_has_its_own_findings(spool: Spool, records: MeterRecords) -> None:
    order = Order(url="/dev/ttyUSB0")
    follower = FollowUp(records, spool)
    other = visited(
        check("meter_diagnostics", "fail", "the meter reports ram_failure"), day=2, meter=MeterPart(meter_id="7")
    )
    await visit_all(follower, spool, faults(1, "ram_failure"), other, order=order)
    assert [one["meter_id"] for one in await reports(spool)] == [METER, "7"]


async def test_a_visit_that_ended_early_does_not_move_the_pointers(spool: Spool, records: MeterRecords) -> None:
    early = Visited(faults(2).reading, None, None)
    await visit_all(FollowUp(records, spool), spool, faults(1), early)
    assert records.of(ORDER).last_read_at == datetime(2026, 3, 1, 6, 1, tzinfo=UTC)


async def test_a_reading_whose_time_is_not_known_is_reported_by_the_time_of_its_delivery(
    spool: Spool, records: MeterRecords
) -> None:
    found = faults(1, "ram_failure")
    untimed = Visited(msgspec.structs.replace(found.reading, read_finished_at=""), None, found.memory)
    follower = FollowUp(records, spool, now=lambda: datetime(2026, 3, 4, 12, tzinfo=UTC))
    await visit_all(follower, spool, untimed)
    (report,) = await reports(spool)
    assert (report["detected_at"], report["due_by"]) == ("2026-03-04T12:00:00Z", "2026-03-06T06:59:59Z")
    assert records.of(ORDER).last_read_at is None


async def test_a_report_that_the_spool_refuses_is_due_again(
    spool: Spool, records: MeterRecords, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add = spool.add

    async def refuse(kind: Any, *arguments: Any, **options: Any) -> Any:
        if kind == "anomaly":
            raise LocalTrouble("disk full")
        return await add(kind, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(spool, "add", refuse)
        await visit_all(FollowUp(records, spool), spool, faults(1, "low_battery"), faults(2), faults(3, "low_battery"))
    assert "due again at the next visit" in caplog.text
    assert await reports(spool) == []
    await FollowUp(MeterRecords(records._directory), spool).catch_up()
    assert [one["reading_id"] for one in await reports(spool)] == ["r-1", "r-3"]
    await FollowUp(MeterRecords(records._directory), spool).catch_up()
    assert len(await reports(spool)) == 2


async def test_what_no_longer_fits_is_found_again(
    spool: Spool, records: MeterRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = spool.add

    async def refuse(kind: Any, *arguments: Any, **options: Any) -> Any:
        if kind == "anomaly":
            raise LocalTrouble("disk full")
        return await add(kind, *arguments, **options)

    follower = FollowUp(records, spool)
    flapping = [faults(day, f"fault_{day}") for day in range(1, MOST_OWED + 4)]
    with monkeypatch.context() as patch:
        patch.setattr(spool, "add", refuse)
        await visit_all(follower, spool, *flapping)
    assert len(records.of(ORDER).watch.owed) == MOST_OWED
    await visit_all(follower, spool, faults(25, "fault_19"))
    assert len(await reports(spool)) == MOST_OWED + 1


async def test_a_disk_that_takes_no_record_costs_no_report(
    spool: Spool, records: MeterRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise LocalTrouble("disk full")

    monkeypatch.setattr("agent.meter_record.write_durably", refuse)
    await visit_all(FollowUp(records, spool), spool, faults(1, "low_battery"), faults(2, "low_battery"))
    assert [one["reading_id"] for one in await reports(spool)] == ["r-1"]


async def test_a_bug_in_the_findings_costs_no_reading(
    spool: Spool, records: MeterRecords, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(module, "observations", break_down)
        await visit_all(FollowUp(records, spool), spool, faults(1, "low_battery"))
    assert "what follows reading r-1 is not known" in caplog.text
    assert records.of(ORDER).last_read_at is not None
    await visit_all(FollowUp(records, spool), spool, faults(2, "low_battery"))
    assert [one["reading_id"] for one in await reports(spool)] == ["r-2"]


class Killed(BaseException):
    """The process is gone."""


class Executioner:
    """Kills at the n-th thing that reaches the disk: before it is there, or right after."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.at = at
        self.after = after
        self.done = 0

    def begins(self) -> None:
        self.done += 1
        if self.done == self.at and not self.after:
            raise Killed

    def ended(self) -> None:
        if self.done == self.at and self.after:
            raise Killed


class Shelf:
    """A spool without cryptography: what is in it survives the process."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[str, bytes]] = {}
        self.executioner = Executioner(0, after=False)
        self.refuses = False

    async def has(self, document_id: str) -> bool:
        return document_id in self.documents

    async def add(self, kind: str, document_id: str, build: Any, **_options: Priority) -> Any:
        self.executioner.begins()
        if self.refuses and kind == "anomaly":
            raise LocalTrouble("full")
        if document_id in self.documents:
            raise AlreadySpooled(document_id)
        sequence = 1 + sum(known == kind for known, _ in self.documents.values())
        self.documents[document_id] = (kind, build(sequence))
        self.executioner.ended()
        return _Entry(sequence)

    def reports(self) -> list[Any]:
        return [msgspec.json.decode(body) for kind, body in self.documents.values() if kind == "anomaly"]


class _Entry:
    def __init__(self, sequence: int) -> None:
        self.sequence = sequence


async def one_visit(shelf: Shelf, directory: Path, one: Visited) -> None:
    """A process that starts, makes a visit and ends, unless it is killed."""
    follower = FollowUp(MeterRecords(directory), shelf)  # type: ignore[arg-type]
    await follower.catch_up()
    prepared = await follower.prepare(ORDER, one)
    await store(shelf, one.reading)  # type: ignore[arg-type]
    await follower.complete(prepared)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 8))
async def test_kill_9_at_every_step_loses_no_report_and_makes_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool
) -> None:
    shelf = Shelf()

    def watched(path: Path, content: bytes) -> None:
        shelf.executioner.begins()
        write_durably(path, content)
        shelf.executioner.ended()

    monkeypatch.setattr("agent.meter_record.write_durably", watched)
    findings = (
        check("meter_diagnostics", "fail", "the meter reports low_battery"),
        check("phase_loss", "fail", "the meter reports low_loss_potential"),
    )
    shelf.executioner = Executioner(at, after=after)
    try:
        await one_visit(shelf, tmp_path, visited(*findings, day=1))
        killed = False
    except Killed:
        killed = True
    assert killed == (shelf.executioner.done >= at)
    stored = "r-1" in shelf.documents
    shelf.executioner = Executioner(0, after=False)
    await FollowUp(MeterRecords(tmp_path), shelf).catch_up()  # type: ignore[arg-type]
    if stored:
        assert {one["reading_id"] for one in shelf.reports()} == {"r-1"}
        assert len(shelf.reports()) == 2
    await one_visit(shelf, tmp_path, visited(*findings, day=2))
    found = [(one["anomaly"], one["reading_id"]) for one in shelf.reports()]
    of = "r-1" if stored else "r-2"
    assert found == [("phase_loss", of), ("meter_diagnostics", of)]
    assert [one["sequence"] for one in shelf.reports()] == [1, 2]


NAMES = ("low_battery", "rom_failure")
steps = st.lists(
    st.tuples(
        st.none() | st.sets(st.sampled_from(NAMES)),  # what the meter reports; None: the check was skipped
        st.sampled_from(("well", "before", "after", "refused")),  # killed before the reading is stored, or after it
    ),
    max_size=20,
)


@settings(max_examples=40, deadline=None)
@given(steps)
async def test_any_sequence_of_findings_recoveries_crashes_and_full_disks_gives_one_report_an_episode(
    history: list[tuple[set[str] | None, str]],
) -> None:
    directory, shelf = Path(mkdtemp()), Shelf()
    expected: list[tuple[str, str]] = []
    there: set[str] = set()
    for day, (names, fate) in enumerate(history, start=1):
        one = (
            faults(day, *sorted(names))
            if names is not None
            else visited(check("meter_diagnostics", "skipped"), day=day)
        )
        follower = FollowUp(MeterRecords(directory), shelf)  # type: ignore[arg-type]
        shelf.refuses = fate == "refused"
        await follower.catch_up()
        prepared = await follower.prepare(ORDER, one)
        if fate == "before":
            continue
        await store(shelf, one.reading)  # type: ignore[arg-type]
        if names is not None:
            expected += [(name, f"r-{day}") for name in sorted(names - there)]
            there = names
        if fate != "after":
            await follower.complete(prepared)
    shelf.refuses = False
    await FollowUp(MeterRecords(directory), shelf).catch_up()  # type: ignore[arg-type]
    told = [(name, one["reading_id"]) for one in shelf.reports() for name in one["found"]]
    assert sorted(told) == sorted(expected)
    assert [one["sequence"] for one in shelf.reports()] == list(range(1, len(shelf.reports()) + 1))
    shutil.rmtree(directory)


def test_the_record_keeps_what_is_owed_when_the_oldest_are_forgotten(tmp_path: Path) -> None:
    records = MeterRecords(tmp_path, most=2)
    owing = msgspec.convert({"key": "id 0", "watch": {"intent": {"reading_id": "r"}}}, MeterRecord)
    for record in (owing, *(MeterRecord(f"id {number}") for number in itertools.islice(itertools.count(1), 4))):
        records.keep(record)
    assert [record.key for record in records.owing()] == ["id 0"]
    assert len(list(tmp_path.glob("*.json"))) == 2
