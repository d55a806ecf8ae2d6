"""Single tables of a meter, live and out of a recording, as `mrsp tables` shows them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.base import Task
from drivers.c1219 import Context, block_size, decode
from drivers.c1219.decade4 import SECRET
from drivers.c1219.described import DescribedField, DescribedTable
from drivers.errors import DataError, UsageError
from drivers.psem.driver import PsemDriver
from drivers.psem.inspect import TableReport, inspect_tables
from drivers.psem.overheard import overhear
from drivers.psem.services import FullRead, OffsetRead, table_name
from drivers.psem.table_report import Found, report_of, secret_report
from drivers.secret import Secret
from drivers.transport.recording_file import read_sessions
from metersim.meter import RunningMeter, running_meter
from tests.psem.test_psem_collect import configuration
from tests.young_meters import young

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)


@pytest.fixture
async def meter() -> AsyncIterator[RunningMeter]:
    async with running_meter(young("residential-tou", NOW), now=NOW, tcp=0, rate=0) as running:
        yield running


def task(url: str, record: Path | None = None) -> Task:
    return Task(url=url, password=Secret(b"00000000"), record=record)


def asked(record: Path) -> list[int]:
    """Return the tables that a recorded client asked for, in order."""
    overheard = overhear(read_sessions(record)[-1].records)
    requests = [exchange.request for exchange in overheard.exchanges]
    return list(dict.fromkeys(one.table for one in requests if isinstance(one, FullRead | OffsetRead)))


def by_name(reports: Sequence[TableReport]) -> dict[str, TableReport]:
    return {report.name: report for report in reports}


async def test_everything_that_the_meter_has_is_shown(meter: RunningMeter, tmp_path: Path) -> None:
    record = tmp_path / "all.jsonl"
    reports = by_name(await inspect_tables(task(meter.address, record), [], everything=True))
    assert set(reports) == {table_name(number) for number in meter.application.image.tables} - {"ST07"}
    assert [report.problem for report in reports.values() if report.problem] == []
    summation = next(field for field in reports["ST23"].fields if field.path == "data.total.summations[0]")
    assert summation.note.endswith("Wh, delivered")
    assert summation.octets == reports["ST23"].octets[summation.offset or 0 :][: summation.length]
    assert 7 not in asked(record)


async def test_without_names_only_what_is_decoded_and_short(meter: RunningMeter) -> None:
    reports = by_name(await inspect_tables(task(meter.address), []))
    assert {"ST00", "ST23", "ST63", "ST76"} <= set(reports)
    assert not {"ST07", "ST08", "ST64"} & set(reports)
    assert all(report.fields for report in reports.values())


async def test_a_profile_is_read_after_its_three_tables_and_before_those_that_explain_it(
    meter: RunningMeter, tmp_path: Path
) -> None:
    record = tmp_path / "profile.jsonl"
    (report,) = await inspect_tables(task(meter.address, record), [64])
    assert asked(record) == [0, 61, 62, 63, 64, 11, 12, 15, 16, 51, 52, 53]
    newest = next(field for field in report.fields if field.note == "the newest")
    first = next(field for field in report.fields if field.path == f"{newest.path}.intervals[0]")
    assert "Wh" in first.note
    assert "to 2026-11-" in first.note
    assert first.octets == report.octets[first.offset or 0 :][: first.length]


async def test_secrets_are_never_asked_for(meter: RunningMeter, tmp_path: Path) -> None:
    record = tmp_path / "secret.jsonl"
    reports = await inspect_tables(task(meter.address, record), [42, 43, 44, 45, 1])
    assert asked(record) == [0, 1]
    for number, report in zip(SECRET, reports, strict=False):
        assert f"holds {SECRET[number]}: it is never read" in report.problem
        assert (report.octets, report.fields, report.exit_code) == (b"", (), 2)
    assert reports[-1].fields
    assert secret_report(42, asked=False).exit_code == 0


async def test_a_recording_holds_the_same_tables_as_the_meter(meter: RunningMeter, tmp_path: Path) -> None:
    record = tmp_path / "replay.jsonl"
    live = await inspect_tables(task(meter.address, record), [23, 64, 52])
    again = await inspect_tables(task(f"replay://{record}"), [23, 64, 52])
    assert again == live
    everything = by_name(await inspect_tables(task(f"replay://{record}"), []))
    assert set(everything) == set(map(table_name, asked(record)))


async def test_a_recording_of_a_whole_visit_is_searched_for_tables(meter: RunningMeter, tmp_path: Path) -> None:
    record = tmp_path / "visit.jsonl"
    await PsemDriver().read(task(meter.address, record))
    registers, profile = await inspect_tables(task(f"replay://{record}"), [23, 64])
    assert registers.fields
    assert any(field.note == "the newest" for field in profile.fields)
    (missing,) = await inspect_tables(task(f"replay://{record}"), [41])
    assert missing.problem.startswith("ST41 is not in the recording (it has ST00")
    assert missing.exit_code == DataError.exit_code


async def test_blocks_that_were_read_alone_are_shown_alone(meter: RunningMeter, tmp_path: Path) -> None:
    record = tmp_path / "blocks.jsonl"
    await inspect_tables(task(meter.address, record), [64])
    overheard = overhear(read_sessions(record)[-1].records)
    whole = next(read for read in overheard.reads if read.table == 64)
    context = Context()
    for number in (0, 61, 62, 63):
        octets = next(read.octets for read in overheard.reads if read.table == number)
        context = context.with_table(decode(number, octets, context))
    size = block_size(context, 1)
    found = Found(context, {}, blocks={64: {1: whole.octets[size : 2 * size]}})
    report = report_of(64, found)
    assert report.remarks == ("of this table only these blocks were read: 1",)
    first = next(field for field in report.fields if field.path == "blocks[1].intervals[0]")
    assert first.octets == whole.octets[first.offset or 0 :][: first.length]


async def test_a_session_that_is_not_in_the_file_is_a_mistake(meter: RunningMeter, tmp_path: Path) -> None:
    record = tmp_path / "one.jsonl"
    await inspect_tables(task(meter.address, record), [1])
    with pytest.raises(UsageError, match=r"has 1 sessions, no session 2"):
        await inspect_tables(task(f"replay://{record}?session=2"), [1])


# ---- reports of what was read


def bare(**octets: bytes) -> Found:
    """What was read of a meter of which ST00 is known."""
    return Found(Context().with_table(decode(0, configuration(0, 1), Context())), octets)


def test_a_manufacturer_table_is_raw_without_a_description_and_decoded_with_one() -> None:
    found = bare(MT3=b"\x05\x2a\x00")
    raw = report_of(2051, found)
    assert (raw.octets, raw.fields, raw.problem) == (b"\x05\x2a\x00", (), "")
    volts = DescribedField("volts", "U16", unit="V", note="phase A")
    found.described = {2051: DescribedTable(2051, "present voltages", (DescribedField("count", "U8"), volts))}
    report = report_of(2051, found)
    assert report.title == "present voltages"
    assert [(field.path, field.text, field.unit, field.note, field.offset) for field in report.fields] == [
        ("count", "5", "", "", 0),
        ("volts", "42", "V", "phase A", 1),
    ]


def test_a_table_that_nobody_describes_is_its_octets() -> None:
    report = report_of(120, bare(ST120=b"\1\2"))
    assert (report.octets, report.problem, report.exit_code) == (b"\1\2", "", 0)
    assert "not confirmed by any open source" in report.remarks[0]


def test_an_empty_answer_of_no_procedure_is_no_error() -> None:
    found = bare(ST08=b"")
    found.failures = {"ST08": DataError("ST08 has 0 octets")}
    assert report_of(8, found).remarks == ("no procedure was called yet",)


def test_the_parameters_of_a_log_in_are_not_shown() -> None:
    found = bare()
    octets = bytes([18, 0, 7, 1, 0]) + b"SECRETSECRET"
    found.context = found.context.with_table(decode(7, octets, found.context))
    report = report_of(7, found)
    assert report.octets == b""
    assert report.fields == ()
    assert "password" in report.problem
    found.context = found.context.with_table(decode(7, bytes([9, 0, 7, 1]), found.context))
    procedure = report_of(7, found).fields[0]
    assert (procedure.text, procedure.note) == ("9", "remote reset")
