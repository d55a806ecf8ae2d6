"""`mrsp listen radio` with the real rtl_433: on generated samples, and live on a stand-in for its dongle."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.cli import listen
from agent.errors import UsageError
from agent.listening.radio import LiveReceiver
from drivers.errors import TransportError
from drivers.ert.command import Tuning
from drivers.ert.message import ErtMessage
from drivers.ert.parse import parse_line
from drivers.ert.receiver import Rtl433
from drivers.ert.supervision import Patience
from metersim.radio.frames import Load
from metersim.radio.rtl_tcp import RtlTcp, TcpFaults
from metersim.radio.samples import Air, Ether
from metersim.radio.scene import Faults, Meter, Scene, compose

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(180),
    pytest.mark.skipif(shutil.which("rtl_433") is None, reason="rtl_433 is not installed"),
]
COUNTS = (3, 511, *range(45))
NET = (16_383, *range(26))


def meters() -> list[Meter]:
    return [
        Meter("scm", 54585868, 562456, 1, 12, tamper=3),
        Meter("scmplus", 4_000_000_001, 3_000_000_000, 1),
        Meter("idm", 11278109, 339972, load=Load(COUNTS, 246, 160, 1 << 46)),
        Meter("netidm", 3_999_999_999, 4_294_967_290, load=Load(NET, 9, 16), generation=77),
    ]


PLAN = """\
meter_id,message,commodity,multiplier,unit,dials,last_reading,service_delivery_point_id
54585868,scm,electric,0.1,kWh,,,SDP-1
4000000001,scmplus,water,1,gal,,,SDP-2
11278109,idm,electric,0.01,kWh,,,SDP-3
3999999999,netidm,electric,1,kWh,,,SDP-4
99,scm,electric,1,kWh,,,SDP-5
"""


def air(path: Path, scene_of: list[Meter], rate: int = 1_024_000, seconds: float = 4, **faults: Any) -> Scene:
    ether = Ether(Air(rate, seed=3))
    scene = compose(ether, scene_of, seconds, 1, Faults(**faults))
    path.write_bytes(b"".join(ether.stream(scene.sent, scene.length)))
    return scene


def listened(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    listen.add_arguments(parser)
    return listen.run(parser.parse_args(["radio", "--format", "json", "--no-clock-check", *arguments]))


@pytest.mark.parametrize("rate", [1_024_000, 2_359_296])
def test_readings_from_samples(tmp_path: Path, capfd: pytest.CaptureFixture[str], rate: int) -> None:
    samples, plan = tmp_path / "air.cu8", tmp_path / "plan.csv"
    plan.write_text(PLAN)
    air(samples, meters(), rate, foreign=20, bad_checks=10, collisions=3)
    assert listened("--iq", str(samples), "--sample-rate", str(rate), "--plan", str(plan)) == 0
    told = capfd.readouterr()
    readings = {reading["meter"]["meter_id"]: reading for reading in map(json.loads, told.out.splitlines())}
    assert list(readings) == ["54585868", "4000000001", "11278109", "3999999999"]
    values = {who: [r["value"] for r in reading["registers"]] for who, reading in readings.items()}
    assert values == {
        "54585868": ["56245.9"],
        "4000000001": ["3000000003"],
        "11278109": ["3399.72"],
        "3999999999": ["4294967290", "77"],
    }
    assert all(reading["authenticated"] is False for reading in readings.values())
    assert all(reading["heard"]["count"] == 4 for reading in readings.values())
    assert all(reading["read_started_at"] == reading["read_finished_at"] for reading in readings.values())
    (block,) = readings["11278109"]["interval_blocks"]
    assert block["pulses"] == list(reversed(COUNTS))
    assert block["status"][-2:] == [["overflow"], ["power_outage"]]
    assert readings["3999999999"]["interval_blocks"][0]["pulses"] == list(reversed(NET))
    assert "unheard: 99 (scm, SDP-5)" in told.err
    assert "4 of 5 meters read (80 %), 20 foreign meters" in told.err


def test_a_clone_and_a_single_message_are_not_delivered(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    samples, plan = tmp_path / "air.cu8", tmp_path / "plan.csv"
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    plan.write_text(f"meter_id,message,last_reading,last_read_at\n5,scm,,\n6,scm,,\n7,scm,1000,{yesterday}\n")
    air(samples, [Meter("scm", 5, 100), Meter("scm", 7, 1_000)], clones=(5, 7))
    assert listened("--iq", str(samples), "--plan", str(plan)) == 0
    told = capfd.readouterr()
    (reading,) = map(json.loads, told.out.splitlines())
    assert (reading["meter"]["meter_id"], reading["registers"][0]["value"]) == ("7", "1000")
    assert "tamper_detect" in reading["meter_status"]["flags"]
    assert "unconfirmed: 5 (scm): senders contradict each other" in told.err
    assert "unheard: 6 (scm)" in told.err


def test_a_register_that_wraps(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    samples, plan = tmp_path / "air.cu8", tmp_path / "plan.csv"
    plan.write_text("meter_id,message\n5,scm\n")
    air(samples, [Meter("scm", 5, 0)], wrap=(5,))
    assert listened("--iq", str(samples), "--plan", str(plan)) == 0
    (reading,) = map(json.loads, capfd.readouterr().out.splitlines())
    assert reading["registers"][0]["value"] == "2"


def test_without_a_plan_nothing_is_delivered(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    samples = tmp_path / "air.cu8"
    air(samples, meters()[:1])
    assert listened("--iq", str(samples)) == 0
    told = capfd.readouterr()
    assert told.out == ""
    assert "heard: 54585868 (scm), 4 messages" in told.err


def test_what_was_recorded_is_heard_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    samples, plan, record = tmp_path / "air.cu8", tmp_path / "plan.csv", tmp_path / "air.rec"
    plan.write_text(PLAN)
    air(samples, meters())
    assert listened("--iq", str(samples), "--plan", str(plan), "--record", str(record)) == 0
    first = [json.loads(line)["registers"] for line in capfd.readouterr().out.splitlines()]
    assert listened("--replay", str(record), "--plan", str(plan)) == 0
    assert [json.loads(line)["registers"] for line in capfd.readouterr().out.splitlines()] == first


def test_files_that_are_not_there_or_no_samples(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        listened("--iq", str(tmp_path / "none.cu8"))
    (tmp_path / "empty.cu8").touch()
    assert listened("--iq", str(tmp_path / "empty.cu8")) == 0
    assert "0 messages" in capfd.readouterr().err


def test_no_receiver_ends_it_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "MOST_AT_START", 1)
    with pytest.raises(TransportError) as raised:
        listened("--device", "rtl_tcp:127.0.0.1:1")
    assert raised.value.exit_code == 3
    assert "start rtl_tcp there" in raised.value.advice


def live(tuning: Tuning, patience: Patience) -> tuple[LiveReceiver, list[str]]:
    """A live receiver, and what is said of it."""
    said: list[str] = []
    return LiveReceiver(Rtl433(tuning, ("scm", "idm"), patience=patience, report=said.append)), said


async def served(faults: TcpFaults) -> tuple[RtlTcp, int, Scene]:
    rate = 1_024_000
    ether = Ether(Air(rate, seed=1))
    scene = compose(ether, [Meter("scm", 5, 100), Meter("idm", 6, 200)], 1, 0.25, Faults())
    server = RtlTcp(rate, lambda: ether.stream(scene.sent, scene.length), faults)
    return server, await server.start(), scene


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        (TcpFaults(close_after_s=2), "rtl_433 ended with status 0"),
        (TcpFaults(stall_after_s=2), "no samples arrive any more"),
        (TcpFaults(bad_header=True), "rtl_433 ended with status"),
    ],
)
async def test_a_dongle_that_fails_is_seen_and_started_again(faults: TcpFaults, why: str) -> None:
    server, port, _ = await served(faults)
    tuning = Tuning(f"rtl_tcp:127.0.0.1:{port}", sample_rate=1_024_000)
    lines: list[bytes | None] = []
    patience = Patience(most_an_hour=2, most_at_start=2, silence_s=6 if faults.stall_after_s is None else 3)
    receiver, said = live(tuning, patience)
    with pytest.raises(TransportError, match=why):
        await receiver.lines(lines.append)
    server.close()
    assert server.clients == 2
    assert any("started again in 1 s" in sentence for sentence in said)
    heard = [parse_line(line) for line in lines if line is not None]
    assert all(isinstance(one, ErtMessage) for one in heard)
    assert bool(heard) is not faults.bad_header


async def test_live_messages_are_heard_and_stopping_leaves_nothing() -> None:
    server, port, scene = await served(TcpFaults())
    wanted: set[tuple[int, int]] = {(frame.meter_id, frame.count) for frame in scene.truth}
    done = asyncio.Event()

    def take(line: bytes | None) -> None:
        message = parse_line(line or b"")
        if isinstance(message, ErtMessage):
            wanted.discard((message.meter_id, message.count))
            if not wanted:
                done.set()

    receiver, said = live(Tuning(f"rtl_tcp:127.0.0.1:{port}", sample_rate=1_024_000), Patience())
    listening = asyncio.create_task(receiver.lines(take))
    await done.wait()
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    server.close()
    assert said == ["the receiver receives samples"]
