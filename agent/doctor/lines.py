"""The ways to the meters: are the ports there, ours to open, and nobody else's? Are the names known?

No port is opened: that would power a probe or hang up a modem.
"""

from __future__ import annotations

import asyncio
import grp
import os
import re
import socket
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.config import Config
from agent.doctor.finding import Remark, fault, ok, skipped, warning
from agent.doctor.patient import Patient, user_name
from agent.lines import key_of

NAMES_S = 5.0
MOST_NAMES = 50
_UNSTABLE = re.compile(r"/dev/tty(USB|ACM)[0-9]+")
_HOST_PORT = re.compile(r"(?P<host>[^\s/]+):[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Port:
    """A serial device: what uses it, as it is named, and what that leads to."""

    user: str
    named: str
    device: Path


def ports_of(config: Config) -> list[Port]:
    """Return the serial devices that the configuration names, each once."""
    found: dict[str, Port] = {}
    for user, url in _urls(config):
        line = key_of(url)
        if line.startswith("/"):
            found.setdefault(line, Port(user, url, Path(line)))
    return list(found.values())


def _urls(config: Config) -> Iterator[tuple[str, str]]:
    settings = config.settings
    yield from ((meter.name, meter.url) for meter in settings.meters)
    yield from ((f"bank {bank.name}", url) for bank in settings.modem_banks for url in bank.urls)
    if settings.call_in is not None:
        yield from (("calls", url) for url in settings.call_in.modems)


def serial_ports(patient: Patient) -> Iterator[Remark]:
    """Look at each port without opening it."""
    ports = ports_of(patient.config)
    if not ports:
        yield skipped("no meter is on a serial port")
        return
    others, all_seen = holders(patient.root / "proc", {str(port.device) for port in ports})
    well = 0
    for port in ports:
        remarks = [*_of_port(port), *_of_holders(port, others.get(str(port.device), []))]
        yield from remarks
        well += not remarks
    if well:
        unseen = "" if all_seen else "; who else has them open can only be seen as root"
        yield ok(f"{well} of {len(ports)} ports are there and may be opened{unseen}")


def _of_port(port: Port) -> Iterator[Remark]:
    try:
        status = port.device.stat()
    except FileNotFoundError:
        yield fault(
            f"{port.user}: there is no {port.device}",
            "plug it in; `ls -l /dev/serial/by-id` shows what is there: name a port by that, it does not change",
        )
        return
    if not stat.S_ISCHR(status.st_mode):
        yield fault(f"{port.user}: {port.device} is no serial port", "`ls -l /dev/serial/by-id`")
    elif not os.access(port.device, os.R_OK | os.W_OK):
        group, user = _group_name(status.st_gid), user_name(os.geteuid())
        by_group = status.st_gid != 0 and status.st_mode & 0o060 == 0o060
        yield fault(
            f"{port.user}: {user} may not open {port.device} (group {group}, mode {stat.S_IMODE(status.st_mode):04o})",
            f"`usermod -aG {group} {user}`, then `systemctl restart mrsp`"
            if by_group
            else 'a udev rule with GROUP="dialout", MODE="0660", as 61-mrsp-probes.rules has; plug it in again',
        )
    elif _UNSTABLE.fullmatch(str(port.device)) and str(port.device) in port.named and _has_siblings(port.device):
        yield warning(
            f"{port.user}: {port.device} may be another adapter after the next start: there are several",
            "name it by /dev/serial/by-id/…, or by a udev rule",
        )


def _has_siblings(device: Path) -> bool:
    return len(list(device.parent.glob(device.name.rstrip("0123456789") + "[0-9]*"))) > 1


def _of_holders(port: Port, names: Iterable[str]) -> Iterator[Remark]:
    if strangers := sorted({name for name in names if not name.startswith(("mrsp", "python"))}):
        remedy = {
            "ModemManager": "`systemctl disable --now ModemManager`, or a udev rule with ID_MM_DEVICE_IGNORE=1",
            "brltty": "`apt remove brltty`: it takes USB serial adapters for Braille displays",
            "agetty": "`systemctl disable --now serial-getty@…`, and no `console=` on it in the kernel's command line",
        }
        advice = next((remedy[name] for name in strangers if name in remedy), "stop that program")
        yield fault(f"{port.user}: {port.device} is in use by {', '.join(strangers)}", advice)


def holders(proc: Path, devices: set[str]) -> tuple[dict[str, list[str]], bool]:
    """Return the names of the programs that have each device open, and whether every program could be looked into."""
    found: dict[str, list[str]] = {}
    all_seen = True
    for process in proc.glob("[0-9]*"):
        try:
            opened = [str(link.readlink()) for link in (process / "fd").iterdir()]
            name = (process / "comm").read_text("utf-8", "replace").strip()
        except PermissionError:
            all_seen = False
            continue
        except OSError:  # it ended
            continue
        for device in devices.intersection(opened):
            found.setdefault(device, []).append(name)
    return found, all_seen


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def host_names(patient: Patient) -> Iterator[Remark]:
    """Ask the name service for each host that a meter is behind; nothing is connected to."""
    named: dict[str, str] = {}
    for user, url in _urls(patient.config):
        if (line := _HOST_PORT.fullmatch(key_of(url))) is not None:
            named.setdefault(line["host"], user)
    asked = dict(list(named.items())[:MOST_NAMES])
    if not asked:
        yield skipped("no meter is behind a network address")
        return
    unknown = asyncio.run(_unknown(asked))
    for host, why in unknown.items():
        yield fault(
            f"{asked[host]}: the name {host} is not known: {why}", "check the name, and the DNS of this network"
        )
    if len(unknown) < len(asked):
        yield ok(f"{len(asked) - len(unknown)} of {len(asked)} hosts have an address")


async def _unknown(hosts: Iterable[str]) -> dict[str, str]:
    """Return the hosts that have no address, each with why."""

    async def trouble(host: str) -> tuple[str, str]:
        try:
            async with asyncio.timeout(NAMES_S):
                await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except TimeoutError:
            return host, f"the name service did not answer within {NAMES_S:g} s"
        except OSError as error:
            return host, error.strerror or str(error)
        return host, ""

    return {host: why for host, why in await asyncio.gather(*map(trouble, hosts)) if why}
