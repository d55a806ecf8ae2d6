"""Asking the kernel how good its clock is (`ntp_adjtime`), for boxes on systemd-timesyncd or ntpsec. Never sets it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from agent.clock.instant import Counters
from agent.clock.samples import Leap, NoTime, Outcome, TimeSample

NAME = "kernel"
# <sys/timex.h>
STA_INS, STA_DEL, STA_UNSYNC, STA_NANO = 0x0010, 0x0020, 0x0040, 0x2000
TIME_OOP, TIME_ERROR = 3, 5
# systemd-timesyncd sets the kernel's maximum error to zero at each update, from servers up to 5 s (RootDistanceMaxSec)
# from their reference; the kernel cannot tell us who set it.
UNTOLD_S = Decimal(5)


class _Timex(ctypes.Structure):
    """The head of `struct timex`, the same on every architecture; then room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


@dataclass(frozen=True, slots=True)
class KernelState:
    """What `ntp_adjtime` tells. `offset` in microseconds, nanoseconds with STA_NANO; `maxerror_us` grows 500 ppm."""

    state: int
    status: int
    offset: int
    maxerror_us: int


def read_kernel() -> KernelState:
    """Ask the kernel; OSError if it refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    timex = _Timex(modes=0)
    state = libc.ntp_adjtime(ctypes.byref(timex))
    if state < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return KernelState(state, timex.status, timex.offset, timex.maxerror)


async def ask(clock: Counters, read: Callable[[], KernelState] = read_kernel) -> Outcome:
    """Take the kernel's word: a clock that is disciplined has no known offset, only a bound."""
    try:
        kernel = read()
    except (OSError, AttributeError) as error:
        return NoTime("kernel", NAME, f"it cannot be asked: {error}")
    if kernel.state == TIME_ERROR or kernel.status & STA_UNSYNC:
        return NoTime("kernel", NAME, "no time service has synchronised the clock (STA_UNSYNC)")
    pending = Decimal(abs(kernel.offset)) / (1_000_000_000 if kernel.status & STA_NANO else 1_000_000)
    return TimeSample(
        offset_s=Decimal(0),
        uncertainty_s=UNTOLD_S + Decimal(kernel.maxerror_us) / 1_000_000 + pending,
        source="kernel",
        name=NAME,
        reference="the time service of this box",
        at_boottime_ns=clock.boottime_ns(),
        detail="its bound; 5 s of it for what the service does not tell the kernel",
        leap=armed(kernel),
    )


@dataclass(frozen=True, slots=True)
class KernelLeap:
    """The kernel's leap second state: what it will do at the end of the UTC day, and whether it is just doing it."""

    armed: Leap = "none"
    now: bool = False  # the second that is being inserted: the system clock shows it twice


def read_leap(read: Callable[[], KernelState] = read_kernel) -> KernelLeap:
    """Ask the kernel, whoever disciplines it; nothing is known of a kernel that does not answer."""
    try:
        kernel = read()
    except (OSError, AttributeError):
        return KernelLeap()
    return KernelLeap(armed(kernel), now=kernel.state == TIME_OOP)


def armed(kernel: KernelState) -> Leap:
    """Return the leap second that the kernel was told of."""
    if kernel.status & STA_INS:
        return "insert"
    return "delete" if kernel.status & STA_DEL else "none"
