"""Readings that came as text are explained from it: a person's entry, and what a receiver printed."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from agent.cli.main import main
from agent.explain_text import explain_texts
from agent.reading import ClockPart, MeterPart, Provenance, Reading, RegisterPart
from drivers.transport.recording_file import parse_sessions

LINE = '{"time":"1","model":"SCMplus","id":5,"Consumption":-1}'


def recorded(text: str) -> bytes:
    header = '{"mrsp-recording":1,"line":"rtl_433","baud":0,"started":"2026-11-21T21:02:00.000000Z"}'
    return f'{header}\n{{"t":1,"dir":"<","hex":"{text.encode().hex()}"}}\n'.encode()


def reading(**changes: str | None) -> Reading:
    octets = b"-1"
    place = Provenance("rtl_433 SCM+", LINE.index("-1"), 2, octets.hex())
    register = RegisterPart(
        quantity="kWh",
        direction="delivered",
        kind="cumulative",
        tier=0,
        season="current",
        period="present",
        raw="4294967295",
        unit="kWh",
        multiplier="0.01",
        value="42949672.95",
        provenance=place,
    )
    return Reading(
        schema="mrsp.reading/1",
        reading_id="0193",
        agent_id="gw-1",
        sequence=1,
        purpose="cycle",
        method="radio",
        meter=MeterPart(meter_id="5"),
        clock=ClockPart(agent_source="ntp", corrected=False),
        registers=(msgspec.structs.replace(register, **changes),),
        interval_blocks=(),
        events=(),
        checks=(),
        quality="raw",
    )


def test_a_count_printed_with_a_sign_is_repaired_and_said() -> None:
    (found,) = explain_texts(reading(), parse_sessions(recorded(LINE), "here")[-1])
    assert found.agrees
    assert found.derived == "42949672.95"
    assert "sign" in {step.what for step in found.derivation.steps}


@pytest.mark.parametrize(
    ("changes", "heard", "what"),
    [
        ({"value": "1"}, LINE, "registers[0].value"),
        ({"raw": "7"}, LINE, "registers[0].raw"),
        ({"multiplier": "1"}, LINE, "registers[0].value"),
        ({}, LINE.replace("-1", "17"), "registers[0].provenance"),
        ({"provenance": None}, LINE, "registers[0].value"),
    ],
)
def test_what_the_text_does_not_bear_out_is_named(changes: dict[str, str | None], heard: str, what: str) -> None:
    (found,) = explain_texts(reading(**changes), parse_sessions(recorded(heard), "here")[-1])
    assert [odd.path for odd in found.differences] == [what]


def test_a_persons_entry_by_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = tmp_path / "visit.rec"
    url = "visual://?reading=012345&nameplate=00123456&multiplier=40"
    assert main(["read", url, "--meter-id", "00123456", "--format", "json", "--record", str(recording)]) == 0
    document = tmp_path / "reading.json"
    document.write_text(capsys.readouterr().out)
    assert main(["explain", str(document), "registers[0]", "--recording", str(recording)]) == 0
    assert "re-derived 493800 kWh = document" in capsys.readouterr().out
    assert main(["explain", str(document), "registers[1]", "--recording", str(recording)]) == 2
    changed = json.loads(document.read_text())
    changed["registers"][0]["value"] = "49380"
    document.write_text(json.dumps(changed))
    assert main(["explain", str(document), "--recording", str(recording), "--json"]) == 1
