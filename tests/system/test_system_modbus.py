"""A Modbus meter from the line to the proof of its numbers, as programs of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.system.world import mrsp, simulator

pytestmark = pytest.mark.system


def visit(folder: Path, *meter: str, profile: tuple[str, ...] = ()) -> Path:
    """Read a simulated meter into `reading.json` and `visit.rec`; return the folder."""
    with simulator("modbus", *meter) as url:
        run = mrsp("read", url, *profile, "--no-clock-check", "--format", "json", "--record", folder / "visit.rec")
    assert run.returncode == 0, run.stdout + run.stderr
    (folder / "reading.json").write_text(run.stdout)
    return folder


@pytest.mark.parametrize(
    ("meter", "profile"),
    [
        (("--map", "sunspec-meter", "--tcp", "0"), ()),
        (("--map", "schneider-iem3155", "--tcp", "0"), ("--profile", "schneider-iem3155")),
        (("--map", "eastron-sdm630", "--pty"), ("--profile", "eastron-sdm630")),
    ],
)
def test_every_register_is_made_again_from_its_recording(
    tmp_path: Path, meter: tuple[str, ...], profile: tuple[str, ...]
) -> None:
    folder = visit(tmp_path, *meter, profile=profile)
    recording = ("--recording", folder / "visit.rec")
    whole = mrsp("explain", folder / "reading.json", *recording)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    registers = json.loads((folder / "reading.json").read_text())["registers"]
    assert f"registers: {len(registers)} of {len(registers)} re-derived and equal" in whole.stdout
    one = mrsp("explain", folder / "reading.json", "registers[0]", *recording)
    assert registers[0]["provenance"]["table"] in one.stdout
    assert f"re-derived {registers[0]['value']} {registers[0]['unit']} = document" in one.stdout


def test_a_changed_number_is_found(tmp_path: Path) -> None:
    folder = visit(tmp_path, "--map", "sunspec-meter", "--tcp", "0")
    reading = json.loads((folder / "reading.json").read_text())
    honest = reading["registers"][0]["value"]
    reading["registers"][0]["value"] = f"{honest}1"
    (folder / "reading.json").write_text(json.dumps(reading))
    run = mrsp("explain", folder / "reading.json", "--recording", folder / "visit.rec")
    assert run.returncode == 1
    assert f"the document says {honest}1, the bytes say {honest}" in run.stdout


def test_what_names_no_register_is_a_mistake(tmp_path: Path) -> None:
    folder = visit(tmp_path, "--map", "sunspec-meter", "--tcp", "0")
    run = mrsp("explain", folder / "reading.json", "registers[99]", "--recording", folder / "visit.rec")
    assert run.returncode == 2
    assert "names no register of this reading" in run.stderr
