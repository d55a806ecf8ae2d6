"""`mrsp bench` at a bench of simulated instruments: from the plan to the report in the spool, and what is refused."""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from agent.bench.errors import BenchRefused, SourceNotOff
from agent.bench.history import MeterTests
from agent.bench.instruments import opened
from agent.bench.keeping import MeterTestBook, NotKept, deliver_owed
from agent.bench.one_test import only_test
from agent.bench.plan import load_plan
from agent.bench.preparing import prepare
from agent.bench.report.document import MeterTest, decoded
from agent.bench.rules import load_test_rules
from agent.cli import bench as command
from agent.cli.bench_run import about_of, conducted
from agent.cli.main import main
from agent.config import load_config
from agent.errors import ClockForbids, LocalTrouble, UsageError
from agent.keeping import open_spool
from agent.sealing import sealer_of
from agent.spool import Spool, SpoolFull
from drivers.errors import MrspError
from metersim.instruments.element import ErrorCurve
from tests.bench.bench_kit import HALF, PLAN, TODAY
from tests.bench.simulated_bench import simulated_bench, write_config

READS, WRITES = "00000000", "11111111"  # passwords of the simulated meter


def arguments_of(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(given)


async def run_test(config: Path, plan: Path, *more: str, no_clock_check: bool = True) -> MeterTest:
    """Run a plan as the command does, without its signal handlers and without waiting."""
    told = arguments_of(
        "run", str(plan), "--config", str(config), "--meter-id", "B-0001", *more,
        *(("--no-clock-check",) if no_clock_check else ()),
    )  # fmt: skip
    about = about_of(told)

    async def at_once(_seconds: float) -> None: ...

    return await conducted(told, load_config(config), load_plan(plan), about, pause=at_once)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return path


def extend(plan: Path, more: str) -> None:
    plan.write_text(PLAN + more)


def password_file(directory: Path, password: str) -> str:
    path = directory / "password"
    path.touch(0o600)
    path.write_text(password)
    return str(path)


async def documents(config: Path) -> list[MeterTest]:
    """Return the meter tests in the spool, each signature verified."""
    found = load_config(config)
    async with await Spool.open(found.spool_file, sealer=sealer_of(found)[0]) as spool:
        assert (await spool.verify()).sound
        entries = [one for one in await spool.entries() if one.kind == "report"]
        shown = [(await spool.show(one.document_id)).document for one in entries]
    return [decoded(one) for one in shown if one is not None]


async def kept_tests(config: Path) -> list[MeterTest]:
    """Return the history of the meter."""
    async with await MeterTestBook.open(load_config(config), create=False) as book:
        return await book.call(book.store.of, "B-0001")


async def test_as_found_and_as_left_end_in_one_report(tmp_path: Path, plan: Path) -> None:
    async with simulated_bench(errors=(("30", 1.4), ("3", -0.8))) as bench:
        config = write_config(tmp_path, bench.settings)
        found = await run_test(config, plan, "--as", "found", "--witness", "J. Doe", "--customer-id", "C-9")
        world = bench.running.world
        world.element = world.light.element = replace(world.element, curve=ErrorCurve())  # adjusted
        left = await run_test(config, plan, "--as", "left", "--work", "adjusted at full load")
        assert not bench.running.world.output_on
    assert (found.outcome, found.stage, found.witnesses, found.customer_id) == ("fail", "as_found", ("J. Doe",), "C-9")
    assert found.as_found is not None
    assert (found.msp_id, found.clock_proven, found.due_by > found.made_at) == ("MSP-7", False, True)
    assert left.as_found is not None
    assert (left.as_found.report_id, left.as_found.outcome) == (found.report_id, "fail")
    assert left.work_performed == "adjusted at full load"
    stored = await documents(config)
    assert [(one.report_id, one.sequence) for one in stored] == [(found.report_id, 1), (left.report_id, 2)]
    assert stored[0] == found
    assert await kept_tests(config) == [left, found]


async def test_what_was_done_is_in_the_history_and_is_shown(
    tmp_path: Path, plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extend(plan, HALF)
    async with simulated_bench() as bench:
        config = write_config(tmp_path, bench.settings)
        report = await run_test(config, plan, "--as", "found-and-left")
    assert report.outcome == "pass"
    file = tmp_path / "report.json"
    file.write_bytes(msgspec.json.encode(report))

    def commands() -> None:
        at = ("--config", str(config))
        assert main(["bench", "check", str(plan), *at]) == 0
        assert main(["bench", "history", "B-0001", *at]) == 0
        assert main(["bench", "history", "B-0001", *at, "--json"]) == 0
        assert main(["bench", "history", "B-2", *at]) == 6
        out = ("--html", str(tmp_path / "r.html"), "--csv", str(tmp_path / "r.csv"))
        assert main(["bench", "report", str(file), *out]) == 0
        assert main(["bench", "report", str(file)]) == 0

    await asyncio.to_thread(commands)
    said = capsys.readouterr()
    assert "can be run" in said.out
    assert report.report_id in said.out
    assert "final average" in said.out
    assert "was not tested here" in said.err
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text())))
    assert [row["point"] for row in rows] == ["heavy"] * 3 + ["light"] * 3 + ["half"] * 3 + ["final average"]
    assert "<svg" in (tmp_path / "r.html").read_text()


async def test_a_report_that_the_spool_refuses_is_shown_and_delivered_later(
    tmp_path: Path, plan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def full(*_args: object, **_more: object) -> None:
        raise SpoolFull("the spool takes nothing more")

    async with simulated_bench() as bench:
        config = write_config(tmp_path, bench.settings)
        with monkeypatch.context() as patch:
            patch.setattr(Spool, "add", full)
            with pytest.raises(NotKept, match="not in the spool yet") as caught:
                await run_test(config, plan, "--as", "found")
    made = caught.value.report
    assert await documents(config) == []
    shown = ["bench", "report", made.report_id, "--config", str(config), "--json"]
    assert await asyncio.to_thread(main, shown) == 0
    assert decoded(capsys.readouterr().out.encode()) == made
    async with open_spool(load_config(config)) as (spool, _keys):
        delivering = asyncio.create_task(deliver_owed(load_config(config), spool))
        await spool.changed.wait()
        delivering.cancel()
    assert await documents(config) == [msgspec.structs.replace(made, sequence=1)]


async def test_a_report_that_is_kept_nowhere_is_shown_all_the_same(
    tmp_path: Path, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise LocalTrouble("No space left on device")

    async with simulated_bench() as bench:
        config = write_config(tmp_path, bench.settings)
        monkeypatch.setattr(MeterTests, "add", full)
        with pytest.raises(NotKept, match="kept nowhere: No space left") as caught:
            await run_test(config, plan, "--as", "found")
    assert (caught.value.report.outcome, caught.value.lost) == ("pass", True)


async def test_a_source_that_is_left_on_at_the_end_is_said_loudly(tmp_path: Path, plan: Path) -> None:
    async with simulated_bench("source:latched") as bench:
        prepared = prepare(load_plan(plan).plan, load_test_rules("ubp-2000"), bench.settings, TODAY)
        instruments = opened(prepared)
        await instruments.__aenter__()
        bench.running.source.device.hear("OUTP 1")
        with pytest.raises(SourceNotOff, match="TAKE THE BENCH FOR LIVE"):
            await instruments.__aexit__(None, None, None)


async def test_two_tests_do_not_share_an_instrument(tmp_path: Path, plan: Path) -> None:
    async with simulated_bench() as bench:
        config = write_config(tmp_path, bench.settings)
        with (
            only_test(tmp_path / "state", ("ref",)),
            pytest.raises(BenchRefused, match="the instrument ref is in use by another test"),
        ):
            await run_test(config, plan, "--as", "found")
        assert not bench.energised
        assert (await run_test(config, plan, "--as", "found")).outcome == "pass"


async def test_a_report_that_nobody_could_sign_energises_nothing(tmp_path: Path, plan: Path) -> None:
    async with simulated_bench() as bench:
        config = write_config(tmp_path, bench.settings)
        (tmp_path / "state" / "keys").rename(tmp_path / "elsewhere")
        with pytest.raises(LocalTrouble, match="key"):
            await run_test(config, plan, "--as", "found")
        assert not bench.energised


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        (("--as", "left"), UsageError, "--work says"),
        (("--as", "found", "--work", "x"), UsageError, "--work says"),
        (("--as", "left", "--work", "adjusted"), BenchRefused, "not tested as found"),
        (("--as", "found", "--tester", "a\x1bb"), UsageError, "control character"),
        (("--as", "found", "--zone", "Mars/Base"), UsageError, "no time zone"),
    ],
)
async def test_arguments_that_make_no_sense_energise_nothing(
    more: Sequence[str], error: type[MrspError], said: str, tmp_path: Path, plan: Path
) -> None:
    async with simulated_bench() as bench:
        config = write_config(tmp_path, bench.settings)
        with pytest.raises(error, match=said):
            await run_test(config, plan, *more)
        assert not bench.energised


async def test_an_unproven_clock_is_no_ground_to_judge_calibrations(tmp_path: Path, plan: Path) -> None:
    async with simulated_bench() as bench:
        config = write_config(tmp_path, bench.settings)
        with pytest.raises(ClockForbids, match="calibrations are judged by it"):
            await run_test(config, plan, "--as", "found", no_clock_check=False)
        assert not bench.energised


@pytest.mark.parametrize(
    ("serial", "access", "said"),
    [("S9999", "", "says that its serial number"), (None, "[access]\nregisters = true\n", "optical port")],
)
async def test_what_does_not_fit_energises_nothing(
    serial: str | None, access: str, said: str, tmp_path: Path, plan: Path
) -> None:
    extend(plan, access)
    async with simulated_bench() as bench:
        source, *others = bench.settings.instruments
        named = msgspec.structs.replace(source, serial_number=serial)
        config = write_config(tmp_path, msgspec.structs.replace(bench.settings, instruments=(named, *others)))
        with pytest.raises(BenchRefused, match=said):
            await run_test(config, plan, "--as", "found")
        assert not bench.energised


@pytest.mark.parametrize(
    ("fault", "energised"),
    [
        ("source:liar", False),
        ("source:locked", False),
        ("source:deaf", False),
        ("standard:overrange", True),
        ("standard:wrong_units", True),
        ("counter:garbage=4", True),
        ("standard:lost=3", True),
        ("source:lost_once=9", True),
    ],
)
async def test_an_instrument_in_trouble_ends_the_test_with_the_source_off(
    fault: str,
    energised: bool,
    tmp_path: Path,
    plan: Path,
) -> None:
    async with simulated_bench(fault) as bench:
        config = write_config(tmp_path, bench.settings)
        with pytest.raises(MrspError) as caught:
            await run_test(config, plan, "--as", "found")
        assert (bench.energised, bench.running.world.output_on) == (energised, False)
        assert caught.value.advice or len(str(caught.value)) > 30
    assert await kept_tests(config) == []


async def test_registers_come_over_the_optical_port(tmp_path: Path, plan: Path) -> None:
    extend(plan, "[access]\nregisters = true\n")
    async with simulated_bench() as bench:
        config = write_config(tmp_path, bench.settings)
        password = password_file(tmp_path, READS)
        port = ("--url", bench.running.meter.address, "--password-file", password)
        report = await run_test(config, plan, "--as", "found", *port)
    result = report.as_found
    assert result is not None
    before, after = result.registers_before, result.registers_after
    assert before is not None
    assert after is not None
    assert (before.meter_id, before.unit) == ("B-0001", "kWh")
    assert float(after.value) - float(before.value) > 0.8  # six runs of 144 Wh, and what lies between
    assert before.recording is not None


async def test_the_meter_is_in_test_mode_for_the_test_alone(tmp_path: Path, plan: Path) -> None:
    extend(plan, "[access]\ntest_mode = true\n")
    async with simulated_bench() as bench:
        config = write_config(tmp_path, bench.settings)
        port = ("--url", bench.running.meter.address, "--password-file", password_file(tmp_path, WRITES))
        with pytest.raises(BenchRefused, match="who gives leave"):
            await run_test(config, plan, "--as", "found", *port)
        assert not bench.energised
        report = await run_test(config, plan, "--as", "found", *port, "--authorized-by", "A. Smith")
    assert report.outcome == "pass"
    lines = [json.loads(line) for line in audit_lines(config)]
    writes = [line["summary"] for line in lines if "summary" in line]
    assert [one.split(":")[0] for one in writes] == ["end_device_mode mode=test", "end_device_mode mode=metering"]


def audit_lines(config: Path) -> list[str]:
    return (config.parent / "state" / "audit.jsonl").read_text().splitlines()


def test_a_check_says_what_is_wrong_with_a_plan(tmp_path: Path, plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "mrsp.toml"
    config.write_text('[agent]\nagent_id = "gw"\nstate_directory = "state"\n')
    assert main(["bench", "check", str(plan), "--config", str(config)]) == 2
    assert "there is no instrument 'src'" in capsys.readouterr().err
    (tmp_path / "no.json").write_text(json.dumps({"schema": "mrsp.reading/1"}))
    assert main(["bench", "report", str(tmp_path / "no.json")]) == 2
    assert "is no report of a meter test" in capsys.readouterr().err
