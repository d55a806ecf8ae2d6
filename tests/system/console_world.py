"""A gateway with its console, for a browser: `mrsp run`, simulated meters at the end of its probes, time, accounts."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.cli.main import main
from tests.system.world import DEFAULT_PASSWORD, simulator

PASSWORD = "correct horse battery"  # noqa: S105 - of a test
PEOPLE = {"ann": "reader", "bob": "reader", "olga": "operator"}
CONFIG = """\
[agent]
agent_id = "{agent}"
state_directory = "state"
[clock]
ntp = ["{ntp}"]
zone = "America/Los_Angeles"
[console]
listen = "127.0.0.1:{port}"
max_upload_octets = 1_000_000
probes = [{probes}]
"""
ENDS_S = 30
_AT = re.compile(r"the console is at (http://[^\s]+?)/?\s")


@dataclass
class Probe:
    """A probe whose cable stays in the box while meters come and go at its other end."""

    name: str
    link: Path
    process: subprocess.Popen[str] | None = None

    @property
    def configured(self) -> str:
        return f"{self.name} = serial://{self.link}"

    @property
    def meter(self) -> subprocess.Popen[str]:
        assert self.process is not None, "no meter is at this probe"
        return self.process

    def hold_to(self, *arguments: str) -> None:
        """Hold the probe to another simulated meter: the options of `metersim meter`."""
        self.take_away()
        command = [sys.executable, "-m", "metersim", "meter", "--pty", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        address = self.process.stdout.readline().strip()
        assert address, f"no meter with {arguments}"
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(address)

    def stop_its_time(self) -> None:
        """The meter falls silent in the middle of whatever it says."""
        self.meter.send_signal(signal.SIGSTOP)

    def let_its_time_go_on(self) -> None:
        self.meter.send_signal(signal.SIGCONT)

    def take_away(self) -> None:
        """Take the probe off the meter: the line is dead at once."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@dataclass
class Gateway:
    """A box with a console, its directory, and what it logged."""

    directory: Path
    probes: tuple[Probe, ...]
    process: subprocess.Popen[str] | None = None
    url: str = ""
    log: list[str] = field(default_factory=list)
    _listener: threading.Thread | None = None

    @property
    def config(self) -> Path:
        return self.directory / "mrsp.toml"

    def memory_octets(self) -> int:
        """Return how much memory the agent has (resident)."""
        assert self.process is not None
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def start(self) -> None:
        """Start the agent; return when its console is there."""
        command = [sys.executable, "-m", "agent.cli.main", "run", "--config", str(self.config)]
        self.process = process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, "TZ": "UTC"}
        )
        assert process.stderr is not None
        for line in process.stderr:
            self.log.append(line)
            if found := _AT.search(line):
                self.url = found[1]
                self._listener = threading.Thread(target=self.log.extend, args=(process.stderr,))
                self._listener.start()
                return
        raise AssertionError("".join(self.log))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop the agent, properly by default."""
        process, self.process = self.process, None
        if process is not None:
            with process:
                process.send_signal(number)
                process.wait(ENDS_S)
                if self._listener is not None:
                    self._listener.join()

    def give_password(self, name: str, password: str = PASSWORD) -> None:
        """Give a person another password: they are logged out everywhere."""
        self.command("console", "user", "password", name, "--password-file", self._secret(name, password))

    def add_person(self, name: str, role: str) -> None:
        """Make an account by the command line."""
        self.command("console", "user", "add", name, "--role", role, "--password-file", self._secret(name, PASSWORD))

    def _secret(self, name: str, password: str) -> Path:
        file = self.directory / f"{name}.secret"
        file.touch(mode=0o600)
        file.write_text(password)
        return file

    def command(self, *arguments: str | Path) -> None:
        """Run a command of `mrsp` that prints nothing of interest."""
        self.told(*map(str, arguments))

    def spooled(self) -> list[str]:
        """Return the ids of the readings in the spool, oldest first."""
        listed: list[dict[str, str]] = json.loads(self.told("spool", "list", "--json"))
        return [one["id"] for one in listed if one["kind"] == "reading"]

    def reading(self, reading_id: str) -> dict[str, Any]:
        """Return a reading as it waits in the spool."""
        document: dict[str, Any] = json.loads(self.told("spool", "show", reading_id))
        return document

    def became(self, route_id: str) -> list[dict[str, Any]]:
        """Return what became of each stop of a route, as the office takes it."""
        stops: list[dict[str, Any]] = json.loads(self.told("route", "export", route_id))["stops"]
        return stops

    def told(self, *arguments: str) -> str:
        """Return what a command of `mrsp` prints beside the running service.

        It runs in this process, to save a second, and in a thread of its own: a browser's events have this one's loop.
        """
        shown = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        with redirect_stdout(shown), ThreadPoolExecutor(1) as thread:
            assert thread.submit(main, [*arguments, "--config", str(self.config)]).result() == 0
        shown.seek(0)
        return shown.read()


def _free_port() -> int:
    """Return a port that stays the console's own when it is started again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def gateway(directory: Path, *probes: str, agent: str = "gw-0042", more: str = "") -> Iterator[Gateway]:
    """Run a gateway with probes of these names; `more` goes on in the configuration."""
    lines = tuple(Probe(name, directory / name.replace(" ", "-")) for name in probes)
    secret = directory / "meter.password"
    secret.touch(mode=0o600)
    secret.write_text(DEFAULT_PASSWORD)
    with ExitStack() as stack:
        ntp = stack.enter_context(simulator("ntp")).split()[0]
        named = ", ".join(json.dumps(line.configured) for line in lines)
        box = Gateway(directory, lines)
        text = CONFIG.format(agent=agent, ntp=ntp, probes=named, port=_free_port())
        box.config.write_text(text + more)
        if "[keys]" not in more:
            box.command("keys", "init")
        for name, role in PEOPLE.items():
            box.add_person(name, role)
        for line in lines:
            stack.callback(line.take_away)
        stack.callback(box.stop)
        box.start()
        yield box
        assert "Traceback" not in (log := "".join(box.log)), log
