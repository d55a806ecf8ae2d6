"""Tell a meter that calls by itself when to call next: one write, journalled, and read back.

How is a matter of the meter's family (`[next_call]` of its profile); a family whose profile does not say it is left
alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from drivers.base import Task
from drivers.c1219 import Context, encode_record, with_quirks
from drivers.c1219.call_times import Count, LongTime, ShortTime
from drivers.c1219.clock_plan import wall_time
from drivers.c1219.identity import identity_of
from drivers.c1219.times import MeterTimes
from drivers.errors import DataError, MeterRefused, MrspError, ProtocolError, TransportError
from drivers.profiles import Profile, load_profiles
from drivers.profiles.next_call import NextCallKeys
from drivers.psem.client import PsemClient
from drivers.psem.collect import CLOCK, WHO, Collector
from drivers.psem.driver import opened
from drivers.psem.journalled import Journalled
from drivers.psem.procedure import NotWritten
from drivers.psem.recognition import recognised
from drivers.writes import Journal, MeterWrite, WriteOutcome

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - as a difference to times that are UTC
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class NextCall:
    """What became of it. `at` is what the meter was told, in UTC: whole minutes where it takes no seconds."""

    at: datetime
    outcome: WriteOutcome
    reason: str


async def tell_next_call(task: Task, at: datetime, journal: Journal) -> NextCall:
    """Tell the meter on `task.line` to call at `at` next, in a session of its own; the line is left as `task` says.

    Raises `NotWritten` where nothing was written: the profile does not say how, the meter is another one than
    `task.memory` knows, its clock has no sure sense; and what `Driver.read` raises before the write.
    """
    profiles = load_profiles(task.profile_dirs)
    named = profiles.find(task.profile) if task.profile else None
    async with (
        opened(task, named or profiles.generic) as (client, collector, _line),
        client.session(task.password),
    ):
        await collector.configuration()
        await collector.tables(WHO)
        profile = named or recognised(profiles, collector.context)
        if profile.next_call is None:
            raise NotWritten(
                f"the profile {profile.name} does not say how to tell a meter its next call",
                advice="where the family's documents tell, add a [next_call] section to it",
            )
        collector.context = with_quirks(collector.context, profile.quirks())
        return await _tell(client, collector, task, profile, at, journal)


async def _tell(
    client: PsemClient, collector: Collector, task: Task, profile: Profile, at: datetime, journal: Journal
) -> NextCall:
    keys = profile.next_call
    assert keys is not None  # noqa: S101 - asked before
    _must_be_same(task, identity_of(collector.context).meter_id)
    await collector.clock()
    await collector.tables(CLOCK)
    at, octets = _encoded(keys, collector.context, task, at)
    write = MeterWrite(
        url=task.url,
        meter_id=identity_of(collector.context).meter_id,
        what="time of the next call",
        table=keys.table,
        octets=octets,
        summary=f"to call next at {at:%Y-%m-%dT%H:%M:%SZ}, as {keys.form} at offset {keys.offset}",
    )
    with Journalled(journal, write) as entry:
        entry.leaves()
        outcome, reason = await _written(client, keys, octets)
        entry.settle(outcome, reason)
    return NextCall(at, outcome, f"{reason}; {entry.trouble}" if entry.trouble else reason)


async def _written(client: PsemClient, keys: NextCallKeys, octets: bytes) -> tuple[WriteOutcome, str]:
    """Write and read back; never raises for what the meter or the line does."""
    lost: MrspError | None = None
    try:
        await client.write_offset(keys.table_id, keys.offset, octets)
    except MeterRefused as refused:
        return "refused", refused.message
    except (TransportError, ProtocolError) as error:
        lost = error
    try:
        shown = await client.read_offset(keys.table_id, keys.offset, len(octets))
    except MrspError as error:
        why = "the meter took it" if lost is None else lost.message
        return "unknown", f"{why}; not read back: {error.message}"
    if shown == octets:
        return "done", "read back as written"
    return "failed", f"read back it is {shown.hex()}, not {octets.hex()}"


def _encoded(keys: NextCallKeys, context: Context, task: Task, at: datetime) -> tuple[datetime, bytes]:
    """Return the time as the meter can take it, and its octets. Raises `NotWritten`."""
    step = _SECOND if keys.form in ("ltime", "seconds") else _MINUTE
    plain = at.replace(tzinfo=None)
    plain -= (plain - _EPOCH) % step
    at = plain.replace(tzinfo=at.tzinfo)
    try:
        if keys.form in ("seconds", "minutes"):
            return at, encode_record(Count(since_1970=(plain - _EPOCH) // step), context)
        wall, _daylight = wall_time(MeterTimes.of(context, task.site_zone), at)
        return at, encode_record((LongTime if keys.form == "ltime" else ShortTime)(at=wall), context)
    except (DataError, ValueError) as error:
        raise NotWritten(f"the time of the next call: {error}", advice="nothing was written to the meter") from error


def _must_be_same(task: Task, meter_id: str) -> None:
    known = task.memory.meter_id if task.memory is not None else ""
    if known and known.lstrip("0") != meter_id.lstrip("0"):  # leading zeros of BCD ids are padding
        raise NotWritten(f"the meter on the line is {meter_id}, not {known}", advice="nothing was written to it")
