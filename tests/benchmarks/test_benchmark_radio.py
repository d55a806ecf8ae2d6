"""Radio at 200 messages a second: a stand-in for rtl_433 prints them on time, and every single one is accounted for.

Half are of planned meters, half of 10,000 foreign ones. What the readings cost is in it: each planned meter is
delivered. A second figure shows how much faster the lines could come.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from agent.clock.system import SystemClock
from agent.listening.delivery import Deliverer, Terms
from agent.listening.plan import PlannedMeter, ReadPlan
from agent.listening.radio import LiveReceiver, Printed, RadioEar
from agent.listening.run import Listening, Run
from agent.order import Order
from agent.visit import Box, Outcome
from drivers.ert.command import Tuning
from drivers.ert.receiver import Rtl433
from drivers.ert.supervision import Patience
from tests.benchmarks.figures import Figures
from tests.benchmarks.gateway import resident_mb
from tests.ert.ert_lines import idm, scm

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(300)]

A_SECOND, SECONDS, PLANNED, FOREIGN = 200, 30, 1_000, 10_000
PRINTER = """\
import sys, time
lines = open({path!r}, "rb").read().splitlines(keepends=True)
began = time.monotonic()
for k, line in enumerate(lines):
    time.sleep(max(0, began + k / {rate} - time.monotonic()))
    if k % {rate} == 0:
        print("Current noise level -20.0 dB, estimated noise -20.0 dB", file=sys.stderr, flush=True)
    sys.stdout.buffer.write(line)
    sys.stdout.flush()
"""


def messages() -> list[bytes]:
    """Planned and foreign in turn; one in ten is an interval message."""
    lines = []
    for k in range(A_SECOND * SECONDS // 2):
        who = 1 + k % PLANNED
        lines.append(idm(who, 1_000 + who) if who % 10 == 0 else scm(who, 1_000 + who))
        lines.append(scm(1_000_000 + k % FOREIGN, k))
    return lines


def planned() -> ReadPlan:
    return ReadPlan(tuple(PlannedMeter(str(who), "idm" if who % 10 == 0 else "scm") for who in range(1, PLANNED + 1)))


def run_of(ear: RadioEar, clock: SystemClock) -> Run:
    making = Deliverer(ear, Box("gw-1", clock), Terms(clock_check=False))
    return Run(ear, planned(), making, clock, Listening(hold=timedelta(seconds=1)))


async def count(_order: Order, outcome: Outcome) -> None:
    assert outcome.reading.registers[0].value is not None


def test_200_messages_a_second_without_loss(tmp_path: Path, figures: Figures) -> None:
    lines = messages()
    stored, program = tmp_path / "lines", tmp_path / "rtl_433"
    stored.write_bytes(b"".join(line + b"\n" for line in lines))
    script = tmp_path / "printer.py"
    script.write_text(PRINTER.format(path=str(stored), rate=A_SECOND))
    program.write_text(f"#!/bin/sh\nexec {sys.executable} {script}\n")
    program.chmod(0o755)
    clock = SystemClock()
    patience = Patience(most_an_hour=1, most_at_start=1)
    receiver = Rtl433(Tuning(), ("scm", "idm"), program=str(program), patience=patience, report=lambda _words: None)
    run = run_of(RadioEar(LiveReceiver(receiver), clock), clock)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    with pytest.raises(Exception, match="failed 1 times"):  # the stand-in ends, which a receiver never does
        asyncio.run(run.listen(count))
    took = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    board = run.board
    assert board.receptions == len(lines)
    assert board.refused.total() == 0
    assert board.delivered == PLANNED
    assert len(board.foreign.by_meter) == len(lines) // 2
    busy = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / took
    note = f"{len(lines):,} messages in {took:.1f} s, {PLANNED:,} readings, {len(lines) // 2:,} foreign meters"
    figures.assert_at_least(
        "radio messages a second, none lost", len(lines) / took, "/s", at_least=0.95 * A_SECOND, note=note
    )
    figures.assert_below("radio at 200/s: share of one core", busy, below=0.5)
    figures.tell("radio: memory of the process", resident_mb(os.getpid()), "MB")


def test_how_fast_lines_are_taken(tmp_path: Path, figures: Figures) -> None:
    lines = messages()
    stored = tmp_path / "lines"
    stored.write_bytes(b"".join(line + b"\n" for line in lines))
    clock = SystemClock()
    run = run_of(RadioEar(Printed(stored), clock), clock)
    began = time.process_time()
    asyncio.run(run.listen(count))
    took = time.process_time() - began
    assert run.board.receptions == len(lines)
    rate = len(lines) / took
    figures.assert_at_least(
        "radio messages a second at full speed", rate, "/s", at_least=1_000, note="readings included"
    )
