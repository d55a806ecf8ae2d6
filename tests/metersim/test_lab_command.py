"""`metersim lab`: what it prints, writes and refuses."""

from __future__ import annotations

import csv
import json
import tomllib
from datetime import datetime
from pathlib import Path

import pytest

from metersim.cli import main
from metersim.meter.library import names_of
from tests.metersim.lab_kit import expectation, laboratory, read

SHORT = "full-counters"


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main(["lab", *arguments]) == status
    captured = capsys.readouterr()
    return captured.err if status == 2 else captured.out


def test_list_shows_everything_with_its_first_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "list").splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["scenarios:", "meters to use:", "pieces to use:"]
    shown = {line.split()[0] for line in lines if line.startswith(" ")}
    assert shown == {name for kind in ("laboratory", "meter", "piece") for name in names_of(kind)}
    assert all(len(line.split()) > 3 for line in lines if line.startswith(" "))


def test_a_new_scenario_can_be_read_and_nothing_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    assert str(path) in said(capsys, "new", str(path), "--use", "profile-35d")
    assert "can be read" in said(capsys, "check", str(path))
    assert "cannot be written: File exists" in said(capsys, "new", str(path), status=2)
    assert "no scenario or piece is called nothing" in said(
        capsys, "new", str(tmp_path / "x.toml"), "--use", "nothing", status=2
    )
    assert not (tmp_path / "x.toml").exists()


def test_describe_tells_what_happens_and_what_must_fail(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "describe", "tamper-bypass")
    assert "made of residential-tou.toml, tamper-bypass.toml" in text
    assert "2026-02-04T02:30:00Z  70 % of house goes past the meter; no check can see it" in text
    assert "counted" in text
    full = said(capsys, "describe", SHORT)
    assert "pulse_overflow must fail: 4 intervals" in full
    assert "house is 200 % of itself: a welder" in full


def test_expect_is_json_or_csv(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(said(capsys, "expect", SHORT))
    assert document["schema"] == "metersim.expect/1"
    assert [visit["at"] for visit in document["visits"]] == ["2026-01-19T17:00:00Z", "2026-01-31T17:00:00Z"]
    rows = list(csv.DictReader(said(capsys, "expect", SHORT, "--csv").splitlines()))
    counts = [
        count
        for visit in document["visits"]
        for block in visit["interval_blocks"]
        for count in block["pulses"]
    ]  # fmt: skip
    assert [row["count"] for row in rows] == [str(count) for count in counts]
    assert (rows[0]["end"], rows[0]["unit"], rows[0]["direction"]) == ("2026-01-10T05:15:00Z", "Wh", "delivered")
    assert {row["status"] for row in rows} == {"", "overflow"}


def test_expect_at_another_time_with_another_seed(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("expect", SHORT, "--seed", "5", "--at", "2026-01-12T00:00:00Z", "--rules", "cpuc-d97-12-048")
    document = json.loads(said(capsys, *arguments))
    assert (document["seed"], document["rule_set"]) == (5, "cpuc-d97-12-048")
    assert [visit["at"] for visit in document["visits"]] == ["2026-01-12T00:00:00Z"]


def test_compare_says_what_is_wrong_by_its_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = expectation(SHORT).visits[0]
    document = read(laboratory(SHORT), expected, tmp_path)
    path = tmp_path / "reading.json"
    path.write_text(json.dumps(document))
    assert said(capsys, "compare", SHORT, str(path)) == f"as expected of the visit of {expected.at}\n"
    assert said(capsys, "compare", SHORT, str(path), "--at", expected.at)
    document["registers"][0]["value"] = "0"
    path.write_text(json.dumps(document))
    assert "register not found" in said(capsys, "compare", SHORT, str(path), status=1)
    document["clock"]["meter_time"] = "2026-01-20T00:00:00Z"
    path.write_text(json.dumps(document))
    assert "no visit finds the meter's clock at 2026-01-20" in said(capsys, "compare", SHORT, str(path), status=2)
    path.write_text("{")
    assert "reading.json" in said(capsys, "compare", SHORT, str(path), status=2)
    path.write_text("[]")
    assert "no visit finds" in said(capsys, "compare", SHORT, str(path), status=2)


def test_profile_writes_what_a_reader_must_be_told(capsys: pytest.CaptureFixture[str]) -> None:
    profile = tomllib.loads(said(capsys, "profile", "odd-firmware", "--name", "odd"))
    assert profile["name"] == "odd"
    assert profile["detect"] == {"manufacturer": "SIM", "model": "ODD-4CH", "firmware": {"min": "7.14", "max": "7.14"}}
    assert profile["c1219"] == {
        "scaling": "multiply",
        "status_nibbles": "low_first",
        "open_block_end": "block_grid",
        "block_order": "descending",
        "meter_id_at": "st06",
        "no_offset": True,
        "register_scale": "0.5",
        "interval_scale": "0.25",
    }


def test_a_meter_starts_at_the_last_visit_of_its_scenario() -> None:
    from metersim.meter.command import start_of

    assert start_of(laboratory(SHORT).scenario, None) == datetime.fromisoformat("2026-01-31T12:00:00-05:00")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("describe", "no-such"), "no scenario is called no-such (there are big-endian-float-bcd"),
        (("check", "/no/such.toml"), "/no/such.toml"),
        (("expect", "minimal"), "neither `visits` nor `clock.start`"),
        (("check", SHORT, "--at", "2020-01-01T00:00:00Z"), "there is no meter yet at the start time"),
        (("check",), "lab check takes FILE|NAME, not nothing"),
        (("compare", SHORT), f"lab compare takes FILE|NAME READING.json, not {SHORT}"),
        (("new", "/no/such/place.toml"), "/no/such/place.toml cannot be written"),
    ],
)
def test_what_cannot_be_is_refused(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in said(capsys, *arguments, status=2)
