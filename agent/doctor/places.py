"""Where the agent keeps what must not be lost: is it there, ours, closed to others, and is there room?"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from agent.box_status import LOW_DISK_PERCENT
from agent.doctor.finding import Remark, fault, ok, skipped, warning
from agent.doctor.patient import Patient, user_name

LEAST_OCTETS = 67_108_864  # a night of readings and recordings of a hundred meters
MOST_FILES = 20_000  # looked at


def state_directory(patient: Patient) -> Iterator[Remark]:
    """Is it there, writable, and of one user throughout? `sudo mrsp …` leaves files of root."""
    directory = patient.config.state_directory
    if not directory.is_dir():
        yield fault(
            f"there is no directory {directory}",
            f"`install -d -m 700 -o mrsp -g mrsp {directory}`, or let systemd make it (StateDirectory=mrsp)",
        )
        return
    status = directory.stat()
    owner, before = user_name(status.st_uid), 0
    for remark in _of_directory(patient, directory, status):
        before += 1
        yield remark
    strangers = list(islice(_strangers(directory, status.st_uid), MOST_FILES))
    if strangers:
        yield fault(
            f"{len(strangers)} files in {directory} belong to others than {owner}, for example {strangers[0]}",
            f"`chown -R {owner}: {directory}`; run `mrsp` as {owner}, not as root",
        )
    elif not before:
        yield ok(f"{directory} belongs to {owner} alone, and can be written")


def _of_directory(patient: Patient, directory: Path, status: os.stat_result) -> Iterator[Remark]:
    if os.statvfs(directory).f_flag & os.ST_RDONLY:
        yield fault(
            f"the disk of {directory} is mounted read-only",
            "`dmesg | grep -i -e mmc -e ext4` says why: a worn SD card is: back up, and replace it",
        )
    if patient.is_guest:
        yield warning(
            f"{directory} belongs to {user_name(status.st_uid)}, and this is run by {user_name(os.geteuid())}: what the"
            " service may read and open cannot be told",
            patient.as_owner,
        )
    elif not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        yield fault(f"{directory} cannot be written by its owner", f"`chmod 700 {directory}`")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        yield warning(f"{directory} is open to other users (mode {mode:04o})", f"`chmod 700 {directory}`")


def _strangers(directory: Path, owner: int) -> Iterator[Path]:
    """Yield what in the directory belongs to another user."""
    seen = 0
    for where, directories, names in os.walk(directory):
        for name in (*directories, *names):
            path = Path(where, name)
            seen += 1
            if seen > MOST_FILES:
                return
            try:
                if path.lstat().st_uid != owner:
                    yield path
            except FileNotFoundError:
                continue


def disk_space(patient: Patient) -> Iterator[Remark]:
    """Is there room, and will there be when every budget is used?"""
    directory, settings = patient.config.state_directory, patient.config.settings
    if not directory.is_dir():
        yield skipped(f"there is no {directory}")
        return
    usage, found = shutil.disk_usage(directory), os.statvfs(directory)
    percent = usage.free * 100 // usage.total if usage.total else 0
    remedy = "`journalctl --vacuum-size=50M`, `apt clean`; less for `[recordings] budget_octets`; or a larger disk"
    if usage.free < LEAST_OCTETS:
        yield fault(f"{usage.free:,} octets are free on the disk of {directory}: readings will be refused", remedy)
    elif percent < LOW_DISK_PERCENT:
        yield warning(f"{percent} % of the disk of {directory} is free", remedy)
    else:
        yield ok(f"{usage.free:,} of {usage.total:,} octets are free on the disk of {directory}")
    if found.f_files and found.f_favail * 100 // found.f_files < LOW_DISK_PERCENT // 2:
        yield warning(f"{found.f_favail:,} files can still be made on the disk of {directory}", "delete small files")
    budgets = settings.spool.budget_octets + settings.recordings.budget_octets
    if budgets > usage.total:
        yield warning(
            f"spool and recordings may take {budgets:,} octets, and the disk has {usage.total:,}",
            "lower `[spool] budget_octets` or `[recordings] budget_octets`, so that the disk never is full",
        )
