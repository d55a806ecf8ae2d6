"""`mrsp tables` as a person meets it: names, ranges, units, octets and JSON, out of a recording."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest

from agent.cli.main import main
from drivers.base import Task
from drivers.psem.inspect import inspect_tables
from drivers.secret import Secret
from metersim.meter import running_meter
from tests.young_meters import young

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a recording in which every table of a meter was read."""
    file = tmp_path_factory.mktemp("recording") / "all.jsonl"

    async def record() -> None:
        async with running_meter(young("residential-tou", NOW), now=NOW, tcp=0, rate=0) as meter:
            task = Task(url=meter.address, password=Secret(b"00000000"), record=file)
            await inspect_tables(task, [], everything=True)

    asyncio.run(record())
    return f"replay://{file}"


def printed(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    """Run `mrsp tables` and return what it prints."""
    assert main(["tables", *words]) == status
    return capsys.readouterr().out


def tables_in(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line.startswith(("ST", "MT"))]


def test_values_have_units_and_meaning_beside_them(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, recording, "ST53", "st13", "ST62")
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in out.splitlines() if line.startswith("  ")}
    assert lines["dst_time_amt"] == "60 min"
    assert lines["time_zone_offset"] == "-300 min (UTC-05:00)"
    assert lines["intervals[0].int_length"] == "15 min"
    assert lines["sets[0].int_fmt_cde"] == "2 (UINT16)"
    assert lines["sets[0].channels[0].lp_source_select"] == "0 (Wh delivered)"
    assert lines["sets[0].channels[0].end_blk_rdg_source_select"] == "255 (none)"


@pytest.mark.parametrize(
    ("words", "tables"),
    [
        (["ST60-ST63"], ["ST60", "ST61", "ST62", "ST63"]),
        (["st61-62", "ST01", "ST61"], ["ST61", "ST62", "ST01"]),
    ],
)
def test_ranges_and_lower_case(
    words: list[str], tables: list[str], recording: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = 3 if "ST60-ST63" in words else 0  # this meter has no ST60
    assert tables_in(printed(capsys, recording, *words, status=status)) == tables


def test_all_tables_of_a_recording(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = tables_in(printed(capsys, recording, "ALL"))
    assert {"ST00", "ST23", "ST64", "ST76"} <= set(found)
    assert found == tables_in(printed(capsys, recording))


def test_raw_adds_place_and_octets(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, recording, "ST01", "--raw")
    assert "  manufacturer        SIM  @0+4 53 49 4d 20\n" in out
    assert "\n       0  53 49 4d 20 " in out


def test_json_says_unit_and_meaning_beside_what_it_always_said(
    recording: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (table,) = json.loads(printed(capsys, recording, "ST53", "--json"))
    assert list(table) == ["table", "title", "octets", "fields"]
    fields = {field["path"]: field for field in table["fields"]}
    assert fields["time_zone_offset"] == {
        "path": "time_zone_offset",
        "value": "-300",
        "unit": "min",
        "meaning": "UTC-05:00",
        "offset": 4,
        "length": 2,
    }
    assert fields["dst_time_eff"] == {"path": "dst_time_eff", "value": "2:00:00", "offset": 0, "length": 3}


def test_a_table_of_secrets_is_refused_with_its_reason(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, recording, "ST42", status=2)
    assert out == "ST42\n  not decoded: ST42 holds the meter's passwords: it is never read, shown or kept\n"


@pytest.mark.parametrize("name", ["ST63-ST60", "ST2040", "ST1-MT2", "XX1", "ST", "23", "ST1--2"])
def test_what_names_no_table_is_a_mistake(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "replay:///nowhere", name]) == 2
    assert f"mrsp: {name!r}" in capsys.readouterr().err


def test_octets_of_a_meter_do_not_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from drivers.errors import printable

    assert printable("ACME\x1b[2J") == "ACME\\x1b[2J"
    assert printable("kWh −1 °") == "kWh −1 °"
