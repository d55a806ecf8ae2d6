"""The passwords of meters and broker: there, readable, closed to others; and those that a meter refused."""

from __future__ import annotations

from collections.abc import Iterator

from agent.attending import order_of
from agent.box import records_of
from agent.credentials import has_credentials, is_credential, load_password, load_secret
from agent.doctor.finding import Remark, fault, ok, skipped, warning
from agent.doctor.patient import Patient
from agent.errors import PasswordHeld
from agent.held_password import refuse_held
from drivers.errors import MrspError

MOST_TOLD = 10  # meters of which it is said by name


def passwords(patient: Patient) -> Iterator[Remark]:
    """Read each password as a visit does; what is wrong with one is said without any of it."""
    config, settings = patient.config, patient.config.settings
    well, away, broken = 0, 0, 0
    files = {meter.password_file: meter.name for meter in settings.meters if meter.password_file}
    for file, name in files.items():
        if is_credential(file) and not has_credentials():
            away += 1
            continue
        try:
            load_password(config.path(file))
            well += 1
        except MrspError as error:
            broken += 1
            if broken <= MOST_TOLD:
                yield fault(f"{name}: {error.message}", error.advice)
    if settings.forward is not None and (of_broker := settings.forward.password_file) is not None:
        if is_credential(of_broker) and not has_credentials():
            away += 1
        else:
            load_secret(config.path(of_broker), "password of the broker")
            well += 1
    if broken > MOST_TOLD:
        yield fault(f"{broken - MOST_TOLD} more password files are of no use", "`mrsp config check` names the first")
    if away:
        yield skipped(f"{away} passwords are systemd credentials, which only the service is given")
    if well or not (away or broken):
        yield ok(f"{well} passwords can be read, by this user alone")


def held_passwords(patient: Patient) -> Iterator[Remark]:
    """Name the meters that are left alone because they refused their password."""
    records, held = records_of(patient.config), 0
    for meter in patient.config.settings.meters:
        try:
            refuse_held(records, order_of(patient.config, meter))
        except PasswordHeld as error:
            held += 1
            if held <= MOST_TOLD:
                yield warning(f"{meter.name}: {error.message}", error.advice)
    if held > MOST_TOLD:
        yield warning(f"{held - MOST_TOLD} more meters refused their password", "put the right ones there")
    if not held:
        yield ok("no meter refused its password")
