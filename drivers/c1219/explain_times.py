"""The steps from the octets of a time to UTC: format, qualifier, zone, daylight saving."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

from drivers.c1219.decade5 import Clock, ClockState, TimeOffset
from drivers.c1219.explain import Chain, Cited, Derivation, Unexplained
from drivers.c1219.times import MeterTimes

_FORMATS: Final = (
    "no times",
    "year, month, day, hour, minute, second in BCD",
    "year, month, day, hour, minute, second in binary",
    "minutes since 1970-01-01 00:00, and a second",
    "seconds since 1970-01-01 00:00",
)


def explain_time(chain: Chain, wall: datetime, utc: datetime, times: MeterTimes, *octets: Cited) -> None:
    """Add the steps from a stored time to the instant `utc` that it was taken for.

    Raises `Unexplained` if the meter's zone and daylight saving do not lead from one to the other.
    """
    tm_format = chain.context.st00.tm_format
    chain.note(f"{wall:%Y-%m-%d %H:%M:%S}", f"TM_FORMAT {tm_format}: {_FORMATS[tm_format]}", *octets)
    explain_qualifier(chain, times)
    shift = wall.replace(tzinfo=UTC) - utc
    standard = times.offset
    if times.site_zone is not None:
        local = wall.replace(tzinfo=times.site_zone)
        standard = (local.utcoffset() or timedelta()) - (local.dst() or timedelta())
    if shift == standard:
        season = "standard time" if standard or times.amount else "no shift"
    elif shift == standard + times.amount:
        season = f"daylight saving, {_minutes(times.amount)} min ahead of standard time"
    else:
        raise Unexplained(f"{wall} is no {utc:%Y-%m-%d %H:%M:%S} UTC in a zone of {_minutes(standard)} min")
    chain.note(f"{utc:%Y-%m-%dT%H:%M:%S}Z", f"{season}: {shifted(shift)}")


def explain_qualifier(chain: Chain, times: MeterTimes) -> None:
    """Add what the clock table and ST53 say of the sense of every time of the meter."""
    context = chain.context
    clock = context.find(Clock) or context.find(ClockState)
    if clock is None:
        chain.note("TIME_DATE_QUAL", "neither ST52 nor ST55 was read: as if nothing were said")
    else:
        said = [
            f"{name.upper()} {int(getattr(clock, name))}"
            for name in ("dst_flag", "gmt_flag", "tm_zn_applied", "dst_applied")
        ]
        chain.note("TIME_DATE_QUAL", ", ".join(said), chain.cite(clock.number, "gmt_flag"))
    offsets = context.find(TimeOffset)
    if times.site_zone is not None:
        chain.note("zone", f"the meter does not say; the site's: {times.site_zone}")
    elif offsets is not None and offsets.time_zone_offset is not None:
        why = f"TIME_ZONE_OFFSET {offsets.time_zone_offset} min" + ("" if times.offset else ", not in these times")
        chain.note("zone", why, chain.cite(TimeOffset.number, "time_zone_offset"))
    else:
        chain.note("zone", f"{_minutes(times.offset)} min from UTC")
    if times.amount and offsets is not None:
        why = f"DST_TIME_AMT {offsets.dst_time_amt} min while it is in effect"
        chain.note("daylight saving", why, chain.cite(TimeOffset.number, "dst_time_amt"))


def explain_clock(chain: Chain, times: MeterTimes, utc: datetime) -> Derivation:
    """Explain what the meter's clock showed."""
    clock = chain.context.find(Clock) or chain.context.find(ClockState)
    if clock is None or clock.clock_calendar is None:
        raise Unexplained("there is no clock table with a time in it")
    explain_time(chain, clock.clock_calendar, utc, times, chain.cite(clock.number, "clock_calendar"))
    return chain.done(text=f"{utc:%Y-%m-%dT%H:%M:%S}Z")


def shifted(shift: timedelta) -> str:
    """Say how UTC follows from a local time that is ahead of it by `shift`."""
    return f"UTC is the local time {'less' if shift >= timedelta() else 'plus'} {_minutes(abs(shift))} min"


def _minutes(duration: timedelta) -> Fraction:
    return Fraction(duration // timedelta(seconds=1), 60)
