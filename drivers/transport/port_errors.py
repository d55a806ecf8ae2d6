"""What the operating system says about a serial port, in words that help."""

from __future__ import annotations

import errno
import grp
import os
import stat
from pathlib import Path

from drivers.errors import LineLost, TransportError, UsageError

PTY_MAJORS = range(136, 144)  # Unix98 pseudo-terminals (Linux devices.txt)
GONE = {errno.EIO, errno.ENXIO, errno.ENODEV, errno.EBADF}
PORT_PATTERNS = ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttymxc*", "serial/by-id/*")


def check_port(device: str) -> None:
    """Raise `TransportError` if there is no `device`, `UsageError` if it cannot be a serial port."""
    try:
        mode = Path(device).stat().st_mode
    except OSError as error:
        raise explain_open(device, error, 0) from error
    if not stat.S_ISCHR(mode):
        raise UsageError(f"{device} is not a serial port", advice=_ports_here())


def is_pty(device: str) -> bool:
    """Whether this is a pseudo-terminal: it has no lines to power a probe with."""
    try:
        return os.major(Path(device).stat().st_rdev) in PTY_MAJORS
    except OSError:
        return False


def explain_open(device: str, error: Exception, baud: int) -> TransportError | UsageError:
    """Turn what serialx or the system said when opening or changing `device` into an error of ours."""
    number = error.errno if isinstance(error, OSError) else None
    problem, advice = f"{device} cannot be opened: {_text(error)}", ""
    if number in (errno.ENOENT, errno.ENOTDIR):
        problem, advice = f"there is no {device}", f"is the probe plugged in? {_ports_here()}"
    elif number in (errno.EACCES, errno.EPERM):
        problem, advice = f"no permission to open {device}", _permission_advice(device)
    elif number == errno.EBUSY:
        holder = _lock_holder(device)
        lock = f"locked (flock) by {holder}" if holder else "opened exclusively (TIOCEXCL) or locked by another program"
        problem, advice = f"{device} is busy: {lock}", "stop that program, or wait until it is done"
    elif number == errno.ENOTTY:
        return UsageError(f"{device} is not a serial port", advice=_ports_here())
    elif number in GONE:
        problem, advice = f"{device} does not work: {_text(error)}", "unplug the probe and plug it in again"
    elif number == errno.EINVAL or not isinstance(error, OSError):
        problem, advice = f"{device} cannot do {baud} baud 8N1: {_text(error)}", "use another speed"
    return TransportError(problem, advice=advice)


def line_lost(device: str, error: Exception | None) -> LineLost:
    """Say that the open port went away."""
    if isinstance(error, OSError) and error.errno in GONE:
        return LineLost(f"{device} went away", advice="was the probe unplugged?")
    return LineLost(f"{device} went away" + (f": {_text(error)}" if error is not None else ""))


def _text(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _ports_here() -> str:
    found = sorted(str(path) for pattern in PORT_PATTERNS for path in Path("/dev").glob(pattern))
    return f"ports here: {', '.join(found)}" if found else "no serial port is plugged in here"


def _permission_advice(device: str) -> str:
    group = "dialout"
    try:
        name = grp.getgrgid(Path(device).stat().st_gid).gr_name
    except (OSError, KeyError):
        name = group
    if name not in ("root", "tty"):  # not the group that a distribution gives serial ports
        group = name
    return f"add user to group {group}: sudo usermod -aG {group} USER, then log in again"


def _lock_holder(device: str) -> str:
    """Name the process that holds the flock on `device`, `''` if none is known (other users' names stay hidden)."""
    try:
        found = Path(device).stat()
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for line in locks:  # "1: FLOCK  ADVISORY  WRITE 1234 00:15:67 0 EOF"
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == place:
            try:
                program = Path(f"/proc/{fields[4]}/comm").read_text(encoding="utf-8", errors="replace").strip()
            except OSError:
                program = "a program"
            return f"{program} (process {fields[4]})"
    return ""
