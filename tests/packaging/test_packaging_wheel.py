"""The wheel: the same octets from the same commit, and all that the program needs at run time in it."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.packaging.built_package import ROOT, wheel

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("git") is None, reason="scripts/wheel asks git what belongs to the tree"),
]


def _tracked() -> set[str]:
    """Return every file of the packages that is no Python, as git knows the tree."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "agent", "drivers", "firmware_profiles"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return {name for name in names if (ROOT / name).is_file()}


def test_two_builds_are_the_same_octets_and_complete(tmp_path: Path) -> None:
    first = wheel(tmp_path / "one", SOURCE_DATE_EPOCH="1700000000", PYTHONHASHSEED="1", TZ="Asia/Tokyo")
    second = wheel(tmp_path / "two", SOURCE_DATE_EPOCH="1700000000", PYTHONHASHSEED="2", TZ="UTC")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as content:
        names = set(content.namelist())
        assert content.getinfo("agent/service.py").date_time == (2023, 11, 14, 22, 13, 20)
        metadata = content.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    missing = _tracked() - names
    assert not missing
    assert {"agent/py.typed", "drivers/py.typed", "agent/spool_schemas/001_chain_and_documents.sql"} <= names
    assert "Provides-Extra: console" in metadata
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests/", "scripts/"))]
