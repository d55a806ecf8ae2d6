"""ST03 in words."""

from __future__ import annotations

from drivers.c1219.context import Context
from drivers.c1219.decade0 import ModeStatus
from drivers.data import MeterStatus

_MODES = ("metering", "test", "meter_shop", "factory")
_FLAGS = (
    "unprogrammed",
    "configuration_error",
    "self_chk_error",
    "ram_failure",
    "rom_failure",
    "nonvol_mem_failure",
    "clock_error",
    "measurement_error",
    "low_battery",
    "low_loss_potential",
    "demand_overload",
    "power_failure",
    "tamper_detect",
    "reverse_rotation",
)


def status_of(context: Context) -> MeterStatus | None:
    """Return the meter's modes and standard flags in words, the vendor's status as octets; None without ST03."""
    status = context.find(ModeStatus)
    if status is None:
        return None
    modes = tuple(name for name in _MODES if getattr(status, name))
    flags = tuple(name for name in _FLAGS if getattr(status, name))
    width = context.st00.dim_mfg_status_used
    vendor = sum(1 << flag for flag in status.ed_mfg_status).to_bytes(width, "little")
    return MeterStatus(modes, flags, vendor)
