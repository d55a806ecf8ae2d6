"""Every check, one after the other: one that meets trouble is a finding, and keeps no other from being made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from agent.doctor import (
    box,
    broker,
    clock,
    databases,
    deployment,
    doors,
    identity,
    lines,
    meters,
    outside,
    passwords,
    places,
    programs,
    receiver,
    service,
)
from agent.doctor.finding import Finding, Remark
from agent.doctor.patient import Patient
from drivers.errors import MrspError

Check = Callable[[Patient], Iterable[Remark]]

#: In the order of asking: what lies below first, since its faults explain those above.
CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "fleet": deployment.fleet,
        "state_directory": places.state_directory,
        "disk_space": places.disk_space,
        "directories": outside.directories,
        "databases": databases.databases,
        "spool": databases.spool,
        "service": service.service,
        "descriptors": service.descriptors,
        "core_dumps": box.core_dumps,
        "power": box.power,
        "time_zone": clock.time_zone,
        "battery_clock": box.battery_clock,
        "clock": clock.clock,
        "device_key": identity.device_key,
        "certificate": identity.certificate,
        "broker_ca": identity.broker_ca,
        "mdsp_keys": identity.mdsp_keys,
        "broker": broker.broker,
        "serial_ports": lines.serial_ports,
        "host_names": lines.host_names,
        "passwords": passwords.passwords,
        "held_passwords": passwords.held_passwords,
        "families": meters.families,
        "meters": meters.meters,
        "programs": programs.programs,
        "receiver": receiver.receiver,
        "ports": doors.ports,
    }
)


def examine(patient: Patient, checks: Mapping[str, Check] = CHECKS) -> Iterator[Finding]:
    """Yield what each check finds, as it finds it. Never raises for what a check meets."""
    for name, check in checks.items():
        try:
            for remark in check(patient):
                yield Finding(name, remark.level, remark.said, remark.advice)
        except MrspError as error:
            said = f"{error.meter}: {error.message}" if error.meter else error.message
            yield Finding(name, "fault", said, error.advice)
        except OSError as error:
            where = f" {error.filename}" if error.filename else ""
            yield Finding(name, "fault", f"this box refused{where}: {error.strerror or error}", "check path and owner")
        except Exception as error:  # noqa: BLE001 - a bug in one check must not hide what the others find
            yield Finding(name, "fault", f"this check met a bug: {error!r:.200}", "please report it")
