"""`metersim modbus` and `mrsp read` as programs: the truth that one writes is what the other reads."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.errors import UsageError
from drivers.modbus.library import load_maps
from metersim.cli import main
from metersim.modbus.command import add_arguments
from metersim.modbus.encode import encode
from metersim.modbus.world import world_of


@contextmanager
def simulator(*arguments: str) -> Iterator[str]:
    command = [sys.executable, "-m", "metersim", "modbus", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


@pytest.mark.system
@pytest.mark.parametrize(
    ("name", "line"), [("eastron-sdm630", ("--pty",)), ("sunspec-meter", ()), ("gavazzi-em24-din", ("--rtu",))]
)
def test_what_the_simulator_holds_is_what_the_agent_reads(tmp_path: Path, name: str, line: tuple[str, ...]) -> None:
    truth = tmp_path / "truth.json"
    with simulator("--map", name, "--unit", "5", "--truth", str(truth), *line) as address:
        command = [sys.executable, "-m", "agent.cli.main", "read", f"{address}?unit=5", "--profile", name]
        command += ["--no-clock-check", "--format", "json", "--site-zone", "UTC"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    reading = json.loads(done.stdout)
    wanted = json.loads(truth.read_text(encoding="utf-8"))["5"]
    keys = ("quantity", "direction", "kind", "tier", "value", "unit")
    found = [(*(one[key] for key in keys), one.get("phase", "")) for one in reading["registers"]]
    assert sorted(found) == sorted((*(one[key] for key in keys), one["phase"]) for one in wanted["registers"])
    assert reading["method"] == "modbus"
    assert reading["meter"].get("meter_id", "") == wanted["meter_id"]
    assert all(one["provenance"]["octets"] for one in reading["registers"])


def test_wrong_arguments_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, says in (
        (["--map", "nothing"], "no register map"),
        (["--model", "103"], "is no meter of sunspec-meter"),
        (["--unit", "250", "--units", "20"], "past 255"),
        (["--fault", "nothing"], "no fault"),
    ):
        assert main(["modbus", *arguments]) == 2
        assert says in capsys.readouterr().err


def test_the_options_are_declared() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(["--map", "eastron-sdm630", "--pty"])
    assert (args.map, args.pty, args.unit) == ("eastron-sdm630", True, 1)


def test_the_same_seed_makes_the_same_meter() -> None:
    one = load_maps().find("sunspec-meter")
    assert world_of(one, seed=3).words == world_of(one, seed=3).words
    assert world_of(one, seed=3).words != world_of(one, seed=4).words


def test_a_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OverflowError):
        encode("u16", 65_536)
    for kind in ("bcd", "mod10"):
        with pytest.raises(ValueError, match="does not fit"):
            encode(kind, 10**8, length=2)
    with pytest.raises(UsageError):
        load_maps().find("nothing")
