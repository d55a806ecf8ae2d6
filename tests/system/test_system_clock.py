"""The clock proof decides what may be read, with real time servers on real sockets."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.world import meter, mrsp, outcomes, password_file, reading_of, simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]

CHRONYD = shutil.which("chronyd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
CHRONYC = shutil.which("chronyc")
GPSD = shutil.which("gpsd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
needs_chrony = pytest.mark.skipif(CHRONYD is None or CHRONYC is None, reason="chrony is not installed")
needs_gpsd = pytest.mark.skipif(GPSD is None, reason="gpsd is not installed")
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)  # Debian's faketime
needs_faketime = pytest.mark.skipif(FAKETIME is None, reason="faketime is not installed")
GOOD: tuple[str, ...] = ()
SLOW = ("--offset", "90")
FORBIDDEN = {
    "one server, 90 s off": (SLOW,),
    "a kiss-o'-death": (("--kiss", "RATE"),),
    "unsynchronised": (("--leap", "3"),),
    "stratum 16": (("--stratum", "16"),),
    "a reply that is not ours": (("--wrong-origin",),),
    "silence": (("--silent",),),
    "nobody there": (("--unreachable",),),
    "a time before this program existed": (("--offset", "-40000000"),),
    "two that contradict each other": (GOOD, SLOW),
}


@dataclass(frozen=True, slots=True)
class Chronyd:
    """A running daemon: where it serves time, and how to ask it about its clock."""

    port: int
    chronyc: tuple[str, ...]

    def synchronised(self) -> None:
        """Wait until it has selected a source (chronyc looks ten times a second)."""
        subprocess.run([*self.chronyc, "waitsync", "300", "0", "0", "0.1"], check=True, capture_output=True)


@contextmanager
def chronyd(folder: Path, *directives: str, off_s: int = 0) -> Iterator[Chronyd]:
    """Run a chronyd in the foreground, without leave to touch the clock (`-x`), on loopback only.

    `off_s`: by how much the clock is wrong that it serves, which is then a fake under the real daemon.
    """
    assert CHRONYD is not None
    assert CHRONYC is not None
    port, command_port = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    folder.mkdir()
    lines = [
        *directives,
        f"port {port}",
        "bindaddress 127.0.0.1",
        "allow 127.0.0.0/8",
        f"cmdport {command_port}",
        "bindcmdaddress 127.0.0.1",
        "bindcmdaddress /",
        f"pidfile {folder}/chronyd.pid",
        f"user {pwd.getpwuid(os.getuid()).pw_name}",
    ]
    (folder / "chrony.conf").write_text("\n".join(lines) + "\n")
    command = [CHRONYD, "-x", "-U", "-d", "-f", str(folder / "chrony.conf")]
    daemon = Chronyd(port, (CHRONYC, "-h", "127.0.0.1", "-p", str(command_port)))
    fake = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{off_s:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    environment = {**os.environ, **(fake if off_s else {})}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            for _ in range(500):
                if not subprocess.run([*daemon.chronyc, "activity"], check=False, capture_output=True).returncode:
                    break
            yield daemon
        finally:
            process.terminate()


@contextmanager
def gpsd(*receiver: str) -> Iterator[str]:
    """Run a receiver on a pty and a gpsd that listens to it; yield the `--gpsd` option."""
    assert GPSD is not None
    port = free_port(socket.SOCK_STREAM)
    with (
        simulator("gnss", *receiver) as path,
        subprocess.Popen([GPSD, "-N", "-n", "-b", "-S", str(port), path], stderr=subprocess.DEVNULL) as process,
    ):
        try:
            for _ in range(20_000):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
            yield f"--gpsd=127.0.0.1:{port}"
        finally:
            process.terminate()


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


def configuration(folder: Path, clock: str) -> Path:
    """Write the configuration of an agent with these lines in its `[clock]` table."""
    (folder / "state").mkdir()
    file = folder / "mrsp.toml"
    file.write_text(f'[agent]\nagent_id = "gw-0001"\nstate_directory = "{folder}/state"\n[clock]\n{clock}\n')
    return file


def servers(stack: ExitStack, *behaviours: tuple[str, ...]) -> list[str]:
    """Start a time server for each behaviour; return the `--ntp` options."""
    addresses = [stack.enter_context(simulator("ntp", *behaviour)).split()[0] for behaviour in behaviours]
    return [f"--ntp={address}" for address in addresses]


def test_three_good_servers_permit_everything() -> None:
    with ExitStack() as stack:
        run = mrsp("clock", "--json", *servers(stack, GOOD, GOOD, GOOD))
    assert run.returncode == 0, run.stdout
    proof = json.loads(run.stdout)
    assert proof["synchronized"] is True
    assert proof["source"] == "ntp"
    assert proof["permits"] == {"cumulative": True, "tou": True, "interval": True}
    assert re.fullmatch(r"-?\d+(\.\d+)?", proof["offset_s"])
    assert re.fullmatch(r"\d+(\.\d+)?", proof["uncertainty_s"])
    assert proof["synchronized_at"].endswith("Z")
    assert proof["explanation"]


def test_one_liar_among_three_is_outvoted_and_named() -> None:
    with ExitStack() as stack:
        run = mrsp("clock", *servers(stack, GOOD, SLOW, GOOD))
    assert run.returncode == 0, run.stdout
    assert "disagree" in run.stdout or "not believed" in run.stdout or "outvoted" in run.stdout, run.stdout


@pytest.mark.parametrize("case", FORBIDDEN)
def test_a_clock_that_is_not_proven_forbids_interval_reads(case: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        options = servers(stack, *FORBIDDEN[case])
        clock = mrsp("clock", "--json", *options)
        read = mrsp("read", "/dev/null", "--format=json", *options)
    assert clock.returncode == 5, clock.stdout
    assert json.loads(clock.stdout)["permits"] == {"cumulative": True, "tou": False, "interval": False}
    assert read.returncode == 5, read.stderr
    assert read.stdout == ""
    assert "the clock proof does not permit this read" in read.stderr


def test_without_any_source_the_explanation_says_what_to_do() -> None:
    with ExitStack() as stack:
        run = mrsp("clock", *servers(stack, ("--silent",)))
    assert run.returncode == 5
    assert "no source" in run.stdout.lower() or "no answer" in run.stdout.lower(), run.stdout


def test_with_the_proof_a_reading_passes_its_clock_checks(tmp_path: Path) -> None:
    scenario = "residential-tou"
    with ExitStack() as stack:
        options = servers(stack, GOOD, GOOD, GOOD)
        address = stack.enter_context(meter("--pty", "--scenario", scenario, "--seed", "3"))
        run = mrsp("read", address, "--format=json", "--password-file", password_file(tmp_path, scenario), *options)
    document = reading_of(run)
    assert outcomes(document)["agent_clock"] == outcomes(document)["meter_clock"] == "pass"
    assert document["clock"]["agent_source"] == "ntp"
    assert abs(float(document["clock"]["meter_offset_s"])) < 5


@pytest.mark.parametrize(("offset", "outcome"), [("170", "pass"), ("190", "fail"), ("-190", "fail")])
def test_the_meters_clock_is_held_against_the_proof(tmp_path: Path, offset: str, outcome: str) -> None:
    scenario = "residential-tou"
    with ExitStack() as stack:
        options = servers(stack, GOOD)
        address = stack.enter_context(meter("--pty", "--scenario", scenario, f"--fault=clock_offset={offset}"))
        run = mrsp("read", address, "--format=json", "--password-file", password_file(tmp_path, scenario), *options)
    document = reading_of(run)
    assert outcomes(document)["meter_clock"] == outcome
    assert run.returncode == 1 if outcome == "fail" else run.returncode in {0, 1}


def test_registers_only_takes_cumulative_totals_without_the_proof_and_says_so(tmp_path: Path) -> None:
    scenario = "residential-tou"
    with ExitStack() as stack:
        options = servers(stack, SLOW)
        address = stack.enter_context(meter("--pty", "--scenario", scenario))
        secret = password_file(tmp_path, scenario)
        run = mrsp("read", address, "--registers-only", "--format=json", "--password-file", secret, *options)
    assert run.returncode == 1, run.stderr
    document = reading_of(run)
    assert outcomes(document)["agent_clock"] == "fail"
    assert {(r["kind"], r["tier"]) for r in document["registers"]} == {("cumulative", 0)}
    assert document["interval_blocks"] == []


def test_a_smearing_server_is_noted() -> None:
    with ExitStack() as stack:
        run = mrsp("clock", *servers(stack, ("--smear",)))
    assert run.returncode == 0, run.stdout
    assert "spreads a leap second" in run.stdout


def test_the_operator_is_told_what_to_do() -> None:
    with ExitStack() as stack:
        run = mrsp("clock", *servers(stack, GOOD, SLOW))
    assert run.returncode == 5
    assert "What to do" in run.stdout
    assert "name a third source" in run.stdout
    assert "--registers-only" in run.stdout


def test_a_wrong_address_of_a_source_is_a_wrong_argument() -> None:
    for option in ("--ntp", "--gpsd"):
        run = mrsp("clock", option, "a b")
        assert run.returncode == 2
        assert "`a b` is not" in run.stderr


@needs_chrony
def test_two_real_chronyds_outvote_a_liar(tmp_path: Path) -> None:
    with ExitStack() as stack:
        real = [stack.enter_context(chronyd(tmp_path / name, "local stratum 2")) for name in ("a", "b")]
        options = [f"--ntp=127.0.0.1:{daemon.port}" for daemon in real]
        run = mrsp("clock", *options, *servers(stack, SLOW))
    assert run.returncode == 0, run.stdout
    assert "is not believed" in run.stdout


@needs_chrony
@needs_faketime
def test_a_real_chronyd_that_serves_the_wrong_time(tmp_path: Path) -> None:
    with ExitStack() as stack:
        wrong = stack.enter_context(chronyd(tmp_path / "wrong", "local stratum 2", off_s=-90))
        alone = mrsp("clock", f"--ntp=127.0.0.1:{wrong.port}")
        right = [stack.enter_context(chronyd(tmp_path / name, "local stratum 2")) for name in ("a", "b")]
        outvoted = mrsp("clock", *(f"--ntp=127.0.0.1:{daemon.port}" for daemon in (wrong, *right)))
    assert alone.returncode == 5, alone.stdout
    assert re.search(r"not synchronised: (89\.9|90\.0)\d+ s fast", alone.stdout)
    assert outvoted.returncode == 0, outvoted.stdout
    assert f"127.0.0.1:{wrong.port} is not believed" in outvoted.stdout


@needs_chrony
@pytest.mark.parametrize(
    ("behaviour", "status"), [(GOOD, 0), (SLOW, 5), (("--kiss", "DENY"), 5), (("--unreachable",), 5)]
)
def test_a_real_chronyd_is_this_boxs_source(tmp_path: Path, behaviour: tuple[str, ...], status: int) -> None:
    with ExitStack() as stack:
        upstream = stack.enter_context(simulator("ntp", *behaviour)).rpartition(":")[2]
        server = f"server 127.0.0.1 port {upstream} iburst minpoll -4 maxpoll -4"
        daemon = stack.enter_context(chronyd(tmp_path / "chrony", server))
        if behaviour in (GOOD, SLOW):
            daemon.synchronised()
        run = mrsp("clock", "--config", configuration(tmp_path, f"chronyc = {list(daemon.chronyc)}"))
    assert run.returncode == status, run.stdout
    assert "chrony" in run.stdout
    assert ("What to do" in run.stdout) is (status == 5)


def test_a_configured_box_carries_the_mornings_proof_when_no_source_answers(tmp_path: Path) -> None:
    with ExitStack() as stack:
        address = stack.enter_context(simulator("ntp")).split()[0]
        file = configuration(tmp_path, f'sources = ["ntp"]\nntp = ["{address}"]')
        morning = mrsp("clock", "--config", file)
    later = mrsp("clock", "--config", file)  # the server is gone
    assert morning.returncode == later.returncode == 0, later.stdout
    assert "has been carried since" in later.stdout
    assert "Connection refused" in later.stdout


@needs_gpsd
def test_a_real_gpsd_proves_the_clock_where_there_is_no_network() -> None:
    with gpsd("--period", "0.2") as option:
        run = mrsp("clock", "--json", option)
    assert run.returncode == 0, run.stdout
    proof = json.loads(run.stdout)
    assert (proof["synchronized"], proof["source"]) == (True, "gnss")
    assert abs(float(proof["offset_s"])) <= float(proof["uncertainty_s"])


@needs_gpsd
@pytest.mark.parametrize(
    ("receiver", "words"),
    [
        (("--fix", "1"), "has no fix"),
        (("--weeks", "1024"), "it has rolled over"),
        (("--dies-after", "2"), "gives no time"),
        (("--offset", "90"), "90"),
    ],
)
def test_a_receiver_that_gives_no_good_time(receiver: tuple[str, ...], words: str) -> None:
    with gpsd("--period", "0.2", *receiver) as option:
        run = mrsp("clock", option)
    assert run.returncode == 5, run.stdout
    assert words in run.stdout
    assert "What to do" in run.stdout
