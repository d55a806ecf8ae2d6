"""A gateway to measure: a configuration for `mrsp run` with three meters, a real mosquitto, and the MDSP."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.forwarding.forwarding_kit import AGENT, free_port
from tests.system.mosquitto import BY_CERTIFICATE, MOSQUITTO, mosquitto_conf
from tests.system.world import metersim

DAY_S = 86_400
NEVER_S = DAY_S // 2  # from now: no visit while we measure

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
"""
METER = """
[[meters]]
name = "{name}"
url = "{url}"
every = "1d"
at = "{at_s}s"
password_file = "meter.password"
{more}"""


@dataclass(frozen=True, slots=True)
class Meter:
    """A configured meter, due for its daily visit in `due_in_s`."""

    url: str
    due_in_s: int = NEVER_S
    more: str = ""  # lines of its section


@dataclass
class Gateway:
    """The gateway's directory. Nothing runs until it is asked for."""

    directory: Path
    port: int

    @classmethod
    def create(cls, directory: Path, *, ntp: str, meters: list[Meter]) -> Gateway:
        """Write the configuration and everything that it names."""
        port = free_port()
        metersim("pki", str(directory / "pki"), "--agent", AGENT)
        secret = directory / "meter.password"
        secret.touch(mode=0o600)
        secret.write_text("00000000")
        now_s = int(datetime.now(UTC).timestamp())
        text = CONFIG.format(agent=AGENT, ntp=ntp, port=port)
        for number, meter in enumerate(meters, start=1):
            at_s = (now_s + meter.due_in_s) % DAY_S
            text += METER.format(name=f"meter{number}", url=meter.url, at_s=at_s, more=meter.more)
        (directory / "mrsp.toml").write_text(text)
        return cls(directory, port)

    @property
    def config(self) -> Path:
        return self.directory / "mrsp.toml"

    @contextmanager
    def broker(self) -> Iterator[Iterator[str]]:
        """Run mosquitto; yield what it logs from then on."""
        file = self.directory / "mosquitto.conf"
        file.write_text(mosquitto_conf(self.directory / "pki", self.port, BY_CERTIFICATE, "log_type all"))
        with subprocess.Popen([MOSQUITTO, "-c", str(file)], stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            with collected(process.stderr) as log:
                try:
                    wait_for(log, "running")
                    yield log
                finally:
                    process.terminate()

    @contextmanager
    def mdsp(self) -> Iterator[Iterator[dict[str, Any]]]:
        """Run the reference MDSP; yield its events as they happen."""
        command = [sys.executable, "-m", "metersim", "mdsp", str(self.directory / "pki")]
        command += ["--broker", f"localhost:{self.port}", "--store", str(self.directory / "mdsp.db")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                wait_for(process.stdout, "ready")
                yield map(json.loads, process.stdout)
            finally:
                process.terminate()

    @contextmanager
    def agent(self) -> Iterator[subprocess.Popen[str]]:
        """Run `mrsp run`; yield it when it says that it is ready, as it does to systemd."""
        command = [str(Path(sys.executable).with_name("mrsp")), "run", "--config", str(self.config)]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            address = f"mrsp-benchmark-{os.getpid()}"
            notified.bind(f"\0{address}")
            notified.settimeout(20)
            environment = {**os.environ, "NOTIFY_SOCKET": f"@{address}"}
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
                try:
                    assert notified.recv(100) == b"READY=1"
                    yield process
                finally:
                    process.terminate()


@contextmanager
def collected(lines: Iterator[str]) -> Iterator[Iterator[str]]:
    """Read `lines` to their end in the background, so that their writer never waits for us; yield them one by one."""
    read: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def collect() -> None:
        for line in lines:
            read.put(line)
        read.put(None)

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        yield iter(read.get, None)
    finally:
        collector.join()


def wait_for(lines: Iterator[str], text: str) -> None:
    """Read on until a line has `text` in it."""
    seen = []
    for line in lines:
        if text in line:
            return
        seen.append(line)
    raise AssertionError(f"ended without {text!r}:\n{''.join(seen)}")


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in megabytes of 1,048,576 octets, shared pages included."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
