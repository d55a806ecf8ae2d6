"""`metersim gnss`: a GNSS receiver on a pty that tells the time as wrongly as asked; for a real gpsd to listen to.

It speaks NMEA 0183 as a cheap receiver does: RMC, GGA, GSA and (with the year in full) ZDA, once each period, some time
after the moment that they tell. A pty has no wire for the pulse of each second: what needs one is not simulated here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import time
import tty
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TextIO

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NS = 1_000_000_000
POSITION = "3944.3500,N,10459.0900,W"  # Denver
NO_POSITION = ",,,"
SATELLITES = (2, 5, 7, 9, 13, 21, 26, 30)


@dataclass(frozen=True, slots=True)
class Reception:
    """How the receiver fares. The defaults are those of a good one, once a second. Counts are of periods."""

    offset_s: float = 0.0  # its time minus the true one
    weeks: int = 0  # and by this many weeks: -1024 and 1024 are what a counter of ten bits makes of it
    period_s: float = 1.0
    delay_s: float = 0.1  # from the moment told to its first octet
    fix: int = 3  # 1 none, 2 without height, 3 with
    fix_after: int = 0  # no fix for so many first
    lost_after: int | None = None  # no fix from then on
    frozen_after: int | None = None  # tells the same time from then on
    silent_after: int | None = None  # says nothing from then on
    dies_after: int | None = None  # is unplugged
    year_in_full: bool = True  # ZDA, not only the two digits of RMC
    damaged: bool = False  # no sentence's checksum is right


class GnssReceiver:
    """A receiver on a pty. `periods` counts those that were told or kept silent over; `path` is what gpsd opens."""

    def __init__(self, reception: Reception | None = None, *, realtime_ns: Callable[[], int] = time.time_ns) -> None:
        self.reception = reception or Reception()
        self.periods = 0
        self._realtime_ns = realtime_ns
        self._master, self._slave = os.openpty()
        for end in (self._master, self._slave):
            tty.setraw(end)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._open = True

    async def run(self) -> None:
        """Tell the time until cancelled, or until it dies of what it was asked to die of."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._master, self._ignore)
        try:
            while self.periods != self.reception.dies_after:
                await self._period()
        finally:
            loop.remove_reader(self._master)
            self.close()

    def close(self) -> None:
        """Unplug it."""
        if self._open:
            self._open = False
            os.close(self._master)
            os.close(self._slave)

    async def _period(self) -> None:
        """Wait for the next moment to tell, and tell it."""
        how = self.reception
        period_ns = int(how.period_s * NS)
        now = self._realtime_ns()
        moment = (now // period_ns + 1) * period_ns
        await asyncio.sleep((moment - now) / NS + how.delay_s)
        octets = self.told(EPOCH + timedelta(microseconds=moment // 1_000))
        self.periods += 1
        with contextlib.suppress(BlockingIOError):  # nobody reads
            os.write(self._master, octets)

    def told(self, moment: datetime) -> bytes:
        """Return what it says of this moment (true UTC), in the period it is in."""
        how = self.reception
        if how.silent_after is not None and self.periods >= how.silent_after:
            return b""
        late = max(self.periods - how.frozen_after, 0) if how.frozen_after is not None else 0
        shown = moment + timedelta(seconds=how.offset_s - late * how.period_s, weeks=how.weeks)
        lost = how.lost_after is not None and self.periods >= how.lost_after
        return sentences(shown, 1 if lost or self.periods < how.fix_after else how.fix, how)

    def _ignore(self) -> None:
        """Take what gpsd says to a receiver that it would like to configure."""
        with contextlib.suppress(OSError):
            os.read(self._master, 4096)


def sentences(shown: datetime, fix: int, how: Reception) -> bytes:
    """Write one period's sentences. Without a fix a receiver knows the time by its own clock, and says so."""
    clock = f"{shown:%H%M%S}.{shown.microsecond // 10_000:02d}"
    good = fix > 1
    where = POSITION if good else NO_POSITION
    satellites = [f"{n:02d}" for n in SATELLITES] if good else []
    used = ",".join([*satellites, *[""] * (12 - len(satellites))])
    bodies = [
        f"GPRMC,{clock},{'A' if good else 'V'},{where},0.0,0.0,{shown:%d%m%y},,,{'A' if good else 'N'}",
        f"GPGGA,{clock},{where},{int(good)},{len(satellites):02d},{'1.0,1609.0,M,-17.0,M' if good else ',,M,,M'},,",
        f"GPGSA,A,{fix},{used},{'1.5,1.0,1.1' if good else ',,'}",
    ]
    if how.year_in_full:
        bodies.append(f"GPZDA,{clock},{shown:%d,%m,%Y},00,00")
    return b"".join(sentence(body, damaged=how.damaged) for body in bodies)


def sentence(body: str, *, damaged: bool = False) -> bytes:
    """Frame one sentence: `$`, body, `*`, exclusive or of the body, CR, LF."""
    checksum = 0x55 if damaged else 0
    for octet in body.encode("ascii"):
        checksum ^= octet
    return f"${body}*{checksum:02X}\r\n".encode("ascii")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `metersim gnss`."""
    parser.add_argument("--offset", type=float, default=0.0, metavar="SECONDS", help="its time is fast by this")
    parser.add_argument("--weeks", type=int, default=0, metavar="N", help="and by this many weeks: -1024, a rollover")
    parser.add_argument("--period", type=_period, default=1.0, metavar="SECONDS", help="default: 1")
    parser.add_argument("--delay", type=float, default=0.1, metavar="SECONDS", help="from the moment to its sentences")
    parser.add_argument("--fix", type=int, default=3, choices=(1, 2, 3), help="1: none; default: 3")
    parser.add_argument("--fix-after", type=int, default=0, metavar="N", help="no fix for N periods")
    for what, happens in (
        ("lost", "no fix"),
        ("frozen", "the same time again and again"),
        ("silent", "silence"),
        ("dies", "unplugged"),
    ):
        parser.add_argument(f"--{what}-after", type=int, metavar="N", help=f"after N periods: {happens}")
    parser.add_argument("--two-digit-year", action="store_true", help="no ZDA")
    parser.add_argument("--damaged", action="store_true", help="wrong checksums")


def reception_of(args: argparse.Namespace) -> Reception:
    """Read how it fares out of parsed options."""
    return Reception(
        offset_s=args.offset,
        weeks=args.weeks,
        period_s=args.period,
        delay_s=args.delay,
        fix=args.fix,
        fix_after=args.fix_after,
        lost_after=args.lost_after,
        frozen_after=args.frozen_after,
        silent_after=args.silent_after,
        dies_after=args.dies_after,
        year_in_full=not args.two_digit_year,
        damaged=args.damaged,
    )


async def serve(args: argparse.Namespace, out: TextIO | None = None) -> None:
    """Write the path of the pty as the first line of `out` (standard output by default) and tell the time."""
    receiver = GnssReceiver(reception_of(args))
    out = out or sys.stdout
    out.write(f"{receiver.path}\n")
    out.flush()
    await receiver.run()


def _period(text: str) -> float:
    """Check the period: sentences tell hundredths of a second."""
    seconds = float(text)
    if not 0.05 <= seconds <= 60:
        raise argparse.ArgumentTypeError("0.05 to 60 seconds expected")
    return seconds
