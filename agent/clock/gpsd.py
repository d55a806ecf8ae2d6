"""What gpsd reports of its receivers, and what that is worth as a time. Pure: lines and moments in, a sample out.

gpsd_json(5): one JSON object a line. TPV tells a fix and the time of it; PPS the system clock at the edge of a second.

A receiver tells what time it was, some time after it was: how long after is all that a report without a pulse leaves
open. Its cycle is a second, and its sentences of one cycle take up to another one at 4800 baud, so a report comes at
most two seconds after the moment that it tells. Of several reports the quickest bounds best.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

import msgspec

from agent.clock.instant import NS, Instant
from agent.clock.plausible import EPOCH, rolled_over
from agent.clock.samples import RECEIVER, TimeSample
from drivers.errors import printable

WATCH = b'?WATCH={"enable":true,"json":true,"pps":true};\n'
FIXES = 3  # of different moments, before we believe that it keeps time
LATEST_NS = 2 * NS  # after the moment told
# UTC is satellite time less the leap seconds since 1980: 18. Until a receiver has heard that number from the sky (it is
# sent every 12.5 minutes) it goes by its firmware's, which is 15 or more since 2009. gpsd tells whether it was heard.
LEAP_SECONDS = range(17, 20)  # one more or less than today's
LEAP_UNTOLD_S = Decimal(3)
PULSE_S = Decimal("0.001")  # from the wire to gpsd's stamp, on a serial port or USB
STAMPED_NS = 2 * NS  # a pulse's stamp further than this from our clock is not by our clock
NOT_BY_SATELLITE = {5: "dead reckoning", 8: "simulated"}  # TPV status
MOST_ERROR_S = 60
MAX_DEVICES = 16
NO_FIX = "has no fix"
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z")

Unix = Annotated[int, msgspec.Meta(ge=0, le=4_000_000_000)]
Nanoseconds = Annotated[int, msgspec.Meta(ge=0, lt=NS)]


class _Device(msgspec.Struct, frozen=True):
    path: str = ""


class _Report(msgspec.Struct, frozen=True, rename={"kind": "class"}):
    """The fields of all the reports that concern us."""

    kind: str
    device: str = ""
    devices: tuple[_Device, ...] = ()  # DEVICES
    message: str = ""  # ERROR
    mode: int = 0  # TPV: 0, 1 no fix; 2, 3 fix
    status: int = 1
    time: str = ""
    ept: Decimal | None = None  # gpsd's estimate of the error of `time`, seconds
    leapseconds: int | None = None
    real_sec: Unix = 0  # PPS: the second that began, by the receiver …
    real_nsec: Nanoseconds = 0
    clock_sec: Unix = 0  # … and by the system clock of gpsd's box
    clock_nsec: Nanoseconds = 0


@dataclass(frozen=True, slots=True)
class _Fix:
    told_ns: int
    at: Instant
    error_s: Decimal
    leap_told: bool

    @property
    def fast_ns(self) -> int:
        """Our clock less the receiver's time: the offset, and how long after the moment told the report came."""
        return self.at.realtime_ns - self.told_ns


@dataclass(slots=True)
class _Receiver:
    fixes: list[_Fix] = field(default_factory=list)
    pulse_ns: int | None = None  # system clock less receiver at the last pulse
    trouble: str = "tells no time"


class Listening:
    """Hears what one gpsd reports. `local`: it stamps pulses with the clock of this very box."""

    def __init__(self, name: str, *, local: bool) -> None:
        self._name = name
        self._local = local
        self._receivers: dict[str, _Receiver] = {}
        self._complaint = "it reports nothing"

    @property
    def reason(self) -> str:
        """Why there is no time yet."""
        troubles = [f"{device} {receiver.trouble}" for device, receiver in self._receivers.items()]
        return "; ".join(troubles) or self._complaint

    @property
    def has_no_fix(self) -> bool:
        """Whether a receiver is there that hears too little of the sky."""
        return any(receiver.trouble == NO_FIX for receiver in self._receivers.values())

    def hear(self, line: bytes, at: Instant) -> TimeSample | None:
        """Take one line, heard at that moment; return the time once a receiver has shown that it keeps it."""
        try:
            report = msgspec.json.decode(line, type=_Report)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return None  # of a class, or with a number, that does not concern us
        match report.kind:
            case "DEVICES" if not report.devices:
                self._complaint = "it has no receiver"
            case "DEVICES":
                for device in report.devices:
                    self._receiver(device.path)
            case "ERROR":
                self._complaint = f"it complains: {_words(report.message)}"
            case "PPS" if self._local:
                self._pulse(report, at)
            case "TPV":
                return self._fix(report, at)
            case _:
                pass
        return None

    def _receiver(self, device: str) -> _Receiver:
        name = _words(device) or "its receiver"
        if name not in self._receivers and len(self._receivers) == MAX_DEVICES:
            return _Receiver()  # of no consequence
        return self._receivers.setdefault(name, _Receiver())

    def _pulse(self, report: _Report, at: Instant) -> None:
        clock_ns = report.clock_sec * NS + report.clock_nsec
        if abs(at.realtime_ns - clock_ns) <= STAMPED_NS:
            self._receiver(report.device).pulse_ns = clock_ns - (report.real_sec * NS + report.real_nsec)

    def _fix(self, report: _Report, at: Instant) -> TimeSample | None:
        receiver = self._receiver(report.device)
        told_ns = _unix_ns(report.time)
        trouble = _trouble(report, told_ns)
        if trouble or told_ns is None:
            receiver.fixes.clear()
            receiver.trouble = trouble
            return None
        fix = _Fix(told_ns, at, report.ept or Decimal(0), report.leapseconds is not None)
        fixes = receiver.fixes
        if fixes and fix.told_ns == fixes[-1].told_ns:
            return None  # gpsd repeats a fix as its sentences come in
        fixes.append(fix)
        spread = [one.fast_ns for one in fixes]
        if max(spread) - min(spread) > LATEST_NS:
            receiver.trouble = "does not keep time: it jumps"
            del fixes[:-1]
        elif len(fixes) < FIXES:
            receiver.trouble = f"gave {len(fixes)} of {FIXES} fixes, then no other"
        else:
            return self._sample(receiver, _words(report.device))
        return None

    def _sample(self, receiver: _Receiver, device: str) -> TimeSample:
        quickest = min(receiver.fixes, key=lambda fix: fix.fast_ns)
        leap_told = receiver.fixes[-1].leap_told
        error = max(fix.error_s for fix in receiver.fixes) + (0 if leap_told else LEAP_UNTOLD_S)
        remarks = [f"{device}, {len(receiver.fixes)} fixes"]
        pulse = receiver.pulse_ns
        # What comes after a pulse tells that very second, within it: that decides which second the pulse began.
        if pulse is not None and 0 <= quickest.fast_ns - pulse < NS:
            offset, bound = Decimal(pulse) / NS, PULSE_S
            remarks.append("pulse of each second")
        else:
            offset, bound = Decimal(quickest.fast_ns - LATEST_NS // 2) / NS, Decimal(LATEST_NS // 2) / NS
            remarks.append("no pulse")
        if not leap_told:
            remarks.append(f"± {LEAP_UNTOLD_S} s of it for leap seconds that it may not have heard of")
        return TimeSample(
            offset_s=offset,
            uncertainty_s=bound + error,
            source="gnss",
            name=self._name,
            reference="GNSS",
            at_boottime_ns=quickest.at.boottime_ns,
            peer=RECEIVER,
            detail=", ".join(remarks),
        )


def _trouble(report: _Report, told_ns: int | None) -> str:
    """Why a report tells no time to go by; empty if it does."""
    if report.mode < 2:
        return NO_FIX
    if report.status in NOT_BY_SATELLITE:
        return f"does not hear its satellites: {NOT_BY_SATELLITE[report.status]}"
    if told_ns is None:
        return "has a fix, but tells no time"
    if report.ept is not None and not (report.ept.is_finite() and 0 <= report.ept <= MOST_ERROR_S):
        return "does not know how wrong its time is"
    if report.leapseconds is not None and report.leapseconds not in LEAP_SECONDS:
        return f"counts {report.leapseconds} leap seconds, which is impossible"
    why = rolled_over(EPOCH + timedelta(microseconds=told_ns // 1_000))
    return f"is not believed: {why}" if why else ""


def _unix_ns(text: str) -> int | None:
    """Read the time of a TPV as Unix nanoseconds; None if there is none, or it is a leap second."""
    if not TIME.fullmatch(text):
        return None
    whole, _, fraction = text[:-1].partition(".")
    try:
        at = datetime.fromisoformat(f"{whole}+00:00")
    except ValueError:
        return None
    return (at - EPOCH) // timedelta(seconds=1) * NS + int(fraction.ljust(9, "0") if fraction else 0)


def _words(text: str) -> str:
    return printable(text[:100])
