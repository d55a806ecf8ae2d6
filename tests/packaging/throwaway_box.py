"""A Debian box to install into and throw away: this one under an overlay, its changes in memory, systemd as its init.

What it needs (root, overlayfs, systemd-nspawn) is tried once; where it does not work, `why_not` says so.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

PATIENCE_S = 60.0

# The mounts are those of a process of its own, and go with it. systemd's device rules need version 2 of control groups.
MAKE = """\
set -e
mount -t tmpfs -o size=1g,mode=755 box "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay box -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
umount --lazy /sys/fs/cgroup
mount -t cgroup2 box /sys/fs/cgroup
mount -t proc box "$1/root/proc"
mount --bind /dev "$1/root/dev"
mkdir -p "$1/root/etc/systemd/system"
rm -f "$1/root/etc/systemd/system/default.target"
: >"$1/root/etc/machine-id"
"""
STAY = "echo ready\nexec sleep infinity\n"
BOOT = """\
set -e
umount "$1/dev" "$1/proc"
mkdir -p "$2"
echo $$ >"$2/cgroup.procs"
exec systemd-nspawn --boot --quiet --directory="$1" --register=no --keep-unit --console=pipe
"""
TARGET = """\
[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
"""
NAMESPACES = ("--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd")
DPKG = ("dpkg", "--force-unsafe-io", "--no-triggers")
AS_ITS_USER = ("setpriv", "--reuid=mrsp", "--regid=mrsp", "--init-groups")
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Running:
    """A box whose init is process `init` of this one."""

    init: int

    def run(self, *command: str, check: bool = True) -> Done:
        return _done([*self._inside(), *command], "", check=check)

    def await_line(self, unit: str, text: str, *, cursor: str) -> str:
        """Return the first line of the unit's journal after the cursor that has `text` in it, once it is there."""
        follow = ["journalctl", "--follow", "--output=cat", "--lines=all", f"--unit={unit}", f"--after-cursor={cursor}"]
        with subprocess.Popen([*self._inside(), *follow], stdout=subprocess.PIPE, text=True) as journal:
            try:
                assert journal.stdout is not None
                return next(line for line in journal.stdout if text in line)
            finally:
                journal.terminate()

    def cursor(self) -> str:
        """Return where the journal is now."""
        shown = self.run("journalctl", "--lines=0", "--show-cursor", "--quiet").stdout
        return shown.partition("-- cursor: ")[2].strip()

    def brought(self, file: Path) -> Path:
        """Bring a file into the box; return where it is there."""
        target = Path("/root") / file.name
        with file.open("rb") as content:
            command = [*self._inside(), "tee", str(target)]
            subprocess.run(command, stdin=content, stdout=subprocess.DEVNULL, check=True, timeout=PATIENCE_S)
        return target

    def _inside(self) -> list[str]:
        return [
            "nsenter",
            f"--target={self.init}",
            *["--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd"],
        ]


@dataclass(frozen=True, slots=True)
class Box:
    """`root` is seen by the processes in the mount namespace of `keeper` alone."""

    keeper: int
    root: Path

    def run(self, *command: str, check: bool = True, text: str = "") -> Done:
        """Run a command on the box without an init: as in a chroot."""
        return _done([*self._beside(), "chroot", str(self.root), *command], text, check=check)

    def mrsp(self, *arguments: str, check: bool = True) -> Done:
        """Run `mrsp` as the user of the service."""
        return self.run(*AS_ITS_USER, "mrsp", *arguments, check=check)

    def write(self, path: str, content: str, mode: str = "644", owner: str = "root") -> None:
        script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1" && chown "$3": "$1"'
        self.run("sh", "-c", script, "sh", path, mode, owner, text=content)

    def install(self, package: Path, *, check: bool = True) -> Done:
        """Give a package to dpkg; what other packages make of it (the manual's index) is left out."""
        with package.open("rb") as content:
            brought = [*self._beside(), "chroot", str(self.root), "tee", "/root/brought.deb"]
            subprocess.run(brought, stdin=content, stdout=subprocess.DEVNULL, check=True, timeout=PATIENCE_S)
        return self.run(*DPKG, "--install", "/root/brought.deb", check=check)

    @contextmanager
    def booted(self) -> Iterator[Running]:
        """Start systemd on the box, in a container that shares the network; no service is enabled that the box had."""
        self.write("/etc/systemd/system/default.target", TARGET)
        group = f"/sys/fs/cgroup/box{self.keeper}"
        command = [*self._beside(), "unshare", "--mount", "sh", "-c", BOOT, "sh", str(self.root), group]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as nspawn:
            try:
                running = Running(_init_of(nspawn))
                try:
                    running.run("systemctl", "start", "default.target")
                    yield running
                finally:
                    os.kill(running.init, signal.SIGKILL)  # and with it all that runs on the box
                    nspawn.wait(PATIENCE_S)
            finally:
                nspawn.kill()
        _done([*self._beside(), "find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], "", check=False)

    def _beside(self) -> list[str]:
        return ["nsenter", f"--mount=/proc/{self.keeper}/ns/mnt"]


@contextmanager
def throwaway_box(place: Path) -> Iterator[Box]:
    """Make a box below `place`, and let nothing of it remain."""
    base = place / "box"
    base.mkdir()
    with subprocess.Popen(_making(MAKE + STAY, base), stdout=subprocess.PIPE, text=True) as keeper:
        try:
            assert keeper.stdout is not None
            assert keeper.stdout.readline() == "ready\n"
            yield Box(keeper.pid, base / "root")
        finally:
            keeper.kill()


@cache
def why_not(*, boots: bool = False) -> str | None:
    """Return what is missing for a box, or for one that boots."""
    if os.geteuid() != 0:
        return "only root can make a box"
    if not Path("/usr/bin/python3.11").exists():
        return "the package is for Debian 12, whose Python is 3.11"
    needed = ["dpkg", "unshare", "nsenter", "systemd-sysusers", *(["systemd-nspawn"] if boots else [])]
    if missing := [name for name in needed if shutil.which(name) is None]:
        return f"{', '.join(missing)} is missing (systemd-nspawn: Debian's systemd-container)"
    with TemporaryDirectory() as place:
        tried = subprocess.run(_making(MAKE, Path(place)), capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"no box can be made here: {tried.stderr.strip()}"


def _making(script: str, base: Path) -> list[str]:
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", str(base)]


def _init_of(nspawn: subprocess.Popen[bytes]) -> int:
    """Return the process that is the box's init, once it can be talked to."""
    while nspawn.poll() is None:
        try:
            children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children").read_text(encoding="ascii")
            for child in map(int, children.split()):
                name = Path(f"/proc/{child}/comm").read_text(encoding="ascii").strip()
                if name == "systemd" and Path(f"/proc/{child}/root/run/systemd/private").is_socket():
                    return child
        except OSError:
            continue  # one of them has ended
    raise AssertionError(f"systemd-nspawn ended with {nspawn.returncode}")


def _done(command: list[str], text: str, *, check: bool) -> Done:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environment
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done
