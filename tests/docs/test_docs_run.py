"""The console blocks of the pages, typed as they stand against simulated meters, a real chronyd and recordings.

What a block names that is not here (a port, a host, the directories of an installed box) is put in its place first, by
the table in `world`. A command that is not typed here says why, and where it is tried instead.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from metersim.pki import Pki, issue_certificate
from tests.docs.pages import PAGES, ROOT, Typed, typed
from tests.forwarding.forwarding_kit import free_port
from tests.system.world import metersim, simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

PACKAGING = "installs on the system: tests/packaging"
NOT_TYPED = {
    "scripts/demo": "the newcomer's first command; its parts: tests/system",
    "scripts/test": "this is it",
    "python3 -m venv /opt/mrsp && /opt/mrsp/bin/pip install .": PACKAGING,
    "ln -s /opt/mrsp/bin/mrsp /usr/local/bin/mrsp": PACKAGING,
    "pip install 'mrsp-agent[console]'": PACKAGING,
    "mrsp listen radio --seconds 600": "needs a dongle: tests/system/test_system_radio_service.py",
    "mrsp listen radio --plan plan.csv --seconds 600": "the same",
    "mrsp listen radio --plan plan.csv --seconds 600 --gpsd localhost": "the same",
    "mrsp explain 0193… 'kWh delivered total' --config mrsp.toml": "tests/provenance/test_provenance_command.py",
    "mrsp keys init --config /etc/mrsp/mrsp.toml --pkcs11-module /usr/lib/softhsm/libsofthsm2.so --token mrsp"
    " --pin-file /etc/mrsp/pin": "tests/identity/test_identity_token.py",
}
ELSEWHERE = {  # pages whose commands have a test of their own
    "console-api.md": "tests/console/test_console_api_document.py",
    "disaster-recovery.md": "tests/system/test_system_recovery.py",
    "fleet.md": "tests/fleet/test_fleet_docs.py",
    "install.md": "tests/packaging/test_packaging_docs.py",
    "laboratory.md": "tests/metersim/test_lab_manual.py",
    "operations.md": "tests/packaging/test_packaging_service.py",
    "releasing.md": "tests/packaging/test_packaging_release.py",
}
METER = """\
use = ["residential-tou"]
installed = {installed}
[identity]
meter_id = "10012345"
[psem]
read_level = 0
[clock]
offset_s = {offset_s}
"""
CONFIG = """\
[agent]
agent_id = "gw-0001"
state_directory = "state"
[keys]
mdsp = "pki/mdsp.jwks"
[[meters]]
name = "main"
url = "{url}"
password_file = "meter.password"
[console]
certificate = "pki/broker.crt"
key = "pki/broker.key"
"""
PLAN = """\
meter_id,message,commodity,multiplier,unit,dials,last_reading,service_delivery_point_id
12345678,scm,electric,1,kWh,5,1000,SDP-1
0041234,pager,electric,1,kWh,5,1000,SDP-2
"""
PASSWORDS = {"meter.password": "00000000", "write.password": "11111111"}  # the simulated meters'


@dataclass(frozen=True, slots=True)
class World:
    """A directory to type in, and what stands for what is not here."""

    directory: Path
    instead: dict[str, str]

    def typed(self, text: str) -> subprocess.CompletedProcess[str]:
        for told, here in self.instead.items():
            text = text.replace(told, here)
        path = f"{self.directory}/bin:{Path(sys.executable).parent}:/usr/sbin:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", text],
            cwd=self.directory,
            env={**os.environ, "PATH": path},
            input="correct horse battery staple\n" * 2,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("pages")
    installed = f"{datetime.now(UTC) - timedelta(days=60):%Y-%m-%d}"
    for name, offset_s in (("probe", 20), ("network", 1)):
        (directory / f"{name}.toml").write_text(METER.format(installed=installed, offset_s=offset_s))
    for name, password in PASSWORDS.items():
        (directory / name).touch(mode=0o600)
        (directory / name).write_text(password)
    (directory / "plan.csv").write_text(PLAN)
    (directory / "channel.raw").write_bytes(bytes(44_100))
    metersim("pki", str(directory / "pki"), "--agent", "gw-0001")
    with ExitStack() as stack:
        ntp = stack.enter_context(simulator("ntp"))
        probe = stack.enter_context(simulator("meter", "--pty", "--scenario", str(directory / "probe.toml")))
        network = stack.enter_context(simulator("meter", "--tcp", "0", "--scenario", str(directory / "network.toml")))
        (directory / "mrsp.toml").write_text(CONFIG.format(url=network))
        stack.enter_context(_chrony(directory, ntp))
        yield World(
            directory,
            {
                "sudo -u mrsp ": "",
                "/etc/mrsp/mrsp.toml": "mrsp.toml",
                "/dev/ttyUSB0": probe,
                "tcp://10.0.0.5:4001": network,
                "time.nist.gov": ntp,
                " --gpsd localhost": "",
                "mrsp console user add j.doe": "mrsp console user add j.doe --config mrsp.toml",
                "mrsp console user add olga": "mrsp console user add olga --config mrsp.toml",
                "mrsp console url": "mrsp console url --config mrsp.toml",
            },
        )


@contextmanager
def _chrony(directory: Path, ntp: str) -> Iterator[None]:
    """Run a chronyd that follows `ntp` and leaves this box's clock alone, and a `chronyc` that asks it."""
    host, _, port = ntp.rpartition(":")
    command_port = free_port()
    (directory / "chrony.conf").write_text(
        f"server {host} port {port} minpoll -2 maxpoll 0\nport 0\ncmdport {command_port}\nbindcmdaddress 127.0.0.1\n"
        f"bindcmdaddress /\npidfile {directory}/chronyd.pid\nuser {pwd.getpwuid(os.getuid()).pw_name}\n"
    )
    asks = [str(shutil.which("chronyc")), "-h", "127.0.0.1", "-p", str(command_port)]
    wrapper = directory / "bin" / "chronyc"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(asks)} "$@"\n')
    wrapper.chmod(0o755)
    chronyd = shutil.which("chronyd", path="/usr/sbin:/sbin:/usr/bin")
    assert chronyd is not None
    with subprocess.Popen(
        [chronyd, "-x", "-U", "-d", "-f", str(directory / "chrony.conf")], stderr=subprocess.PIPE, text=True
    ) as daemon:
        try:
            assert daemon.stderr is not None
            next(line for line in daemon.stderr if "Selected source" in line)
            yield
        finally:
            daemon.terminate()
            daemon.communicate()


def _sign(directory: Path) -> None:
    """Do what the CA does between two commands of the page."""
    request = x509.load_pem_x509_csr((directory / "device.csr").read_bytes())
    pki = Pki(directory / "pki")
    certificate = issue_certificate(pki, "gw-0001", request.public_key(), now=datetime.now(UTC))
    (directory / "device-cert.pem").write_bytes(certificate)


BEFORE: dict[str, Callable[[Path], None]] = {"mrsp keys import": _sign}


def pages() -> list[tuple[str, list[Typed]]]:
    """Return the commands of each page's blocks that are typed here."""
    found = []
    for page in PAGES:
        commands = [one for one in typed() if one.page == page and one.block and page.name not in ELSEWHERE]
        commands = [one for one in commands if _without_remark(one.text) not in NOT_TYPED]
        if commands:
            found.append((page.name, commands))
    return found


def _without_remark(text: str) -> str:
    return re.sub(r"\s+#.*", "", text)


@pytest.mark.parametrize("commands", [pytest.param(commands, id=name) for name, commands in pages()])
def test_the_commands_of_a_page(world: World, commands: list[Typed]) -> None:
    for command in commands:
        for begins, happens in BEFORE.items():
            if command.text.startswith(begins):
                happens(world.directory)
        done = world.typed(command.text)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr, f"{command}\n{done.stderr}"


def test_what_is_tried_elsewhere_is_there() -> None:
    assert [path for path in ELSEWHERE.values() if not (ROOT / path).is_file()] == []
    texts = {_without_remark(one.text) for one in typed() if one.block}
    assert sorted(NOT_TYPED.keys() - texts) == []
