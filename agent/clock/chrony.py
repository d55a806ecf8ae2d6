"""Asking the chrony daemon of this box (`chronyc -c tracking`): what it knows of the system clock's error."""

from __future__ import annotations

import asyncio
import contextlib
import re
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from decimal import Decimal

from agent.clock.instant import NS, Clock, Instant, read_instant
from agent.clock.samples import NoTime, Outcome, TimeSample

NAME = "chrony"
FIELDS = 14  # chronyc(1), tracking: reference id, name, stratum, time of last update, system offset …, leap status
LOCAL_CLOCK = "7F7F0101"  # reference id while chronyd serves its own free-running clock (`local`)
REPORT_PRECISION_S = Decimal("1e-6")  # reading the clock, chrony's and ours
SECONDS = re.compile(r"[+-]?[0-9]{1,10}(\.[0-9]{1,12})?")
MAX_WORDS = 200  # of an error message passed on


async def ask(command: Sequence[str], clock: Clock, timeout_s: float) -> Outcome:
    """Ask chronyc; a missing program, a missing daemon or an unsynchronised clock is a `NoTime` that says so."""
    before = read_instant(clock)
    try:
        process = await asyncio.create_subprocess_exec(*command, "-c", "-n", "tracking", stdout=PIPE, stderr=PIPE)
    except (OSError, ValueError) as error:
        return NoTime("chrony", NAME, f"`{command[0]}` cannot be run: {getattr(error, 'strerror', error)}")
    try:
        async with asyncio.timeout(timeout_s):
            output, errors = await process.communicate()
    except TimeoutError:
        return NoTime("chrony", NAME, f"`{command[0]}` did not answer within {timeout_s:g} s")
    finally:
        await _end(process)
    if process.returncode:
        return NoTime("chrony", NAME, f"the daemon cannot be asked: {_first_line(output) or _first_line(errors)}")
    return parse(output.decode("utf-8", "replace"), before, clock.boottime_ns())


async def _end(process: Process) -> None:
    """Leave no child behind, also when we were cancelled."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def parse(text: str, before: Instant, after_boottime_ns: int) -> Outcome:
    """Read one line of `chronyc -c tracking`, obtained between `before` and `after_boottime_ns`.

    Uncertainty: |system offset| + root dispersion + root delay / 2, the bound that chronyc(1) gives for a clock taken
    as it is. We apply the offset and keep the bound: chrony may be slewing the offset away while we read.
    """
    fields = text.strip().split(",")
    if len(fields) < FIELDS:
        return NoTime("chrony", NAME, f"its answer is not understood: {_first_line(text.encode()) or 'nothing'}")
    reference_id, name, stratum, leap = fields[0].upper(), fields[1], fields[2], fields[13]
    if leap == "Not synchronised":
        return NoTime("chrony", NAME, "the daemon runs, but has not synchronised the clock (leap status)")
    if reference_id == LOCAL_CLOCK:
        return NoTime("chrony", NAME, "the daemon follows nothing but this box's own clock (`local`)")
    try:
        updated, behind, delay, dispersion = (_seconds(fields[index]) for index in (3, 4, 10, 11))
    except ValueError as error:
        return NoTime("chrony", NAME, f"its answer is not understood: {error}")
    offset = -behind  # chronyc gives the correction: positive when the system clock is slow
    reading = Decimal(after_boottime_ns - before.boottime_ns) / NS  # a step meanwhile is noticed elsewhere
    return TimeSample(
        offset_s=offset,
        uncertainty_s=abs(offset) + abs(dispersion) + abs(delay) / 2 + REPORT_PRECISION_S,
        source="chrony",
        name=NAME,
        reference=name or reference_id,
        at_boottime_ns=after_boottime_ns,
        detail=f"stratum {stratum}",
        age_s=max(Decimal(before.realtime_ns) / NS + reading - offset - updated, Decimal(0)),
        leap_pending=leap in {"Insert second", "Delete second"},
    )


def _seconds(text: str) -> Decimal:
    if not SECONDS.fullmatch(text):
        raise ValueError(f"`{text[:MAX_WORDS]}` is no number of seconds")
    return Decimal(text)


def _first_line(octets: bytes) -> str:
    lines = octets.decode("utf-8", "replace").split("\n")
    return "".join(letter for letter in lines[0][:MAX_WORDS] if letter.isprintable()).strip()
