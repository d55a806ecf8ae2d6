"""The line: pacing at the negotiated speed, both sides at the same speed, and the command as a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import termios
from datetime import UTC, datetime
from pathlib import Path

import pytest

from metersim.cli import main
from metersim.meter import parse_faults, running_meter
from metersim.meter.fleet import serve_meters
from metersim.meter.serving import Serving
from tests.metersim.raw_client import IDENTIFY, LOGON, RawClient, connected, packet, security, set_speed
from tests.young_meters import young

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)
NOW_TEXT = "2026-11-21T15:07:33Z"
METERSIM = Path(sys.executable).with_name("metersim")


class Counted(RawClient):
    """Knows how many bytes went each way."""

    sent = 0
    came = 0

    async def send(self, octets: bytes) -> None:
        self.sent += len(octets)
        await super().send(octets)

    async def take(self, count: int) -> bytes:
        self.came += count
        return await super().take(count)


@pytest.mark.parametrize("tcp", [None, 0])
async def test_a_paced_session_takes_the_time_of_its_bytes(tcp: int | None) -> None:
    async with (
        running_meter(young("profile-35d", NOW), now=NOW, tcp=tcp, baud_pace=True, rate=0) as meter,
        connected(meter.address) as raw,
    ):
        client = Counted(raw.reader, raw._write)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await client.log_on()
        for table in (0, 1, 2, 12, 23, 76):
            await client.read(table)
        took, needed = loop.time() - began, (client.sent + client.came) * 10 / 9600
        assert needed <= took <= 1.5 * needed


async def test_both_sides_take_the_negotiated_speed() -> None:
    async with (
        running_meter(young("profile-35d", NOW), now=NOW, baud_pace=True, rate=0) as meter,
        connected(meter.address) as client,
    ):
        terminal = client._write
        assert isinstance(terminal, int)
        await client.request(IDENTIFY)
        assert await client.request(bytes.fromhex("61 0400 80 0A")) == bytes.fromhex("00 0400 80 0A")  # 57600
        set_speed(terminal, termios.B57600)
        await client.request(LOGON)
        await client.request(security("00000000"))
        assert len(await client.read(76)) > 200


async def test_at_the_wrong_speed_nothing_is_understood() -> None:
    async with (
        running_meter(young("minimal", NOW), now=NOW, baud_pace=True, rate=0) as meter,
        connected(meter.address, baud=termios.B2400) as client,
    ):
        await client.send(packet(IDENTIFY))
        with pytest.raises((AssertionError, TimeoutError)):
            async with asyncio.timeout(1):
                assert await client.take(2) == b"\x06\xee"


async def _started(*arguments: str) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(METERSIM, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_command_serves_on_a_pty_until_it_is_stopped(number: signal.Signals) -> None:
    process, address = await _started("meter", "--scenario", "minimal", "--now", NOW_TEXT, "--seed", "3")
    assert address.startswith("/dev/pts/")
    async with connected(address) as client:
        await client.log_on(password=None, negotiate=False)
        assert (await client.read(5)).rstrip() == b"M-1"
    process.send_signal(number)
    assert await process.wait() == 0


async def test_the_command_serves_on_a_free_tcp_port() -> None:
    process, address = await _started("meter", "--tcp", "0", "--scenario", "minimal", "--fault", "wrong_meter_id=7")
    async with connected(address) as client:
        await client.log_on(password=None, negotiate=False)
        assert (await client.read(5)).rstrip() == b"7"
    process.terminate()
    assert await process.wait() == 0


async def test_two_sessions_on_one_terminal() -> None:
    process, address = await _started("meter", "--pty", "--scenario", "minimal")
    for _ in range(2):
        async with connected(address) as client:
            await client.log_on(password=None, negotiate=False)
            assert len(await client.read(5)) == 20
            await client.request(b"\x21")
    process.terminate()
    assert await process.wait() == 0


async def test_many_meters_in_one_process_each_on_its_own_line() -> None:
    count = 3
    process, first = await _started("meter", "--tcp", "0", "--count", str(count), "--scenario", "minimal")
    assert process.stdout is not None
    addresses = [first, *[(await process.stdout.readline()).decode().strip() for _ in range(count - 1)]]
    assert len(set(addresses)) == count
    found = []
    for address in addresses:
        async with connected(address) as client:
            await client.log_on(password=None, negotiate=False)
            found.append((await client.read(5)).rstrip())
    assert found == [b"M-1", b"M-2", b"M-3"]
    process.terminate()
    assert await process.wait() == 0


@pytest.mark.parametrize("number", [0, 1])
async def test_the_meters_of_a_fleet_count_up(number: int) -> None:
    serving = Serving(young("residential-tou", NOW), NOW, seed=5, tcp=0, faults=parse_faults(["wrong_meter_id=0099"]))
    async with serve_meters(serving, 2) as meters:
        one = meters[number]
        assert (one.meter.meter_id, one.meter.seed) == (f"{99 + number:04}", 5 + number)
        assert one.truth().meter_id == f"{99 + number:04}"


def test_truth_prints_what_the_model_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["truth", "--scenario", "profile-35d", "--seed", "7", "--now", NOW_TEXT]) == 0
    truth = json.loads(capsys.readouterr().out)
    assert truth["meter_id"] == "35000035"
    assert truth["clock_offset_s"] == "-0.8"
    assert truth["registers"][0]["unit"] == "Wh"
    assert isinstance(truth["registers"][0]["value"], str)
    assert truth["blocks"][0]["ends"][0].endswith("Z")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["meter", "--scenario", "no-such"], "no scenario is called no-such"),
        (["meter", "--fault", "nothing"], "no fault is called nothing"),
        (["truth", "--now", "2020-01-01T00:00:00Z"], "installed"),
    ],
)
def test_wrong_arguments_end_with_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    "arguments", [[], ["meter", "--now", "2026-11-21T12:00"], ["meter", "--count", "0"], ["nonsense"]]
)
def test_wrong_usage_ends_with_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize("command", ["meter", "truth"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"metersim {command} --" in capsys.readouterr().out


async def test_nothing_is_left_open() -> None:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - descriptors, not files
    for tcp in (None, 0):
        async with running_meter(young("minimal", NOW), now=NOW, tcp=tcp) as meter, connected(meter.address) as client:
            await client.log_on(password=None, negotiate=False)
        await asyncio.sleep(0)
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert tasks == []
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
