"""Every command that docs/install.md tells a person to type is run: here, in the tests named, or in scripts/."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.built_package import ROOT
from tests.packaging.throwaway_box import Box, throwaway_box, why_not

needs_a_box = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

ELSEWHERE = {
    "scripts/deb": "test_packaging_life",
    "scripts/wheel": "test_packaging_wheel",
    "dpkg --remove mrsp": "test_packaging_life",
    "dpkg --purge mrsp": "test_packaging_life",
    "systemctl enable mrsp": "test_packaging_life",
    "systemctl status mrsp": "shows only",
    "journalctl -u mrsp -f": "shows only",
}
HEAVY = re.compile(r"scripts/deb arm64|apt install |pipx install |uv tool install |python3 -m venv |/opt/mrsp/bin/pip ")


def commands(heading: str | None = None) -> list[str]:
    """Return the commands of the page, or of one part of it."""
    text = (ROOT / "docs" / "install.md").read_text()
    if heading is not None:
        text = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with throwaway_box(tmp_path) as made:
        yield made


def test_no_command_is_run_by_nobody() -> None:
    here = commands("From the wheel")
    by_life = commands("Set it up") + commands("The console's port")
    left = [one for one in commands() if one not in {*here, *by_life, *ELSEWHERE} and not HEAVY.match(one)]
    assert not left
    script = (ROOT / "scripts" / "deb-check").read_text()
    for heavy in ("scripts/deb", "uv tool install", "-m venv", "--require-hashes"):
        assert heavy in script


@needs_a_box
def test_the_files_for_an_environment_of_ones_own_work(box: Box) -> None:
    box.run("ln", "-s", str(ROOT), "/checkout")
    box.write("/opt/mrsp/bin/mrsp", "#!/bin/sh\n", "755")
    run = [one for one in commands("From the wheel") if one != "scripts/wheel" and not HEAVY.match(one)]
    assert len(run) == 7
    for command in run:
        box.run("sh", "-ec", f"cd /checkout && {command}")
    assert box.run("stat", "-c", "%a %U", "/var/lib/mrsp").stdout == "700 mrsp\n"
    checked = box.run("systemd-analyze", "verify", "--man=no", "mrsp.service", check=False)
    assert "mrsp" not in checked.stderr


def test_the_page_says_what_systemd_says() -> None:
    text = (ROOT / "docs" / "install.md").read_text()
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(ROOT / "systemd" / "mrsp.service")],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    said = re.search(r"rates the unit (\d\.\d)", text)
    assert said is not None
    assert f"mrsp.service: {said[1]}" in rated
