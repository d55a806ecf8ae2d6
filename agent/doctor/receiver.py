"""The USB receiver of [radio] and [pager]: plugged in, ours to open, and not taken for a television?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.doctor.finding import Remark, fault, ok, skipped, warning
from agent.doctor.patient import Patient, user_name

#: USB ids of RTL2832U dongles that are sold for this; there are others.
IDS = frozenset({("0bda", "2832"), ("0bda", "2838"), ("1d19", "1101"), ("1f4d", "b803"), ("0ccd", "00a9")})
TELEVISION = "dvb_usb_rtl28xxu"


@dataclass(frozen=True, slots=True)
class Dongle:
    """One that is plugged in: where its node is, and which driver of the kernel has it."""

    node: Path
    serial: str
    drivers: frozenset[str]


def receiver(patient: Patient) -> Iterator[Remark]:
    """Look at it as sysfs tells of it; it is not opened."""
    settings = patient.config.settings
    radio, pager = settings.radio, settings.pager
    wanted = "0" if pager is not None else "" if radio is None else radio.device
    if not wanted.isdecimal() and not wanted.startswith(":"):
        yield skipped("no USB receiver is configured")
        return
    found = dongles(patient)
    if not found:
        yield warning(
            "no receiver with an RTL2832U is plugged in, or one whose USB id is not known here",
            "`lsusb`; another port or cable, a hub with a supply of its own; then `rtl_test -t`",
        )
    elif wanted.startswith(":") and wanted[1:] not in {dongle.serial for dongle in found}:
        serials = ", ".join(sorted(dongle.serial for dongle in found))
        yield fault(f"no receiver has the serial number {wanted[1:]}; there: {serials}", "`rtl_test -t` shows each")
    troubles = [remark for dongle in found for remark in _of_dongle(dongle)]
    yield from troubles
    if found and not troubles:
        yield ok(f"{len(found)} receivers are plugged in and may be opened")


def _of_dongle(dongle: Dongle) -> Iterator[Remark]:
    if TELEVISION in dongle.drivers:
        yield fault(
            f"the kernel uses the receiver {dongle.node} for television",
            f"`echo blacklist {TELEVISION} > /etc/modprobe.d/mrsp.conf; modprobe -r {TELEVISION}`",
        )
    if not os.access(dongle.node, os.R_OK | os.W_OK):
        user = user_name(os.geteuid())
        yield fault(
            f"{user} may not open the receiver {dongle.node}",
            f"`apt install rtl-sdr` brings the rule for it; `usermod -aG plugdev {user}`; plug it in again",
        )


def dongles(patient: Patient) -> list[Dongle]:
    """Return the receivers that are plugged in."""
    found = []
    for device in sorted((patient.root / "sys/bus/usb/devices").glob("*")):
        ids = (patient.text(device / "idVendor"), patient.text(device / "idProduct"))
        bus, number = patient.text(device / "busnum"), patient.text(device / "devnum")
        if ids in IDS and bus is not None and number is not None:
            node = patient.root / f"dev/bus/usb/{int(bus):03}/{int(number):03}"
            links = [interface / "driver" for interface in device.glob("*:*")]
            drivers = frozenset(link.readlink().name for link in links if link.is_symlink())
            found.append(Dongle(node, patient.text(device / "serial") or "", drivers))
    return found
