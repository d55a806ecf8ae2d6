"""A record of a meter survives restarts, and everything that can happen to it costs a full read at most."""

import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from agent.anomalies.state import Intent, Watch
from agent.errors import LocalTrouble
from agent.meter_record import MeterRecord, MeterRecords, advanced
from agent.order import Order
from agent.reading import CheckResult, ClockPart, MeterPart, Outcome, Reading
from drivers.memory import LineMemory, LogMemory, MeterMemory, SetMemory

AT = datetime(2026, 3, 1, 6, tzinfo=UTC)
ORDER = Order(url="/dev/ttyUSB0", expected_meter_id="10012345")
RECORD = MeterRecord(
    key="id 10012345",
    last_read_at=AT,
    memory=MeterMemory(
        meter_id="10012345",
        line=LineMemory(packet_size=512, packets=4, baud=9600, slowest_answer_s=Decimal("0.31"), negotiates=True),
        sets=(
            SetMemory(data_set=1, sequence=77, interval_end=AT, counts=("12", "0.5", None), configuration="ab" * 32),
        ),
        logs=(LogMemory(table="ST76", sequence=9, octets=b"\x00\xff\x10"),),
    ),
    clock_failures=2,
)


def only_file(directory: Path) -> Path:
    (file,) = directory.glob("*.json")
    return file


def test_what_is_kept_comes_back_exactly(tmp_path: Path) -> None:
    MeterRecords(tmp_path / "meters").keep(RECORD)
    assert MeterRecords(tmp_path / "meters").of(ORDER) == RECORD
    assert only_file(tmp_path / "meters").stat().st_mode & 0o777 == 0o600


def test_a_meter_never_seen_has_an_empty_record(tmp_path: Path) -> None:
    assert MeterRecords(tmp_path).of(ORDER) == MeterRecord("id 10012345")
    assert MeterRecords(tmp_path).of(Order(url="tcp://10.0.0.5:1153")) == MeterRecord("url tcp://10.0.0.5:1153")


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"key":5}', b"\xff\xfe", b'{"key":"id 10012345"}' + b" " * 300_000 + b"x"]
)
def test_a_record_that_cannot_be_read_is_said_and_forgotten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    records = MeterRecords(tmp_path)
    records.keep(RECORD)
    only_file(tmp_path).write_bytes(content)
    found = records.of(ORDER)
    assert found.memory is None
    assert found.last_read_at is None
    if not content.startswith(b'{"key":"id'):
        assert "its next read is a full one" in caplog.text


def test_a_record_of_another_meter_under_the_same_name_is_not_taken(tmp_path: Path) -> None:
    records = MeterRecords(tmp_path)
    records.keep(RECORD)
    file = only_file(tmp_path)
    file.write_bytes(file.read_bytes().replace(b"id 10012345", b"id 10012346"))
    assert records.of(ORDER) == MeterRecord("id 10012345")


def test_a_disk_that_refuses_costs_the_record_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "meters").write_text("a file where the directory should be")
    MeterRecords(tmp_path / "meters").keep(RECORD)
    assert "cannot be kept" in caplog.text


def test_only_so_many_are_kept_and_the_oldest_go_first(tmp_path: Path) -> None:
    records = MeterRecords(tmp_path, most=3)
    for number in range(5):
        record = MeterRecord(key=f"id {number}", last_read_at=AT)
        records.keep(record)
        os.utime(records._path(record.key), (1000 + number, 1000 + number))
    known = [records.of(Order(url="x", expected_meter_id=str(number))).last_read_at is not None for number in range(5)]
    assert known == [False, False, True, True, True]


def reading(clock_check: str | None, *, meter_id: str = "10012345", correction: str | None = None) -> Reading:
    checks = [CheckResult(check="dial_count", outcome="fail", rule_set="ubp-2000", clause="A4")]
    if clock_check is not None:
        outcome = cast("Outcome", clock_check)
        checks.append(CheckResult(check="meter_clock", outcome=outcome, rule_set="ubp-2000", clause="A4 1.3.2"))
    return Reading(
        schema="mrsp.reading/1",
        reading_id="r-1",
        agent_id="gw-1",
        sequence=1,
        purpose="cycle",
        method="optical",
        read_started_at="2026-03-02T06:00:00Z",
        read_finished_at="2026-03-02T06:01:00Z",
        meter=MeterPart(meter_id=meter_id),
        clock=ClockPart(agent_source="chrony", corrected=False, correction=correction),
        registers=(),
        interval_blocks=(),
        events=(),
        checks=tuple(checks),
        quality="raw",
    )


NEXT = MeterMemory(meter_id="10012345", line=LineMemory(packet_size=1024))


def test_a_whole_visit_moves_time_and_pointers_on() -> None:
    after = advanced(RECORD, reading("pass"), NEXT)
    assert after.last_read_at == datetime(2026, 3, 2, 6, 1, tzinfo=UTC)
    assert after.memory == NEXT


def test_a_visit_that_ended_early_leaves_time_and_pointers_where_they_were() -> None:
    after = advanced(RECORD, reading("fail"), None)
    assert (after.last_read_at, after.memory) == (RECORD.last_read_at, RECORD.memory)
    assert after.clock_failures == 3


@pytest.mark.parametrize(
    ("check", "correction", "failures"),
    [
        ("fail", None, 3),
        ("fail", "set", 3),  # found wrong again, although it can be set
        ("pass", "failed", 3),
        ("pass", "unknown", 3),
        ("pass", "left", 0),
        ("pass", "refused", 0),  # nothing was written, for a reason that is none of the clock's
        ("pass", None, 0),
        ("skipped", None, 2),
        (None, None, 2),
    ],
)
def test_failures_of_the_clock_count_up_until_it_is_found_right(
    check: str | None, correction: str | None, failures: int
) -> None:
    assert advanced(RECORD, reading(check, correction=correction), NEXT).clock_failures == failures


def test_another_meter_on_the_same_line_starts_from_nothing() -> None:
    assert advanced(RECORD, reading("fail", meter_id="999"), NEXT).clock_failures == 1


def test_what_the_disk_refuses_is_held_until_it_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = MeterRecords(tmp_path)
    owing = MeterRecord("id 10012345", watch=Watch(intent=Intent("r-1")))
    assert records.keep(RECORD)

    def refuse(*_arguments: object) -> None:
        raise LocalTrouble("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("agent.meter_record.write_durably", refuse)
        assert not records.keep(owing)
    assert records.of(ORDER) == owing
    assert list(records.owing()) == [owing]
    assert MeterRecords(tmp_path).of(ORDER) == RECORD  # after a crash: where the disk left off
    assert records.keep(RECORD)
    assert records.of(ORDER) == MeterRecords(tmp_path).of(ORDER) == RECORD
    assert list(records.owing()) == []


def test_a_record_that_cannot_be_read_owes_nothing_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = MeterRecords(tmp_path)
    records.keep(MeterRecord("id 1", watch=Watch(intent=Intent("r-1"))))
    (tmp_path / "bad.json").write_bytes(b'{"watch":{"intent":{')
    assert [record.key for record in records.owing()] == ["id 1"]
    assert "cannot be read" in caplog.text
