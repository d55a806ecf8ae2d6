"""The wheel and the package, built once for all tests of a run, and variants that differ in their control."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def wheel(into: Path, **environment: str) -> Path:
    """Build a wheel with `scripts/wheel`."""
    return _built(into, ["scripts/wheel", str(into)], environment)


def debian_package(factory: pytest.TempPathFactory) -> Path:
    """Return the package for this machine, from `scripts/deb`; the first who asks builds it."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # of all workers
    place = shared / "debian-package"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = list(place.glob("*.deb"))
        return ready[0] if ready else _built(place, ["scripts/deb"], {"MRSP_OUT": str(place)})


def variant(package: Path, into: Path, version: str, spool: str | None = None) -> Path:
    """Return the package with another version; `spool`: one that knows this schema of the spool, and none after it.

    Its content is taken as it is, compressed: a package is an `ar` archive of three files (deb(5)).
    """
    made = into / f"mrsp_{version}.deb"
    with package.open("rb") as source, made.open("wb") as target:
        target.write(source.read(8))
        while header := source.read(60):
            content = source.read(int(header[48:58]))
            source.read(len(content) % 2)
            name = header[:16].decode().strip()
            if name.startswith("control.tar"):
                name, content = "control.tar", _changed(package, into, version, spool)
            target.write(f"{name:16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode())
            target.write(content + b"\n" * (len(content) % 2))
    return made


def _changed(package: Path, into: Path, version: str, spool: str | None) -> bytes:
    """Return the control archive of a package with what is to be different in it."""
    tree = into / f"control-{version}"
    subprocess.run(["dpkg-deb", "--control", package, tree], check=True, timeout=60)
    control, preinst = tree / "control", tree / "preinst"
    control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text()))
    if spool is not None:
        preinst.write_text(re.sub(r"spool\.sqlite=\d+", f"spool.sqlite={spool}", preinst.read_text()))
    return subprocess.run(
        ["tar", "--create", "--directory", tree, "."], capture_output=True, check=True, timeout=60
    ).stdout


def _built(place: Path, command: list[str], environment: dict[str, str]) -> Path:
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr
    return place / Path(done.stdout.splitlines()[-1]).name
