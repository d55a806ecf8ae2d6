"""Programs of the system that the configuration needs: are they installed?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from agent.config import Settings
from agent.doctor.finding import Remark, fault, ok, skipped
from agent.doctor.patient import Patient

#: Debian's package of each program.
PACKAGES = {"rtl_433": "rtl-433", "multimon-ng": "multimon-ng", "rtl_fm": "rtl-sdr", "chronyc": "chrony"}


def programs(patient: Patient) -> Iterator[Remark]:
    """Look for each on the path of this process."""
    wanted = dict.fromkeys(_wanted(patient.config.settings))
    if not wanted:
        yield skipped("no other program is needed")
        return
    missing = [program for program in wanted if shutil.which(program) is None]
    for program in missing:
        name = program.rpartition("/")[2]
        yield fault(f"{program} is not installed", f"`apt install {PACKAGES.get(name, name)}`")
    if not missing:
        yield ok(f"{', '.join(wanted)} can be run")


def _wanted(settings: Settings) -> Iterator[str]:
    if "chrony" in settings.clock.asked:
        yield settings.clock.chronyc[0]
    if settings.radio is not None:
        yield settings.radio.program
    if settings.pager is not None:
        yield settings.pager.program
        yield settings.pager.receiver_program
