"""What is installed is known and locked: every dependency at one version, by hashes, listed in a bill of materials."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "requirements"
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
SETS: dict[str, list[str]] = {
    "core": PROJECT["project"]["dependencies"],
    "gateway": PROJECT["project"]["dependencies"] + EXTRAS["modbus"] + EXTRAS["pager"],
    "all": PROJECT["project"]["dependencies"] + [text for extra in EXTRAS.values() for text in extra],
    "build": PROJECT["build-system"]["requires"],
}
STALE = "the lock is older than pyproject.toml: run scripts/lock"


@cache
def locked(name: str) -> dict[str, tuple[Requirement, int]]:
    """Return what a lock holds, by package: its requirement, and how many hashes it has."""
    found: dict[str, tuple[Requirement, int]] = {}
    text = (LOCKS / f"{name}.txt").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            requirement = Requirement(HASH.sub("", line).strip())
            found[canonicalize_name(requirement.name)] = (requirement, len(HASH.findall(line)))
    return found


@pytest.mark.parametrize("name", SETS)
def test_every_package_is_locked_at_one_version_by_hashes(name: str) -> None:
    assert locked(name)
    for requirement, hashes in locked(name).values():
        assert [one.operator for one in requirement.specifier] == ["=="], requirement
        assert requirement.url is None
        assert hashes >= 1, requirement
    text = (LOCKS / f"{name}.txt").read_text()
    assert "file:" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("name", SETS)
def test_the_lock_is_as_new_as_what_it_is_made_from(name: str) -> None:
    for text in SETS[name]:
        asked = Requirement(text)
        if asked.name == PROJECT["project"]["name"]:
            continue  # extras of our own
        found = locked(name).get(canonicalize_name(asked.name))
        assert found is not None, f"{asked.name}: {STALE}"
        (pinned,) = found[0].specifier
        assert asked.specifier.contains(pinned.version, prereleases=True), f"{asked}: {STALE}"


@pytest.mark.parametrize("name", SETS)
def test_what_a_locked_package_needs_is_locked_too(name: str) -> None:
    """Of those that are installed here at the locked version; the others are looked at where they are."""
    extras = {str(canonicalize_name(Requirement(text).name)): Requirement(text).extras for text in SETS[name]}
    for package, (requirement, _) in locked(name).items():
        try:
            (pinned,) = requirement.specifier
            needs = requires(package) or [] if version(package) == pinned.version else []
        except PackageNotFoundError:
            continue
        for need in map(Requirement, needs):
            wanted = {"", *extras.get(package, ())}
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in wanted):
                assert canonicalize_name(need.name) in locked(name), f"{package} needs {need}: {STALE}"


def test_the_bill_of_materials_names_what_is_installed_and_fits_its_schema() -> None:
    pytest.importorskip("cyclonedx_py", reason="the extra `supply` is not installed")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    script = (ROOT / "scripts" / "sbom").read_text()
    options = re.search(r"cyclonedx-py (environment .*)\"\$\{1", script.replace("\\\n", " "))
    assert options is not None
    command = [
        sys.executable,
        "-m",
        "cyclonedx_py",
        *options[1].replace("--validate", "--no-validate").split(),
        sys.executable,
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert bill["metadata"]["component"]["name"] == "mrsp-agent"
    named = {str(canonicalize_name(part["name"])): part["version"] for part in bill["components"]}
    for package in locked("core"):
        if package in named:
            assert named[package] == version(package)
    for text_ in SETS["core"]:
        assert canonicalize_name(Requirement(text_).name) in named
    assert all(part["version"] for part in bill["components"])
    assert str(ROOT) not in text
