"""Find the driver of a URL: ours by table, others by entry points of the group `mrsp.drivers`; imported on use."""

from __future__ import annotations

import importlib
from urllib.parse import urlsplit

from drivers.base import Driver
from drivers.errors import UsageError

GROUP = "mrsp.drivers"
BUILTIN = {
    **dict.fromkeys(("serial", "tcp", "rfc2217", "modem", "modem+tcp", "replay"), "drivers.psem.driver:PsemDriver"),
    **dict.fromkeys(
        ("modbus", "modbus+tcp", "modbus+tls", "modbus+rtu+tcp", "modbus+replay"), "drivers.modbus.driver:ModbusDriver"
    ),
    **dict.fromkeys(("wctp+http", "wctp+https"), "drivers.pager.driver:PagerDriver"),
    "visual": "drivers.visual.driver:VisualDriver",
}


def scheme_of(url: str) -> str:
    """Return the scheme of a meter's URL; a bare path is `serial`. Raises `UsageError` for anything else."""
    if url.startswith("/"):
        return "serial"
    scheme = urlsplit(url).scheme
    if not scheme:
        raise UsageError(f"{url!r} is not a meter URL", advice="try /dev/ttyUSB0, tcp://host:port or replay://FILE")
    return scheme


def driver_for(url: str) -> Driver:
    """Return a driver that serves `url`. Raises `UsageError` naming the schemes that are known."""
    scheme = scheme_of(url)
    target = BUILTIN.get(scheme) or _installed().get(scheme)
    if target is None:
        known = ", ".join(sorted({*BUILTIN, *_installed()}))
        raise UsageError(f"no driver for {scheme}:// URLs", advice=f"known: {known}")
    module, _, name = target.partition(":")
    driver: Driver = getattr(importlib.import_module(module), name)()
    return driver


def _installed() -> dict[str, str]:
    """Return scheme → `module:class` of the drivers in other packages (entry-point name = URL scheme)."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - costs 30 ms, and most reads do not need it

    return {point.name: point.value for point in entry_points(group=GROUP)}
