"""The life of the package on a box: installed, used, upgraded, not downgraded past its state, removed, purged."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.built_package import debian_package, variant
from tests.packaging.test_packaging_docs import commands
from tests.packaging.throwaway_box import AS_ITS_USER, DPKG, Box, throwaway_box, why_not
from tests.system.world import meter, simulator

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(300),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]

CONFIG = """\
[agent]
agent_id = "gw-0001"
[[meters]]
name = "main"
url = "tcp://127.0.0.1:1"
password_file = "main.password"
"""
KEPT = ("/var/lib/mrsp/keys/device-key.pem", "/etc/mrsp/mrsp.toml", "/etc/mrsp/main.password")
VERSION = ("dpkg-query", "--show", "--showformat=${Version} ${Status}", "mrsp")
SCHEMA = "import sqlite3; sqlite3.connect('/var/lib/mrsp/spool.sqlite').execute('PRAGMA user_version = 4')"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return debian_package(tmp_path_factory)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with throwaway_box(tmp_path) as made:
        yield made


def _configured(box: Box) -> None:
    box.write("/etc/mrsp/mrsp.toml", CONFIG)
    box.write("/etc/mrsp/main.password", "00000000", "600", "mrsp")


def _digests(box: Box) -> str:
    return box.run("sha256sum", *KEPT).stdout


def test_what_is_in_the_package(package: Path) -> None:
    listed = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    lines = [line.split(maxsplit=5) for line in listed.splitlines()]
    names = {line[5].removeprefix(".") for line in lines}
    assert {owner for _, owner, *_ in lines} == {"root/root"}
    assert {mode for mode, *_ in lines} == {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"}
    site = "/usr/lib/mrsp/lib/python3.11/site-packages"
    assert {f"{site}/agent/service.py", f"{site}/msgspec/", f"{site}/starlette/", f"{site}/pymodbus/"} <= names
    assert f"{site}/agent/__pycache__/service.cpython-311.pyc" in names
    assert not [name for name in names if name.startswith((f"{site}/metersim/", f"{site}/pip/", f"{site}/bin/"))]
    assert {"/usr/bin/mrsp", "/usr/lib/systemd/system/mrsp.service", "/etc/mrsp/mrsp.toml.example"} <= names
    assert package.stat().st_size < 20_000_000


def test_it_is_installed_used_upgraded_not_downgraded_removed_and_purged(
    package: Path, box: Box, tmp_path: Path
) -> None:
    box.install(variant(package, tmp_path, "0.0.9"))
    _is_as_installed(box)
    _is_set_up_as_the_page_says(box)
    _configured(box)
    before = _digests(box)
    _reads_a_meter(box)

    assert "(0.0.9)" in box.install(package).stdout
    assert box.run("systemctl", "is-enabled", "mrsp.service").stdout == "enabled\n"
    installed = box.run(*VERSION).stdout

    # A later version has been here.
    box.run(*AS_ITS_USER, "/usr/bin/python3.11", "-c", SCHEMA)
    refused = box.install(variant(package, tmp_path, "0.0.7", spool="3"), check=False)
    assert refused.returncode != 0
    assert "/var/lib/mrsp/spool.sqlite has schema 4, and this version knows 3 and older" in refused.stderr
    assert "Nothing was changed." in refused.stderr
    assert box.run(*VERSION).stdout == installed
    assert _takes_the_place(box, variant(package, tmp_path, "0.0.8", spool="4"))
    assert not box.run("find", "/var/lib/mrsp", "!", "-user", "mrsp").stdout

    assert "stay in /var/lib/mrsp" in box.run(*DPKG, "--remove", "mrsp").stderr
    assert box.run("ls", "/usr/lib/mrsp", "/usr/bin/mrsp", check=False).stdout == ""
    assert "/var/lib/mrsp was left" in box.run(*DPKG, "--purge", "mrsp").stderr
    assert box.run("find", "/etc/systemd/system", "-name", "mrsp*").stdout == ""
    assert _digests(box) == before


def _takes_the_place(box: Box, package: Path) -> bool:
    """Return whether a package would let dpkg unpack it over the one that is there."""
    tree = package.with_suffix(".control")
    subprocess.run(["dpkg-deb", "--control", package, tree], check=True, timeout=60)
    box.write("/root/preinst", (tree / "preinst").read_text(), "755")
    return box.run("/root/preinst", "upgrade", "9.0.0", check=False).returncode == 0


def _is_set_up_as_the_page_says(box: Box) -> None:
    for command in commands("Set it up") + commands("The console's port"):
        if not command.startswith(("systemctl status", "journalctl")):  # there is no systemd yet
            box.run("sh", "-ec", command)
    assert box.run("systemctl", "is-enabled", "mrsp.service").stdout == "enabled\n"


def _is_as_installed(box: Box) -> None:
    assert box.run("stat", "-c", "%a %U %G", "/var/lib/mrsp", "/etc/mrsp").stdout == "700 mrsp mrsp\n750 root mrsp\n"
    assert {"dialout", "plugdev"} <= set(box.run("id", "-nG", "mrsp").stdout.split())
    assert re.fullmatch(r"mrsp \d+\.\d+\.\d+\S*\n", box.mrsp("--version").stdout)
    assert box.run("systemctl", "is-enabled", "mrsp.service", check=False).stdout == "disabled\n"
    assert not box.run("dpkg", "--verify", "mrsp").stdout
    assert box.run("systemd-analyze", "verify", "mrsp.service", "mrsp-console.socket").stderr == ""


def _reads_a_meter(box: Box) -> None:
    assert "The configuration is valid." in box.mrsp("config", "check", "/etc/mrsp/mrsp.toml").stdout
    with simulator("ntp") as ntp, meter("--scenario", "residential-tou", "--tcp", "0") as url:
        read = box.mrsp("read", url, "--ntp", ntp, "--password-file", "/etc/mrsp/main.password", "--no-questions")
    assert json.loads(read.stdout)["registers"]
