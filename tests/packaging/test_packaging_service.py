"""The installed service under a real systemd, with its whole sandbox: it starts, reads, is watched, and stops."""

from __future__ import annotations

import http.client
import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.built_package import ROOT, debian_package, variant
from tests.packaging.throwaway_box import AS_ITS_USER, Box, Running, throwaway_box, why_not
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
zone = "America/Denver"
[spool]
budget_octets = 50000000
[recordings]
budget_octets = 50000000
[console]
listen = "127.0.0.1:{port}"
[metrics]
listen = "127.0.0.1:{metrics}"
[fleet]
keys = "fleet.jwks"
attempts = 1
[[meters]]
name = "main"
url = "{meter}"
every = "10s"
expected_meter_id = "87654321"
cumulative_without_clock = true  # who knows whether this box has a battery clock
password_file = "credential:main"
"""
FLEET = """\
[agent]
agent_id = "{agent_id}"
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
PASSWORD = "correct horse battery staple\n"  # noqa: S105 - of nobody
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
PORT, METRICS = 18443, 18754  # of the network that the box shares


@pytest.fixture
def box(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with throwaway_box(tmp_path) as made:
        made.install(debian_package(tmp_path_factory))
        yield made


def test_it_runs_in_its_sandbox_is_watched_and_stops_in_good_order(
    box: Box, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with simulator("ntp") as ntp, meter("--scenario", "residential-tou", "--tcp", "0") as url:
        _configured(box, CONFIG.format(ntp=ntp, meter=url, port=PORT, metrics=METRICS))
        with box.booted() as running:
            start = running.cursor()
            running.run("systemctl", "enable", "mrsp.service")
            running.run("systemctl", "start", "mrsp-console.socket", "mrsp.service")  # ends when it has said READY=1
            running.await_line("mrsp.service", "is in the spool as 1; every check passed", cursor=start)
            _console_answers()
            _sandbox_is_as_expected(box, running)
            _udev_reads_the_rules(running)
            _tells_of_itself_as_the_page_says(running)
            _doctor_has_nothing_to_say(running)

            _is_restarted_when_it_hangs(running)
            _is_reloaded(box, running)

            newer = variant(debian_package(tmp_path_factory), tmp_path, "9.0.0")
            _goes_on_after_an_upgrade(running, newer)

            _goes_back_to_the_version_that_came_up(running)

            end = running.cursor()
            running.run("systemctl", "stop", "mrsp.service")
            assert running.await_line("mrsp.service", "Deactivated successfully", cursor=end)
            assert _shown(running, "Result") == "success"
            spool = running.run("stat", "-c", "%a %U", "/var/lib/mrsp/spool.sqlite").stdout
            assert spool == "600 mrsp\n"


def _configured(box: Box, configuration: str) -> None:
    box.write("/etc/mrsp/mrsp.toml", configuration)
    box.write("/etc/mrsp/main.password", "00000000", "600")
    box.write("/etc/mrsp/fleet.jwks", box.run("mrsp", "fleet", "key", "/root/fleet-key").stdout)
    box.mrsp("keys", "init", "--config", "/etc/mrsp/mrsp.toml")
    box.run(
        *AS_ITS_USER, "mrsp", "console", "user", "add", "olga", "--config", "/etc/mrsp/mrsp.toml", text=PASSWORD * 2
    )
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


def _tells_of_itself_as_the_page_says(running: Running) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    commands = re.search(r"```sh\n(journalctl .*?)```", page, re.DOTALL)
    assert commands is not None
    one_meter, grave, fields = (running.run("sh", "-c", line).stdout for line in commands[1].splitlines())
    assert "is in the spool as 1" in one_meter
    assert "is in the spool" not in grave
    entries = [json.loads(line) for line in fields.splitlines()]
    stored = next(entry for entry in entries if "is in the spool as 1" in entry["MESSAGE"])
    assert stored["MRSP_METER"] == "main"
    assert stored["MRSP_READING_ID"] in stored["MESSAGE"]
    with urllib.request.urlopen(f"http://127.0.0.1:{METRICS}/metrics", timeout=30) as answer:
        assert b'mrsp_reads_total{outcome="complete"}' in answer.read()


def _doctor_has_nothing_to_say(running: Running) -> None:
    command = [*AS_ITS_USER, "mrsp", "doctor", "--json"]
    told = json.loads(running.run(*command, check=False).stdout)
    assert [one for one in told["findings"] if one["level"] in {"warning", "fault"}] == []


def _goes_back_to_the_version_that_came_up(running: Running) -> None:
    running.run("sh", "-c", 'mkdir /root/north && cat >/root/north/mrsp.toml <<"EOF"\n' + FLEET + "EOF")
    key, bundle = "/root/fleet-key/fleet-key.pem", "/srv/north-7.bundle"
    running.run("mrsp", "fleet", "sign", "/root/north", "--number", "7", "--key", key, "--output", bundle)
    running.run(*AS_ITS_USER, "mrsp", "fleet", "install", bundle)
    start = running.cursor()
    running.run("systemctl", "restart", "mrsp.service")
    running.await_line("mrsp.service", "version 7 is on trial", cursor=start)
    running.run("systemctl", "kill", "--signal=KILL", "mrsp.service")  # whatever it is that ends it
    running.await_line("mrsp.service", "version 7 is taken back, version 0 is in force again", cursor=start)
    running.await_line("mrsp.service", "Started mrsp.service", cursor=start)
    status = running.run(*AS_ITS_USER, "mrsp", "fleet", "status", check=False)
    assert (status.returncode, "version 7 was taken back" in status.stdout) == (1, True)


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


def _is_reloaded(box: Box, running: Running) -> None:
    whole = running.run("cat", "/etc/mrsp/mrsp.toml").stdout
    box.write("/etc/mrsp/mrsp.toml", whole + "oops")
    assert running.run("systemctl", "reload", "mrsp.service", check=False).returncode != 0
    box.write("/etc/mrsp/mrsp.toml", whole)
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
