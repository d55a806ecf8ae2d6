"""The installed service under a real systemd, with its whole sandbox: it starts, reads, is watched, and stops."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.built_package import debian_package, variant
from tests.packaging.throwaway_box import Box, Running, throwaway_box, why_not
from tests.system.world import meter, simulator

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(300),
    pytest.mark.skipif(why_not(boots=True) is not None, reason=str(why_not(boots=True))),
]

CONFIG = """\
[agent]
agent_id = "gw-0001"
[clock]
sources = []
ntp = ["{ntp}"]
[console]
listen = "127.0.0.1:{port}"
[[meters]]
name = "main"
url = "{meter}"
every = "10s"
password_file = "credential:main"
"""
DROP_IN = """\
[Service]
LoadCredential=main:/etc/mrsp/main.password
WatchdogSec=3s
RestartSec=100ms
"""
SOCKET = """\
[Socket]
ListenStream=
ListenStream=127.0.0.1:{port}
"""
# What can be opened from within the sandbox; the nodes are those of a serial line, a USB device, and the kernel's log.
LOOK = """\
import ctypes, os, socket
for node in ("ttyS0", "usb", "kmsg"):
    try:
        os.close(os.open(f"/srv/{node}", os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY))
        print("LOOK", node, "open")
    except OSError as error:
        print("LOOK", node, "refused" if error.errno == 1 else "open")
ctypes.CFUNCTYPE(None)(lambda: None)
for family in ("AF_NETLINK", "AF_PACKET"):
    try:
        socket.socket(getattr(socket, family), socket.SOCK_RAW).close()
        print("LOOK", family, "open")
    except OSError:
        print("LOOK", family, "refused")
for path in ("/etc/mrsp/mrsp.toml", "/proc/sys/kernel/random/boot_id", "/proc/1/comm", "/etc/shadow"):
    print("LOOK", path, "open" if os.access(path, os.R_OK) else "refused")
print("LOOK done")
"""
EXPECTED = {
    "ttyS0": "open",
    "usb": "open",
    "kmsg": "refused",
    "AF_NETLINK": "open",  # a USB radio is found through it
    "AF_PACKET": "refused",
    "/etc/mrsp/mrsp.toml": "open",
    "/proc/sys/kernel/random/boot_id": "open",  # holdover across restarts needs it
    "/proc/1/comm": "refused",
    "/etc/shadow": "refused",
}
PORT = 18443  # of the network that the box shares


@pytest.fixture
def box(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with throwaway_box(tmp_path) as made:
        made.install(debian_package(tmp_path_factory))
        yield made


def test_it_runs_in_its_sandbox_is_watched_and_stops_in_good_order(
    box: Box, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with simulator("ntp") as ntp, meter("--scenario", "residential-tou", "--tcp", "0") as url:
        _configured(box, CONFIG.format(ntp=ntp, meter=url, port=PORT))
        with box.booted() as running:
            start = running.cursor()
            running.run("systemctl", "start", "mrsp-console.socket", "mrsp.service")  # ends when it has said READY=1
            running.await_line("mrsp.service", "is in the spool as 1; every check passed", cursor=start)
            _console_answers()
            _sandbox_is_as_expected(box, running)
            _udev_reads_the_rules(running)

            _is_restarted_when_it_hangs(running)
            _is_reloaded(running)

            newer = variant(debian_package(tmp_path_factory), tmp_path, "9.0.0")
            _goes_on_after_an_upgrade(running, newer)

            end = running.cursor()
            running.run("systemctl", "stop", "mrsp.service")
            assert running.await_line("mrsp.service", "Deactivated successfully", cursor=end)
            assert _shown(running, "Result") == "success"
            spool = running.run("stat", "-c", "%a %U", "/var/lib/mrsp/spool.sqlite").stdout
            assert spool == "600 mrsp\n"


def _configured(box: Box, configuration: str) -> None:
    box.write("/etc/mrsp/mrsp.toml", configuration)
    box.write("/etc/mrsp/main.password", "00000000", "600")
    box.mrsp("keys", "init", "--config", "/etc/mrsp/mrsp.toml")
    box.write("/etc/systemd/system/mrsp.service.d/test.conf", DROP_IN)
    box.write("/etc/systemd/system/mrsp-console.socket.d/test.conf", SOCKET.format(port=PORT))
    nodes = "ttyS0 c 4 64", "usb c 189 0", "kmsg c 1 11"
    made = " && ".join(f"mknod -m 660 /srv/{node}" for node in nodes)
    box.run("sh", "-c", f"{made} && chgrp dialout /srv/*")
    unit = box.run("cat", "/usr/lib/systemd/system/mrsp.service").stdout
    unit = re.sub(r"(?m)^(ExecReload|Restart|WatchdogSec)=.*\n", "", unit).replace("Type=notify", "Type=oneshot")
    unit = re.sub(r"(?m)^ExecStart=.*", "ExecStart=/usr/lib/mrsp/bin/python /srv/look.py", unit)
    box.write("/etc/systemd/system/look.service", unit)
    box.write("/srv/look.py", LOOK)


def _sandbox_is_as_expected(box: Box, running: Running) -> None:
    start = running.cursor()
    running.run("systemctl", "start", "look.service")
    running.await_line("look.service", "LOOK done", cursor=start)
    told = running.run("journalctl", "--unit=look.service", "--output=cat").stdout
    found = dict(line.split()[1:] for line in told.splitlines() if line.startswith("LOOK ") and line != "LOOK done")
    assert found == EXPECTED


def _udev_reads_the_rules(running: Running) -> None:
    told = running.run("udevadm", "test", "/sys/class/tty/ttyS0", check=False)
    rules = [line for line in (told.stdout + told.stderr).splitlines() if "61-mrsp-probes.rules" in line]
    assert [line.partition(":")[0] for line in rules] == ["Reading rules file"]


def _console_answers() -> None:
    """The socket is systemd's, the answer the agent's."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
    connection.request("GET", "/")
    assert connection.getresponse().status in {200, 303}
    connection.close()


def _is_restarted_when_it_hangs(running: Running) -> None:
    start, process = running.cursor(), _shown(running, "MainPID")
    running.run("kill", "-STOP", process)
    running.await_line("mrsp.service", "Watchdog timeout", cursor=start)
    running.await_line("mrsp.service", "Started mrsp.service", cursor=start)
    assert _shown(running, "MainPID") != process


def _is_reloaded(running: Running) -> None:
    process = _shown(running, "MainPID")
    running.run("systemctl", "reload", "mrsp.service")
    while _shown(running, "ActiveState") == "reloading":  # until it says READY=1 again
        pass
    assert (_shown(running, "ActiveState"), _shown(running, "MainPID")) == ("active", process)


def _goes_on_after_an_upgrade(running: Running, newer: Path) -> None:
    start = running.cursor()
    running.run("dpkg", "--force-unsafe-io", "--no-triggers", "--install", str(running.brought(newer)))
    running.await_line("mrsp.service", "Stopped mrsp.service", cursor=start)
    assert _shown(running, "ActiveState") == "active"


def _shown(running: Running, name: str) -> str:
    return running.run("systemctl", "show", "--value", f"--property={name}", "mrsp.service").stdout.strip()
