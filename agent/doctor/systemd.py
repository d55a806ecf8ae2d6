"""What systemd says of a unit, asked by `systemctl show`."""

from __future__ import annotations

import shutil
import subprocess

from agent.doctor.patient import Patient

SYSTEMCTL_S = 5.0


def told_of(patient: Patient, unit: str, *asked: str) -> dict[str, str]:
    """Return the properties of a unit; empty where systemd is not the init, does not answer, or knows no such unit."""
    program = shutil.which("systemctl")
    if program is None or not (patient.root / "run/systemd/system").is_dir():
        return {}
    command = [program, "show", unit, f"--property={','.join(('LoadState', *asked))}"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SYSTEMCTL_S, check=False)  # noqa: S603 - no input
    except (OSError, subprocess.TimeoutExpired):
        return {}
    told = dict(line.split("=", 1) for line in run.stdout.splitlines() if "=" in line)
    return told if told.get("LoadState") == "loaded" else {}
