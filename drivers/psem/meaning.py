"""From the tables of one visit to what they mean: the last step, without a line and without a meter."""

from __future__ import annotations

from dataclasses import replace
from datetime import tzinfo

from drivers.c1219 import Context
from drivers.c1219.clock import clock_of
from drivers.c1219.condensed import condensed
from drivers.c1219.decade5 import Clock, ClockState
from drivers.c1219.described import registers_from_described
from drivers.c1219.events import events_of
from drivers.c1219.identity import identity_of
from drivers.c1219.newest import cut
from drivers.c1219.profile import interval_blocks
from drivers.c1219.registers import registers_of
from drivers.c1219.scaling import constants_text
from drivers.c1219.status import status_of
from drivers.c1219.times import MeterTimes
from drivers.data import ClockSample, IntervalBlock, MeterData, Problem, Register
from drivers.errors import DataError
from drivers.profiles import Profile
from drivers.psem.collection import Collection
from drivers.psem.services import table_name


def meter_data(collection: Collection, profile: Profile, *, site_zone: tzinfo | None) -> MeterData:
    """Return everything that the tables say; what they fail to say is among the problems. Never raises."""
    context = collection.context
    if 0 not in context:
        return MeterData(identity=identity_of(context), profile=profile.name, problems=tuple(collection.problems))
    times = MeterTimes.of(context, site_zone)
    remarks = [Problem(table, remark, lost=False) for table, remark in context.remarks()]
    registers, register_problems = registers_of(context, times)
    own, own_problems = _described(collection, profile)
    registers, register_problems = [*registers, *own], [*register_problems, *own_problems]
    events, event_problems = events_of(context, times)
    clock = _clock(collection, times)
    blocks, block_problems = _blocks(collection, times)
    stamped = blocks or events or any(register.occurred_at or register.period_end for register in registers)
    if stamped and Clock.number not in context and ClockState.number not in context:
        remarks.append(_assumed(times))
    if (unset := _unset_clock(context)) is not None:
        remarks.append(unset)
    return MeterData(
        identity=identity_of(context),
        profile=profile.name,
        registers=tuple(_with_digits(register, collection.digits or profile.displays.digits) for register in registers),
        blocks=tuple(blocks),
        events=tuple(events),
        status=status_of(context),
        clock=clock,
        has_clock=Clock.number in context or ClockState.number in context,
        has_tiers=21 in context and context.st21.nbr_tiers > 0,
        problems=condensed((*collection.problems, *register_problems, *block_problems, *event_problems, *remarks)),
        tables=dict(collection.octets),
        constants=constants_text(context),
    )


def _described(collection: Collection, profile: Profile) -> tuple[list[Register], list[Problem]]:
    """Return the registers that the profile knows to be in manufacturer tables which were read."""
    registers: list[Register] = []
    problems: list[Problem] = []
    for number in profile.register_tables():
        name = table_name(number)
        if name not in collection.octets:
            continue
        try:
            found, odd = registers_from_described(
                profile.described_tables()[number], collection.octets[name], collection.context
            )
        except DataError as error:
            problems.append(Problem(name, str(error)))
        else:
            registers += found
            problems += odd
    return registers, problems


def _assumed(times: MeterTimes) -> Problem:
    """Say what the times of a meter without a readable clock table are taken for."""
    sense = "local standard time" if times.offset or times.site_zone is not None else "UTC"
    reason = f"neither ST52 nor ST55 was read, which say whether they are local: taken as {sense}"
    return Problem("the meter's times", reason, lost=False)


def _unset_clock(context: Context) -> Problem | None:
    """Return a problem if a clock table was read that holds no time."""
    shown = context.find(Clock) or context.find(ClockState)
    if shown is None or shown.clock_calendar is not None or not context.st00.tm_format:
        return None
    return Problem(f"ST{shown.number}", "the meter's clock holds no time: it is not set, or has stopped")


def _blocks(collection: Collection, times: MeterTimes) -> tuple[list[IntervalBlock], list[Problem]]:
    blocks: list[IntervalBlock] = []
    problems: list[Problem] = []
    for data_set, octets in collection.blocks.items():
        taken, first_end = collection.taken.get(data_set), collection.first_end.get(data_set)
        read = collection.profile.get(data_set)
        now = collection.meter_time(times, read.at_ns if read is not None else None)
        try:
            found, odd = interval_blocks(collection.of_set(data_set), times, data_set, octets, now=now, taken=taken)
        except DataError as error:
            problems.append(Problem(f"ST{63 + data_set}", str(error)))
        else:
            blocks += found if first_end is None else cut(found, first_end)
            problems += odd
    return blocks, problems


def _clock(collection: Collection, times: MeterTimes) -> ClockSample | None:
    look, shown = collection.clock, clock_of(collection.context, times)
    if look is None or shown is None:
        return None
    return ClockSample(
        meter_time=shown.utc,
        before_ns=look.before_ns,
        after_ns=look.after_ns,
        request_s=look.request_s,
        reply_s=look.reply_s,
        resolution_s=shown.resolution_s,
        ambiguous=shown.ambiguous,
        note=shown.note,
    )


def _with_digits(register: Register, digits: int | None) -> Register:
    """Say how many digits the display shows, where the profile knows it; dials show cumulative registers."""
    return replace(register, digits=digits) if digits and register.kind == "cumulative" else register
