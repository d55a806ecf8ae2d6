"""The fleet's configuration on this box: whole, come up, or taken back?"""

from __future__ import annotations

from collections.abc import Iterator

from agent.doctor.finding import Remark, ok, skipped, warning
from agent.doctor.patient import Patient
from agent.fleet.keys import load_fleet_keys
from agent.fleet.store import OWN, FleetStore


def fleet(patient: Patient) -> Iterator[Remark]:
    """Look at what is in force, and at the keys by which the next bundle will be judged."""
    settings = patient.config.settings.fleet
    if settings is None:
        yield skipped("there is no [fleet] section")
        return
    if patient.is_guest:
        yield skipped("which version is in force is told to its owner only", patient.as_owner)
        return
    load_fleet_keys(patient.config.path(settings.keys))
    store = FleetStore(patient.config.state_directory)
    found = store.deployment()
    if found.current != OWN:
        store.verify(found.current)
    failure = found.failure
    if failure is not None and failure.version == found.highest:
        yield warning(
            f"version {failure.version} of the fleet's configuration was taken back: {failure.why}",
            "`journalctl -u mrsp` of then; mend it, and sign it with a higher number",
        )
    if found.trial is not None:
        yield warning(
            f"version {found.current} of the fleet's configuration has not come up yet: {found.trial.starts} starts",
            "`systemctl restart mrsp` if it was just installed; a minute later it has come up, or is taken back",
        )
    else:
        what = "the box's own file" if found.current == OWN else f"version {found.current}, as it was signed,"
        yield ok(f"{what} is in force")
