"""The units: what systemd itself says of them, and that they, the examples and the package agree with the program."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.bench.history import TESTS_FILE
from agent.config import load_config
from agent.console.settings import ConsoleSettings
from agent.inspections.store import INSPECTIONS_FILE
from agent.requests.store import REQUESTS_FILE
from agent.routes.store import ROUTES_FILE
from agent.scheduling.store import SCHEDULE_FILE
from drivers.pager.jobs_store import FILE as PAGER_FILE
from tests.packaging.built_package import ROOT

UNITS = ROOT / "systemd"
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing")


def _rated(unit: Path, threshold: int) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={threshold}", str(unit)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_systemd
def test_the_service_is_rated_at_most_1_5() -> None:
    rated = _rated(UNITS / "mrsp.service", 15)
    assert rated.returncode == 0, rated.stdout
    assert "Overall exposure level for mrsp.service: 1.3" in rated.stdout


@needs_systemd
@pytest.mark.parametrize(
    "example", ["network.conf", "kernel-clock.conf", "devices.conf", "credentials.conf", "places.conf"]
)
def test_a_drop_in_is_rated_as_it_says(example: str, tmp_path: Path) -> None:
    text = (UNITS / "examples" / example).read_text()
    said = re.search(r"rated (\d\.\d)", text)
    unit = tmp_path / "mrsp.service"
    unit.write_text((UNITS / "mrsp.service").read_text() + text)
    overall = _rated(unit, 100).stdout
    assert f"mrsp.service: {said[1] if said else '1.3'}" in overall


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for file in UNITS.glob("mrsp*.s*"):
        (tmp_path / file.name).write_text(file.read_text().replace("/usr/bin/mrsp", "/bin/true"))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, tmp_path.glob("mrsp*"))],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in checked.stderr.splitlines() if "mrsp" in line]
    assert (checked.returncode, ours) == (0, [])


def test_the_example_configuration_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "mrsp.toml"
    text = (ROOT / "packaging" / "mrsp.toml.example").read_text()
    file.write_text(text)
    assert load_config(file).settings.meters[0].url == "/dev/mrsp/probe0"
    whole = re.sub(r"(?m)^# (?=\[|\w+ = )", "", text)
    file.write_text(whole)
    settings = load_config(file).settings
    assert settings.forward is not None
    assert settings.console is not None


def test_the_socket_listens_where_the_console_does_by_default() -> None:
    assert f"ListenStream={ConsoleSettings().listen}\n" in (UNITS / "mrsp-console.socket").read_text()


def test_the_package_knows_every_database_with_its_schemas() -> None:
    lines = (ROOT / "packaging" / "debian" / "state-files").read_text().splitlines()
    listed = dict(line.split() for line in lines if not line.startswith("#"))
    assert set(listed) == {
        "spool.sqlite",
        SCHEDULE_FILE,
        REQUESTS_FILE,
        ROUTES_FILE,
        INSPECTIONS_FILE,
        PAGER_FILE,
        TESTS_FILE,
    }
    here = {str(file.parent.relative_to(ROOT)) for top in ("agent", "drivers") for file in (ROOT / top).rglob("*.sql")}
    assert set(listed.values()) == here


@pytest.mark.skipif(shutil.which("chronyd", path="/usr/sbin:/usr/bin") is None, reason="chrony is missing")
def test_chrony_reads_its_example() -> None:
    chronyd = shutil.which("chronyd", path="/usr/sbin:/usr/bin")
    assert chronyd is not None
    shown = subprocess.run(
        [chronyd, "-p", "-f", str(UNITS / "examples" / "chrony.conf")], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("iburst nts") == 3
