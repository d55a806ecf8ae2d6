"""Does the service run, once and in peace, and may it open as many files as it needs?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from agent.doctor.finding import Remark, fault, ok, skipped, warning
from agent.doctor.patient import Patient
from agent.doctor.systemd import told_of
from agent.only_one import running

UNIT = "mrsp.service"
ASKED = ("ActiveState", "NRestarts", "Result", "UnitFileState", "WatchdogUSec")
FILES_A_VISIT, FILES_OTHERWISE = 8, 64
_SOFT = re.compile(r"^Max open files\s+([0-9]+)", re.MULTILINE)


def service(patient: Patient) -> Iterator[Remark]:
    """Look who holds the state directory, and ask systemd how its unit does."""
    if patient.is_guest:
        yield skipped("whether the service runs is told to its owner only", patient.as_owner)
    elif (process := running(patient.config.state_directory)) is None:
        yield warning(
            f"no `mrsp run` uses {patient.config.state_directory}", "`systemctl status mrsp` and `journalctl -u mrsp`"
        )
    else:
        yield ok(f"`mrsp run` is process {process or 'unknown'}")
    yield from of_unit(told_of(patient, UNIT, *ASKED))


def of_unit(told: Mapping[str, str]) -> Iterator[Remark]:
    """Judge what systemd says of the unit; nothing if it knows none."""
    if not told:
        return
    log = "`journalctl -u mrsp -n 100` says why"
    if told.get("Result", "success") != "success":
        yield fault(f"systemd ended the service: {told['Result']}", log)
    if (times := told.get("NRestarts", "0")).isdigit() and int(times):
        yield warning(f"systemd has started the service again {times} times", log)
    if told.get("UnitFileState") == "disabled":
        yield warning("the service is not enabled: it does not start with the box", "`systemctl enable mrsp`")
    if told.get("ActiveState") == "active" and told.get("WatchdogUSec") in {"0", "infinity"}:
        yield warning("no watchdog watches the service: one that hangs is not noticed", "WatchdogSec=60s in the unit")


def descriptors(patient: Patient) -> Iterator[Remark]:
    """May enough files be open at once: by the whole system, and by the service?"""
    used = (patient.text("proc/sys/fs/file-nr") or "").split()
    if len(used) == 3 and int(used[0]) * 10 > int(used[2]) * 9:
        yield fault(f"{used[0]} of {used[2]} files of this box are open", "`lsof` shows by whom; `sysctl fs.file-max`")
    process = None if patient.is_guest else running(patient.config.state_directory)
    limits = patient.text(f"proc/{process or 'self'}/limits")
    soft = None if limits is None else _SOFT.search(limits)
    need = FILES_OTHERWISE + FILES_A_VISIT * patient.config.settings.schedule.sessions
    if soft is None:
        yield skipped("the limit of open files is not told")
    elif int(soft[1]) < need:
        yield warning(
            f"the service may open {soft[1]} files, and may need {need}", f"LimitNOFILE={need * 2} in the unit"
        )
    else:
        yield ok(f"{soft[1]} files may be open")
