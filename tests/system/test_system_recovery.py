"""A box dies and another takes over, by the commands of `docs/disaster-recovery.md`, word for word."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from metersim.mdsp_store import MdspStore
from metersim.pki import Pki, issue_certificate
from tests.system.mosquitto import BY_CERTIFICATE, mosquitto_conf, running_mosquitto
from tests.system.world import meter, metersim, password_file, simulator

AGENT = "gw-0001"
PAGE = Path(__file__).parents[2] / "docs" / "disaster-recovery.md"
FOUR_HOURS_S = 4 * 3600

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

CONFIG = """\
[agent]
agent_id = "gw-0001"
state_directory = "state"
[clock]
ntp = ["{ntp}"]
[keys]
directory = "keys"
mdsp = "mdsp.jwks"
encrypt = true
[forward]
host = "localhost"
port = {port}
ca = "ca.crt"
certificate = "keys/device-cert.pem"
key = "keys/device-key.pem"
[[meters]]
name = "house"
url = "{url}"
every = "10s"
expected_meter_id = "87654321"
password_file = "{password}"
"""
MRSP = """\
import sys
from agent.cli import main
main.COMMANDS.setdefault("backup", main.Entry("backup", "", ""))
main.entry()
"""


def documented() -> set[str]:
    """Return the commands of the page."""
    found: set[str] = set()
    inside = False
    for line in PAGE.read_text("utf-8").splitlines():
        if line.strip().startswith("```"):
            inside = line.strip() == "```sh"
        elif inside:
            found.add(line.strip())
    return found


@dataclass
class Town:
    """A directory in which the commands are typed, and everything around."""

    directory: Path
    port: int
    ntp: str
    meter: str
    recipient: str = ""
    commands: set[str] = field(default_factory=documented)

    @property
    def pki(self) -> Pki:
        return Pki(self.directory / "pki")

    def type(self, command: str) -> subprocess.CompletedProcess[str]:
        """Type a command of the page; it must succeed."""
        assert command in self.commands, f"the page does not say: {command}"
        done = subprocess.run(  # noqa: S602 - as a person types it
            command.replace("age1…", self.recipient),
            shell=True,
            cwd=self.directory,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done

    def configure(self, name: str) -> Path:
        """Write a configuration and what it names, without keys."""
        box = self.directory / name
        box.mkdir(mode=0o700)
        password = password_file(box, "residential-tou").name
        text = CONFIG.format(ntp=self.ntp, port=self.port, url=self.meter, password=password)
        (box / "mrsp.toml").write_text(text)
        shutil.copy(self.pki.ca, box)
        shutil.copy(self.pki.mdsp_jwks, box)
        return box

    @contextmanager
    def running(self, command: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run the agent; it is killed at the end, as by a fire."""
        words = command.split()
        assert words[:2] == ["mrsp", "run"]
        log = (self.directory / "log").open("ab")
        with (
            log,
            subprocess.Popen(
                [self.directory / "bin" / "mrsp", *words[1:]], cwd=self.directory, env=self._environment(), stderr=log
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}", "TZ": "UTC"}


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Meter, clock, broker and certificates; the agent's first box is configured and registered."""
    for name, body in (("mrsp", f"-c '{MRSP}'"), ("metersim", "-m metersim")):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec {sys.executable} {body} "$@"\n')
        path.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    metersim("pki", str(tmp_path / "pki"), "--agent", AGENT)
    pki = Pki(tmp_path / "pki")
    with ExitStack() as stack:
        ntp = stack.enter_context(simulator("ntp")).split()[0]
        address = stack.enter_context(meter("--pty", "--scenario", "residential-tou"))
        conf = mosquitto_conf(pki.directory, port, BY_CERTIFICATE)
        stack.enter_context(running_mosquitto(tmp_path / "mosquitto.conf", conf))
        town = Town(tmp_path, port, ntp, address)
        shutil.copytree(pki.device(AGENT), town.configure("box") / "keys")
        (tmp_path / "box" / "keys").chmod(0o700)
        yield town


@contextmanager
def mdsp(town: Town) -> Iterator[Iterator[dict[str, Any]]]:
    """Run the MDSP; yield its events as they happen."""
    command = [sys.executable, "-m", "metersim", "mdsp", str(town.pki.directory), "--broker", f"localhost:{town.port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        try:
            yield map(json.loads, process.stdout)
        finally:
            process.terminate()


def take(events: Iterator[dict[str, Any]], done: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """Return what the MDSP takes until `done`; it must refuse nothing."""
    found: list[dict[str, Any]] = []
    for event in events:
        assert event.get("verdict") in {"new", "duplicate"}, event
        found.append(event)
        if done(found):
            return found
    pytest.fail("the MDSP ended")


def new(kind: str, count: int) -> Callable[[list[dict[str, Any]]], bool]:
    def done(found: list[dict[str, Any]]) -> bool:
        return len([one for one in found if one["kind"] == kind and one["verdict"] == "new"]) >= count

    return done


def taken_over(found: list[dict[str, Any]]) -> bool:
    """Whether the report of the new box has come, and readings of its own."""
    restarts = [int(one["seq"]) for one in found if one["id"].startswith("chain-restart-")]
    return any(one["kind"] == "readings" and int(one["seq"]) > restart for one in found for restart in restarts)


def test_a_restored_box_takes_over(town: Town, record_property: Callable[[str, object], None]) -> None:
    town.recipient = town.type("mrsp backup keygen --output recovery.key").stdout.strip()
    with mdsp(town) as events:
        with town.running("mrsp run --config box/mrsp.toml"):
            take(events, new("readings", 1))
            town.type("mrsp backup create --config box/mrsp.toml --output backups/gw-0001.backup --recipient age1…")
            before = take(events, new("readings", 2))  # that the backup knows nothing of
        died = time.monotonic()
        town.type("mrsp backup show backups/gw-0001.backup --identity recovery.key")
        town.type("metersim head pki gw-0001 > head.jws")
        town.type(
            "mrsp backup restore backups/gw-0001.backup --into newbox --identity recovery.key --statement head.jws"
        )
        town.type("mrsp config check newbox/mrsp.toml")
        town.type("mrsp spool verify --config newbox/mrsp.toml")
        with town.running("mrsp run --config newbox/mrsp.toml"):
            after = take(events, taken_over)
        seconds = time.monotonic() - died
    record_property("seconds from death to the first new reading acknowledged", round(seconds))
    assert seconds < FOUR_HOURS_S
    assert max(one["seq"] for one in before) < min(one["seq"] for one in after if one["verdict"] == "new")
    store = MdspStore(town.pki.directory / "mdsp.db")
    try:
        documents = store.documents(AGENT)
        report = next(json.loads(one.document) for one in documents if one.document_id.startswith("chain-restart-"))
        assert store.findings() == []
        (gap,) = store.gaps(AGENT)
        assert gap[1] == report["resumes_at"] - 1
        numbers = [(one.kind, one.sequence) for one in documents]
        assert len(set(numbers)) == len(numbers)
    finally:
        store.close()


@pytest.mark.skipif(shutil.which("age") is None, reason="the program age is not installed")
def test_a_backup_opens_without_this_program(town: Town) -> None:
    (town.directory / "box" / "state").mkdir(mode=0o700)
    town.recipient = town.type("mrsp backup keygen --output recovery.key").stdout.strip()
    town.type("mrsp backup create --config box/mrsp.toml --output backups/gw-0001.backup --recipient age1…")
    town.type("mkdir opened")
    town.type("age --decrypt --identity recovery.key backups/gw-0001.backup | tar --extract --directory opened")
    assert (town.directory / "opened" / "config" / "mrsp.toml").read_bytes() == (
        town.directory / "box" / "mrsp.toml"
    ).read_bytes()
    assert (town.directory / "opened" / "keys" / "device-key.pem").is_file()


def test_without_a_backup_a_new_key_takes_over(town: Town) -> None:
    with mdsp(town) as events:
        with town.running("mrsp run --config box/mrsp.toml"):
            take(events, new("readings", 2))
        town.configure("newbox")
        jwk = json.loads(town.type("mrsp keys init --config newbox/mrsp.toml").stdout)
        register = town.pki.agents / f"{AGENT}.jwks"
        register.write_text(json.dumps({"keys": [*json.loads(register.read_text())["keys"], jwk]}))
        request = x509.load_pem_x509_csr(town.type("mrsp keys csr --config newbox/mrsp.toml").stdout.encode())
        certificate = issue_certificate(town.pki, AGENT, request.public_key(), now=datetime.now(UTC))
        (town.directory / "certificate.pem").write_bytes(certificate)
        town.type("mrsp keys import --config newbox/mrsp.toml certificate.pem")
        town.type("metersim head pki gw-0001 > head.jws")
        town.type("mrsp backup takeover --config newbox/mrsp.toml --statement head.jws")
        with town.running("mrsp run --config newbox/mrsp.toml"):
            take(events, taken_over)
    store = MdspStore(town.pki.directory / "mdsp.db")
    try:
        assert store.findings() == []
    finally:
        store.close()
