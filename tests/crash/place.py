"""A whole world for one agent, each part a process of its own: meters, time, a real mosquitto, the MDSP."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from agent.utc_text import utc_text
from tests.forwarding.forwarding_kit import AGENT, free_port
from tests.system.mosquitto import BY_CERTIFICATE, MOSQUITTO, mosquitto_conf
from tests.system.world import metersim, simulator

SCENARIOS = ("minimal", "residential-tou", "minimal")  # small readings and large ones
_PIPE_OCTETS = 1_048_576

_CONFIG = """\
[agent]
agent_id = "{agent}"
state_directory = "state"
[clock]
sources = ["ntp"]
ntp = ["{ntp}"]
[keys]
directory = "pki/devices/{agent}"
mdsp = "pki/mdsp.jwks"
encrypt = true
[schedule]
tries = 100
[forward]
host = "localhost"
port = {port}
ca = "pki/ca.crt"
certificate = "pki/devices/{agent}/device-cert.pem"
key = "pki/devices/{agent}/device-key.pem"
"""
_METER = """
[[meters]]
name = "meter{number}"
url = "{url}"
every = "365d"
password_file = "meter.password"
"""


@dataclass(frozen=True, slots=True)
class Place:
    """The agent's directory, and what its neighbours say: drain it, or they wait for us."""

    directory: Path
    chatter: tuple[IO[bytes], ...]

    @property
    def config(self) -> Path:
        return self.directory / "mrsp.toml"

    @property
    def meters(self) -> list[str]:
        return [f"meter{number}" for number, _ in enumerate(SCENARIOS, start=1)]

    def drain(self) -> None:
        """Read what the neighbours have said."""
        for pipe in self.chatter:
            while pipe.read(_PIPE_OCTETS):
                pass


@contextmanager
def running_place(directory: Path) -> Iterator[Place]:
    """Start everything but the agent, in `directory`; end it all afterwards."""
    with ExitStack() as stack:
        port = free_port()
        metersim("pki", str(directory / "pki"), "--agent", AGENT)
        secret = directory / "meter.password"
        secret.touch(mode=0o600)
        secret.write_text("00000000")
        ntp = stack.enter_context(simulator("ntp")).split()[0]
        text = _CONFIG.format(agent=AGENT, ntp=ntp, port=port)
        still = ("--tcp", "0", "--freeze", "--now", utc_text(datetime.now(UTC)))
        for number, scenario in enumerate(SCENARIOS, start=1):
            url = stack.enter_context(simulator("meter", "--scenario", scenario, *still))
            text += _METER.format(number=number, url=url)
        (directory / "mrsp.toml").write_text(text)
        broker = stack.enter_context(running_mosquitto(directory, port))
        mdsp = [sys.executable, "-m", "metersim", "mdsp", str(directory / "pki"), "--broker", f"localhost:{port}"]
        mdsp += ["--store", str(directory / "mdsp.db")]
        yield Place(directory, (broker, stack.enter_context(started(mdsp, "ready", stdout=subprocess.PIPE))))


@contextmanager
def running_mosquitto(directory: Path, port: int) -> Iterator[IO[bytes]]:
    """Run a mosquitto with the certificates in `directory`/pki; yield the little that it logs."""
    file = directory / "mosquitto.conf"
    file.write_text(mosquitto_conf(directory / "pki", port, BY_CERTIFICATE))
    with started([MOSQUITTO, "-c", str(file)], "running", stderr=subprocess.PIPE) as log:
        yield log


@contextmanager
def started(command: list[str], ready: str, **pipe: int) -> Iterator[IO[bytes]]:
    """Start a program and wait until it says that it is `ready`; yield its output, which does not block."""
    with subprocess.Popen(command, bufsize=0, **pipe) as process:  # type: ignore[call-overload]
        said: IO[bytes] = process.stdout or process.stderr
        try:
            while ready not in (line := said.readline().decode()):
                assert line, f"{command[0]} ended"
            os.set_blocking(said.fileno(), False)
            yield said
        finally:
            process.terminate()
