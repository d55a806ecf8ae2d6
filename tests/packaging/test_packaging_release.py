"""`scripts/release` and `scripts/version`, in a tree of their own: what is not ready is refused."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.built_package import ROOT

pytestmark = pytest.mark.skipif(
    None in {shutil.which("git"), shutil.which("dpkg-deb")}, reason="a version is a tag of git, and built into packages"
)

CHANGELOG = """\
# Changelog

## [Unreleased]

## [0.2.0] - 2027-01-31

### Added
- A thing.

### Upgrade notes
- Nothing is to be done.

## [0.1.0] - 2026-12-01

### Upgrade notes
- The first one.
"""
# In the place of what takes minutes.
WHEEL = '#!/bin/sh\n: >"$1/mrsp_agent-0.2.0-py3-none-any.whl"\n'
DEB = """\
#!/bin/sh
tree=$MRSP_OUT/tree
mkdir -p "$tree/DEBIAN"
printf 'Package: mrsp\\nVersion: 0.2.0\\nArchitecture: %s\\n' "$1" >"$tree/DEBIAN/control"
printf 'Maintainer: nobody\\nDescription: none\\n' >>"$tree/DEBIAN/control"
dpkg-deb --build "$tree" "$MRSP_OUT/mrsp_0.2.0_$1.deb" >&2
rm -r "$tree"
echo "$MRSP_OUT/mrsp_0.2.0_$1.deb"
"""
SBOM = '#!/bin/sh\necho "{}"\n'


class Tree:
    """A checkout with what the two scripts look at."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.write("pyproject.toml", '[project]\nname = "mrsp-agent"\nversion = "0.2.0"\n')
        self.write("CHANGELOG.md", CHANGELOG)
        self.write(".gitignore", "dist/\n")
        for name, text in (("wheel", WHEEL), ("deb", DEB), ("sbom", SBOM)):
            self.write(f"scripts/{name}", text)
        for name in ("release", "version"):
            shutil.copy(ROOT / "scripts" / name, directory / "scripts" / name)
        for script in (directory / "scripts").iterdir():
            script.chmod(0o755)
        self.git("init", "--quiet")
        self.commit()

    def write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def git(self, *words: str) -> None:
        who = {f"GIT_{who}_{what}": "a@b.invalid" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        when = {"GIT_COMMITTER_DATE": "2027-01-31T12:34:56Z"}
        subprocess.run(["git", *words], cwd=self.directory, env={**os.environ, **who, **when}, check=True)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a change")

    def tag(self, name: str = "v0.2.0") -> None:
        self.git("tag", "--annotate", name, "--message", name)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [f"scripts/{words[0]}", *words[1:]], cwd=self.directory, capture_output=True, text=True, check=False
        )

    def refused(self) -> list[str]:
        """Return what is not ready."""
        done = self.run("release", "0.2.0", "--dry-run")
        assert not (self.directory / "dist").exists()
        assert (done.returncode, done.stdout) == (1, "")
        return [line.strip() for line in done.stderr.splitlines()[1:]]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_a_version_is_its_tag_and_all_else_comes_before_it(tree: Tree) -> None:
    assert tree.run("version").stdout == "0.2.0.dev20270131123456\n"
    tree.git("tag", "v0.2.0")  # a light one says neither who nor when
    assert tree.run("version").stdout == "0.2.0.dev20270131123456\n"
    tree.git("tag", "--delete", "v0.2.0")
    tree.tag()
    assert tree.run("version").stdout == "0.2.0\n"
    tree.write("new", "")
    assert tree.run("version").stdout == "0.2.0.dev20270131123456\n"
    tree.commit()
    assert tree.run("version").stdout == "0.2.0.dev20270131123456\n"


def test_all_that_is_not_ready_is_named_at_once(tree: Tree) -> None:
    text = CHANGELOG.replace("## [0.2.0] - 2027-01-31", "## [0.2.0]").replace("- Nothing is to be done.", "")
    tree.write("CHANGELOG.md", text.replace("## [Unreleased]\n", "## [Unreleased]\n- Not yet told.\n"))
    tree.write("pyproject.toml", 'version = "0.1.0"\n')
    assert [re.sub(r": .*", "", line) for line in tree.refused()] == [
        "the tree has changes that are in no commit",
        "pyproject.toml says version 0.1.0",
        'CHANGELOG.md has no line "## [0.2.0] - YEAR-MONTH-DAY"',
        'CHANGELOG.md says nothing under "### Upgrade notes" of 0.2.0; if there is nothing to do, that',
        "CHANGELOG.md has entries under [Unreleased]",
        "there is no annotated tag v0.2.0",
    ]


def test_a_tag_of_another_commit_or_a_later_version_is_refused(tree: Tree) -> None:
    tree.tag("v0.10.0rc1")
    tree.tag()
    tree.commit()
    assert tree.refused() == ["the tag v0.2.0 is of another commit", "there is a later version: v0.10.0rc1"]


def test_a_schema_that_was_released_stays_as_it_was(tree: Tree) -> None:
    tree.write("schemas/001_first.sql", "CREATE TABLE a (b);\n")
    tree.commit()
    tree.tag("v0.1.0")
    tree.write("schemas/002_second.sql", "CREATE TABLE c (d);\n")
    tree.commit()
    tree.tag()
    assert tree.run("release", "0.2.0", "--dry-run").returncode == 0
    tree.write("schemas/001_first.sql", "CREATE TABLE a (b, e);\n")
    tree.commit()
    tree.git("tag", "--delete", "v0.2.0")
    tree.tag()
    said = "schemas/001_first.sql is part of v0.1.0 and has changed since: restore it, and add the next number"
    assert tree.refused() == [said]


def test_a_candidate_is_no_later_version(tree: Tree) -> None:
    for name in ("v0.1.0", "v0.2.0rc1", "v0.2.0"):
        tree.tag(name)
    done = tree.run("release", "0.2.0", "--dry-run")
    assert (done.returncode, done.stdout) == (0, "0.2.0 is ready; nothing was built\n")
    assert not (tree.directory / "dist").exists()


@pytest.mark.parametrize("words", [[], ["0.2"], ["v0.2.0"], ["--all", "0.2.0"], ["0.2.0", "0.3.0"]])
def test_what_is_no_version_is_refused(tree: Tree, words: list[str]) -> None:
    done = tree.run("release", *words)
    assert (done.returncode, done.stderr.partition(":")[0]) == (2, "usage")


def test_what_is_built_is_whole_and_built_once(tree: Tree) -> None:
    tree.tag()
    done = tree.run("release", "0.2.0")
    assert (done.returncode, done.stdout) == (0, "dist/0.2.0\n"), done.stderr
    built = tree.directory / "dist" / "0.2.0"
    names = {path.name for path in built.iterdir()}
    page = (ROOT / "docs" / "releasing.md").read_text()
    listed = page.partition("| in `dist/0.2.0` |")[2].partition("\n\n")[0]
    assert names == {name for row in listed.splitlines() for name in re.findall(r"`([^`]+)`", row.split("|")[1:2][0])}
    sums = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=built, check=False)
    assert sums.returncode == 0
    assert len((built / "SHA256SUMS").read_text().splitlines()) == len(names) - 1
    notes = (built / "NOTES.md").read_text()
    assert notes.startswith("### Added\n- A thing.")
    assert "The first one" not in notes
    assert "is there: a version is built once" in tree.run("release", "0.2.0").stderr
