"""The lines that a person can hold to a meter: those of the configuration, or what is plugged in, by plain names.

A configured probe is a URL, or a name and a URL: `left probe = serial:///dev/serial/by-id/usb-…`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.errors import UsageError
from agent.field.task import NOT_BY_PROBE
from agent.lines import way_of
from drivers.registry import driver_for, scheme_of
from drivers.transport.addresses import SerialAddress
from drivers.transport.urls import parse_url

BY_ID = Path("/dev/serial/by-id")
MOST_FOUND = 64
_NAMED = re.compile(r"(?P<name>[^=:/?]{1,60}?)\s*=\s*(?P<url>\S.*)")
_USB = re.compile(r"usb-(?P<what>.+?)(?:_(?P<serial>[A-Za-z0-9.]+))?-if(?P<port>[0-9]{2})(?:-port[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Probe:
    """One line to read meters by. `present`: it is plugged in, as far as can be seen without opening it."""

    name: str  # "left probe", "FTDI FT232R USB UART (A50285BI)"
    url: str
    present: bool = True


def probes_of(configured: Sequence[str], by_id: Path = BY_ID) -> tuple[Probe, ...]:
    """Return the probes to choose from: the configured ones in their order, else every serial device plugged in.

    Raises `UsageError` for a configured one that is none. Looks at the file system.
    """
    if configured:
        return tuple(map(parse_probe, configured))
    try:
        devices = sorted(path.name for path in by_id.iterdir())[:MOST_FOUND]
    except OSError:
        return ()  # nothing is plugged in: the directory comes with the first device
    return tuple(Probe(_plain(name), f"serial://{by_id / name}") for name in devices)


def parse_probe(text: str) -> Probe:
    """Return one configured probe. Raises `UsageError` for what is no line of a probe."""
    named = _NAMED.fullmatch(text)
    url = named["url"] if named else text
    scheme = scheme_of(url)
    if scheme in NOT_BY_PROBE:
        raise UsageError(f"{url!r} is no line of a probe", advice="for example `left probe = serial:///dev/ttyUSB0`")
    driver_for(url)
    way_of(url, {})
    device = _device(url, scheme)
    name = named["name"].strip() if named else _plain(device.name) if device is not None else url
    return Probe(name, url, device is None or device.exists())


def _device(url: str, scheme: str) -> Path | None:
    """Return the device file that a URL names; None for one elsewhere."""
    address = parse_url(url) if scheme == "serial" else None
    return Path(address.device) if isinstance(address, SerialAddress) else None


def _plain(name: str) -> str:
    """Return the name of a device file as a person would say it."""
    found = _USB.fullmatch(name)
    if found is None:
        return name.replace("_", " ")
    port = f", port {int(found['port']) + 1}" if int(found["port"]) else ""
    serial = f" ({found['serial']})" if found["serial"] else ""
    return f"{found['what'].replace('_', ' ')}{serial}{port}"
