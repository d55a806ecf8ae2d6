"""`metersim modem` on real pseudo-terminals and sockets."""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import socket
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.errors import UsageError
from metersim.modem import running_bank
from metersim.modem.command import add_arguments, network_of, plans_of
from tests.metersim.modem_kit import site

PATIENCE_S = 20


@contextmanager
def modem(*arguments: str) -> Iterator[list[str]]:
    """Run `metersim modem …`; yield its lines up to the one that says who can be called."""
    command = [sys.executable, "-m", "metersim", "modem", "--scenario", "minimal", "--ring-time", "0.2"]
    command += ["--handshake", "100-200", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines: list[str] = []
            while not lines or not lines[-1].startswith("5550100"):
                lines.append(process.stdout.readline().strip())
                assert lines[-1], "it ended"
            yield lines
        finally:
            process.terminate()


class Device:
    """A client that speaks AT over a file descriptor, with blocking reads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def ask(self, command: str, *ends: str) -> str:
        select.select([], [], [], 0.25)  # what comes sooner after a result is lost
        os.write(self._descriptor, command.encode() + b"\r")
        return self.read(*ends)

    def read(self, *ends: str) -> str:
        said, until = "", time.monotonic() + PATIENCE_S
        while not any(end in said for end in ends):
            assert time.monotonic() < until, f"{ends} did not come: {said!r}"
            if select.select([self._descriptor], [], [], 1.0)[0]:
                octets = os.read(self._descriptor, 1000)
                assert octets, "the other side has closed the line"
                said += octets.decode("latin-1")
        return said


@contextmanager
def opened(path: str) -> Iterator[Device]:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(descriptor)
        speeds = termios.tcgetattr(descriptor)
        speeds[4] = speeds[5] = termios.B9600
        termios.tcsetattr(descriptor, termios.TCSANOW, speeds)
        yield Device(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.system
def test_a_call_over_a_pseudo_terminal() -> None:
    with modem() as (path, who), opened(path) as device:
        assert who == "5550100 M-1"
        device.ask("AT", "OK")
        assert "CONNECT 2400" in device.ask("AT\\N0DT5550100", "CONNECT 2400\r\n", "NO ", "BUSY")


@pytest.mark.system
def test_a_call_over_tcp_ends_when_the_connection_does() -> None:
    with modem("--tcp", "0", "--modems", "2", "--meters", "2") as (first, second, _who):
        assert first != second
        for _ in range(2):
            host, port = first.removeprefix("tcp://").split(":")
            with socket.create_connection((host, int(port))) as connection:
                device = Device(connection.fileno())
                device.ask("AT", "OK")
                assert "CONNECT 2400" in device.ask("AT\\N0DT5550100", "CONNECT 2400\r\n", "NO ", "BUSY")


@pytest.mark.system
def test_a_meter_rings() -> None:
    with modem("--calls-in", "2s", "--told-in", "MT40") as (path, _who), opened(path) as device:
        device.read("RING")
        assert "CONNECT 2400" in device.ask("AT\\N0A", "CONNECT 2400\r\n", "NO ")


def test_closing_a_pseudo_terminal_lowers_dtr() -> None:
    async def main() -> None:
        async with running_bank([site()], ports="pty") as bank:
            station = bank.stations[0]
            lowered, raised = asyncio.Event(), asyncio.Event()
            told = station.modem.dtr

            def dtr(*, on: bool, now: float) -> list[object]:
                (raised if on else lowered).set()
                return told(on=on, now=now)  # type: ignore[return-value]

            station.modem.dtr = dtr  # type: ignore[method-assign, assignment]
            descriptor = os.open(station.address, os.O_RDWR | os.O_NOCTTY)
            await raised.wait()
            assert not lowered.is_set()
            os.close(descriptor)
            assert await lowered.wait()

    asyncio.run(main())


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(["--now", "2026-11-21T00:00:00Z", *given])


def test_meters_count_up_each_on_a_number_of_its_own() -> None:
    plans = plans_of(arguments("--meters", "3", "--scenario", "minimal", "--rate", "1200"))
    assert [plan.number for plan in plans] == ["5550100", "5550101", "5550102"]
    assert [plan.meters[0].faults.mishaps.meter_id for plan in plans] == [None, "M-2", "M-3"]
    assert {plan.rate for plan in plans} == {1200}


def test_sites_share_a_number_by_identity() -> None:
    (plan,) = plans_of(arguments("--site", "555=residential-tou@1,minimal@2"))
    assert [serving.scenario.psem.identity for serving in plan.meters] == [1, 2]


@pytest.mark.parametrize("text", ["x", "555=", "=minimal", "555=minimal@256", "555=minimal@x", "555=nothing"])
def test_sites_that_make_no_sense(text: str) -> None:
    with pytest.raises(UsageError):
        plans_of(arguments("--site", text))


def test_the_network_as_asked_for() -> None:
    network = network_of(arguments("--fault", "busy:0.5", "--bursts", "100-500", "--latency", "600", "--seed", "9"))
    assert (network.faults.busy, network.bursts_s, network.latency_s, network.seed) == (0.5, (0.1, 0.5), (0.6, 0.6), 9)


@pytest.mark.parametrize("option", [["--told-in", "ST40"], ["--latency", "x"], ["--bursts", "5-1"], ["--modems", "0"]])
def test_options_that_make_no_sense(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(*option)
    assert option[0] in capsys.readouterr().err


def test_every_option_is_explained() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "metersim", "modem", "--help"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert "metersim modem --meters 20" in done.stdout
    assert "no_dialtone:P" in done.stdout
