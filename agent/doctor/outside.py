"""Directories of the configuration outside of the state directory: the unit's sandbox closes them to the service."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from agent.doctor.finding import Remark, fault, ok, skipped
from agent.doctor.patient import Patient
from agent.doctor.service import UNIT
from agent.doctor.systemd import told_of

STATE = Path("/var/lib/mrsp")  # StateDirectory= of the unit
CLOSING = {"strict": ("/",), "full": ("/usr", "/boot", "/etc"), "yes": ("/usr", "/boot")}  # by ProtectSystem=


def directories(patient: Patient) -> Iterator[Remark]:
    """Can the service write where it is to?"""
    named = _named(patient)
    if not named:
        yield skipped(f"nothing is written outside of {STATE}")
        return
    told = told_of(patient, UNIT, "ProtectSystem", "ReadWritePaths")
    well = 0
    for what, path in named.items():
        remarks = list(_of_directory(patient, what, path))
        if not remarks and is_closed(told, path):
            made = "" if path.exists() else f"`install -d -o mrsp -g mrsp {path}`; "
            remarks = [
                fault(
                    f"`{what}`: the sandbox of {UNIT} does not let the service write to {path}",
                    f"{made}`systemctl edit mrsp`: [Service] and ReadWritePaths=-{path}, as in examples/places.conf",
                )
            ]
        yield from remarks
        well += not remarks
    if well:
        yield ok(f"{well} directories outside of {STATE} can be written")


def _named(patient: Patient) -> dict[str, Path]:
    """Return each directory by the key that names it."""
    config, settings = patient.config, patient.config.settings
    found = {
        "agent.state_directory": config.state_directory,
        "keys.directory": config.key_directory,
        "recordings.directory": config.recording_directory,
    }
    if (outlet := settings.outlet.file) is not None:
        found["outlet.file.directory"] = config.path(outlet.directory)
        if outlet.acknowledgements is not None:
            found["outlet.file.acknowledgements"] = config.path(outlet.acknowledgements)
    if settings.metrics is not None and settings.metrics.textfile is not None:
        found["metrics.textfile"] = config.path(settings.metrics.textfile).parent
    state = config.state_directory
    found = {what: path for what, path in found.items() if path == state or not path.is_relative_to(state)}
    return {what: path for what, path in found.items() if not path.is_relative_to(STATE)}


def _of_directory(patient: Patient, what: str, path: Path) -> Iterator[Remark]:
    if what == "agent.state_directory":
        return  # has a check of its own
    there = next(one for one in (path, *path.parents) if one.exists())
    if what == "metrics.textfile" and there != path:
        yield fault(f"`{what}`: there is no directory {path}", "the directory that node_exporter is told of")
    elif not patient.is_guest and not os.access(there, os.W_OK | os.X_OK):
        mend = f"`chgrp mrsp {path}; chmod g+rwx {path}`" if there == path else f"`install -d -o mrsp -g mrsp {path}`"
        yield fault(f"`{what}`: {there} cannot be written by this user", mend)


def is_closed(told: Mapping[str, str], path: Path) -> bool:
    """Return whether a unit of which systemd tells this cannot write to a path."""
    opened = [word.lstrip("-+") for word in told.get("ReadWritePaths", "").split()]
    return any(map(path.is_relative_to, CLOSING.get(told.get("ProtectSystem", ""), ()))) and not any(
        map(path.is_relative_to, opened)
    )
