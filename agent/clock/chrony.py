"""Asking the chrony daemon of this box (`chronyc -c tracking`): what it knows of the system clock's error."""

from __future__ import annotations

import asyncio
import contextlib
import re
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from ipaddress import ip_address

from agent.clock.instant import NS, Counters, Instant, read_instant
from agent.clock.samples import RECEIVER, Leap, NoTime, Outcome, TimeSample
from drivers.errors import printable

NAME = "chrony"
FIELDS = 14  # chronyc(1), tracking: reference id, name, stratum, time of last update, system offset …, leap status
LOCAL_CLOCK = "7F7F0101"  # reference id while chronyd serves its own free-running clock (`local`)
SAME_CLOCK_S = 3  # chronyc tells the age of a sample in whole seconds, and questions take their time
REPORT_PRECISION_S = Decimal("1e-6")  # reading the clock, chrony's and ours
SECONDS = re.compile(r"[+-]?[0-9]{1,10}(\.[0-9]{1,12})?")
LEAPS: dict[str, Leap] = {"Insert second": "insert", "Delete second": "delete"}
AUTHENTICATION = {"NTS": "NTS", "SK": "key"}
SMEARING = {"7F7F01FF"}  # reference id of a server that smears with chrony
MAX_WORDS = 200  # of an error message passed on


async def ask(command: Sequence[str], clock: Counters, timeout_s: float) -> Outcome:
    """Ask chronyc; a missing program, a missing daemon or an unsynchronised clock is a `NoTime` that says so."""
    said = await _tracking(command, clock, timeout_s)
    if isinstance(said, NoTime):
        return said
    return replace(said, authenticated=await _authentication(command, said.reference, timeout_s))


async def _tracking(command: Sequence[str], clock: Counters, timeout_s: float) -> Outcome:
    before = read_instant(clock)
    try:
        async with asyncio.timeout(timeout_s):
            status, output, errors = await _run(command, "tracking")
    except (OSError, ValueError) as error:
        if isinstance(error, TimeoutError):
            return NoTime("chrony", NAME, f"`{command[0]}` did not answer within {timeout_s:g} s")
        return NoTime("chrony", NAME, f"`{command[0]}` cannot be run: {getattr(error, 'strerror', error)}", "missing")
    after_boottime_ns = clock.boottime_ns()
    if status:
        words = _first_line(output) or _first_line(errors)
        return NoTime("chrony", NAME, f"the daemon cannot be asked: {words}", "down")
    return parse(output.decode("utf-8", "replace"), before, after_boottime_ns)


async def _authentication(command: Sequence[str], reference: str, timeout_s: float) -> str:
    """Return how the server that chrony follows proves who it is; empty where that is not known.

    chronyd tells only whom it trusts: its user and root, through its Unix socket (chronyc(1), authdata).
    """
    try:
        async with asyncio.timeout(timeout_s):
            status, output, _ = await _run(command, "authdata")
    except (OSError, ValueError):
        return ""
    return parse_authentication(output.decode("utf-8", "replace"), reference) if status == 0 else ""


def parse_authentication(text: str, reference: str) -> str:
    """Read `chronyc -c authdata`: name, mode, …; one line for each server."""
    modes = {fields[0]: fields[1] for line in text.splitlines() if len(fields := line.split(",")) > 1}
    return AUTHENTICATION.get(modes.get(reference, ""), "")


async def _run(command: Sequence[str], question: str) -> tuple[int | None, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(*command, "-c", "-n", question, stdout=PIPE, stderr=PIPE)
    try:
        output, errors = await process.communicate()
    finally:
        await _end(process)
    return process.returncode, output, errors


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
    fields = printable(text.strip()).split(",")
    if len(fields) < FIELDS:
        return NoTime("chrony", NAME, f"its answer is not understood: {_first_line(text.encode()) or 'nothing'}")
    reference_id, name, stratum, leap = fields[0].upper(), fields[1], fields[2], fields[13]
    if leap == "Not synchronised":
        return NoTime("chrony", NAME, "the daemon runs, but has not synchronised the clock (leap status)", "waiting")
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
        reference=(name or reference_id)[:MAX_WORDS],
        at_boottime_ns=after_boottime_ns,
        peer="" if _is_address(name) else RECEIVER,
        detail=f"stratum {stratum}",
        age_s=max(Decimal(before.realtime_ns) / NS + reading - offset - updated, Decimal(0)),
        leap=LEAPS.get(leap, "none"),
        stratum=int(stratum) if re.fullmatch(r"[0-9]{1,2}", stratum) else None,
        smeared=reference_id in SMEARING,
    )


def _is_address(name: str) -> bool:
    """Whether chrony follows a server, not a reference clock of this box."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _seconds(text: str) -> Decimal:
    if not SECONDS.fullmatch(text):
        raise ValueError(f"`{text[:MAX_WORDS]}` is no number of seconds")
    return Decimal(text)


def _first_line(octets: bytes) -> str:
    lines = octets.decode("utf-8", "replace").split("\n")
    return "".join(letter for letter in lines[0][:MAX_WORDS] if letter.isprintable()).strip()
