"""`mrsp run` as operators run it: real meters' lines, real mosquitto with client certificates, real signals."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.system.mosquitto import BY_CERTIFICATE, mosquitto_conf, running_mosquitto
from tests.system.world import meter, metersim, mrsp, password_file, simulator

AGENT = "gw-0007"

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

CONFIG = """\
[agent]
agent_id = "{agent}"
state_directory = "state"
[clock]
ntp = ["{ntp}"]
[keys]
directory = "pki/devices/{agent}"
mdsp = "pki/mdsp.jwks"
encrypt = true
[forward]
host = "localhost"
port = {port}
ca = "pki/ca.crt"
certificate = "pki/devices/{agent}/device-cert.pem"
key = "pki/devices/{agent}/device-key.pem"
[outlet.file]
directory = "outbox"
forms = ["json"]
"""
METER = """
[[meters]]
name = "{name}"
url = "{url}"
every = "10s"
expected_meter_id = "{meter_id}"
password_file = "{password}"
"""


@dataclass
class Place:
    """A gateway's directory and what surrounds it."""

    directory: Path
    port: int

    @property
    def config(self) -> Path:
        return self.directory / "mrsp.toml"

    @contextmanager
    def broker(self) -> Iterator[None]:
        conf = mosquitto_conf(self.directory / "pki", self.port, BY_CERTIFICATE)
        with running_mosquitto(self.directory / "mosquitto.conf", conf):
            yield

    @contextmanager
    def mdsp(self) -> Iterator[Iterator[dict[str, Any]]]:
        """Run the MDSP; yield its events as they happen."""
        command = [sys.executable, "-m", "metersim", "mdsp", str(self.directory / "pki")]
        command += ["--broker", f"localhost:{self.port}", "--store", str(self.directory / "mdsp.db")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert "ready" in process.stdout.readline()
            try:
                yield map(json.loads, process.stdout)
            finally:
                process.terminate()

    @contextmanager
    def agent(self) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "agent.cli.main", "run", "--config", str(self.config)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "TZ": "UTC"}) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A configured gateway with two meters; broker, MDSP and agent are not running yet."""
    with socket.socket() as probe, ExitStack() as stack:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        metersim("pki", str(tmp_path / "pki"), "--agent", AGENT)
        ntp = stack.enter_context(simulator("ntp")).split()[0]
        text = CONFIG.format(agent=AGENT, ntp=ntp, port=port)
        for name, scenario, meter_id in (("house", "residential-tou", "87654321"), ("shed", "minimal", "M-1")):
            address = stack.enter_context(meter("--pty", "--scenario", scenario))
            secret = password_file(tmp_path, scenario).name
            text += METER.format(name=name, url=address, meter_id=meter_id, password=secret)
        (tmp_path / "mrsp.toml").write_text(text)
        yield Place(tmp_path, port)


def accepted(events: Iterator[dict[str, Any]], count: int) -> list[str]:
    """Wait until the MDSP has taken `count` new readings; return their ids."""
    found: list[str] = []
    for event in events:
        if event.get("kind") == "readings" and event.get("verdict") == "new":
            found.append(event["id"])
            if len(found) == count:
                return found
        assert "refused" not in event, event
    pytest.fail("the MDSP ended")


def stopped(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Stop the agent; return what it logged."""
    process.send_signal(number)
    _, log = process.communicate(timeout=15)
    return log


def verify(place: Place) -> dict[str, Any]:
    run = mrsp("spool", "verify", "--json", "--config", place.config)
    report: dict[str, Any] = json.loads(run.stdout)
    assert run.returncode == (0 if report["sound"] else 6)
    return report


def test_readings_reach_the_mdsp_and_leave_the_spool(place: Place) -> None:
    checked = mrsp("config", "check", place.config)
    assert checked.returncode == 0, checked.stderr
    with place.broker(), place.mdsp() as events, place.agent() as agent:
        ids = accepted(events, 4)
        log = stopped(agent, signal.SIGTERM)
    assert agent.returncode == 0, log
    assert len(set(ids)) == 4
    assert "is in the spool" in log
    assert verify(place)["problems"] == []
    status = json.loads(mrsp("spool", "status", "--json", "--config", place.config).stdout)
    assert status["agent_id"] == AGENT
    assert status["chain_seq"] >= 4
    listed = mrsp("spool", "list", "--all", "--json", "--config", place.config)
    rows = json.loads(listed.stdout)
    assert {row["id"] for row in rows} >= set(ids)
    assert any(recording.stat().st_size > 100 for recording in (place.directory / "state" / "recordings").iterdir())
    assert "00000000" not in log
    copies = [json.loads(path.read_bytes()) for path in (place.directory / "outbox").glob("[!.]*.json")]
    assert {copy.get("reading_id") for copy in copies} >= set(ids)
    assert re.search(r"^outlet +outbox: copies as json", checked.stdout, re.MULTILINE)


def test_without_a_broker_readings_wait_and_then_arrive(place: Place) -> None:
    with place.agent() as agent:
        assert agent.stderr is not None
        for line in agent.stderr:
            if "is in the spool" in line:
                break
        with place.broker(), place.mdsp() as events:
            assert accepted(events, 2)
            stopped(agent, signal.SIGINT)
    assert agent.returncode == 0
    assert verify(place)["sound"]


def test_kill_9_in_the_middle_loses_nothing_and_doubles_nothing(place: Place) -> None:
    seen: list[str] = []
    with place.broker(), place.mdsp() as events:
        for _ in range(3):
            with place.agent() as agent:
                seen += accepted(events, 1)
                agent.kill()
                agent.wait()
        with place.agent() as agent:
            seen += accepted(events, 2)
            stopped(agent, signal.SIGTERM)
    assert len(seen) == len(set(seen))
    report = verify(place)
    assert report["problems"] == []
    assert report["links"] >= len(seen)


def test_a_read_by_hand_can_go_into_the_agents_spool(place: Place) -> None:
    with meter("--pty", "--scenario", "minimal") as address:
        read = mrsp("read", address, "--format=json", "--config", place.config)
    assert read.returncode == 0, read.stderr
    document = json.loads(read.stdout)
    assert (document["agent_id"], document["sequence"]) == (AGENT, 1)
    status = json.loads(mrsp("spool", "status", "--json", "--config", place.config).stdout)
    assert (status["depth"], status["chain_seq"]) == (1, 1)
    assert verify(place)["sound"]


def test_a_spool_that_cannot_be_written_still_prints_the_reading(place: Place) -> None:
    (place.directory / "state" / "spool.sqlite").mkdir(parents=True)
    with meter("--pty", "--scenario", "minimal") as address:
        read = mrsp("read", address, "--format=json", "--config", place.config)
        (place.directory / "state").rename(place.directory / "aside")
        (place.directory / "state").write_text("a file where the directory should be")
        unaudited = mrsp("read", address, "--format=json", "--config", place.config)
    assert read.returncode == unaudited.returncode == 6
    assert json.loads(read.stdout)["registers"]
    assert "Traceback" not in read.stderr
    assert "no meter is visited or written to without it" in unaudited.stderr  # the audit log
    assert unaudited.stdout == ""
