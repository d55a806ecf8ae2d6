"""The meter's own side of a test, over its optical port: the register before and after, and test mode.

Registers come by an ordinary visit, so they are checked, recorded and on the record like any reading. Test mode is a
write: it needs somebody who gives leave, and stands in the audit log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from agent.bench.errors import BenchTrouble
from agent.order import Order
from agent.reading import Reading, RegisterPart
from agent.utc_text import utc_text
from agent.visit import Box, visit
from drivers.base import Task
from drivers.c1219.procedure_catalogue import action_named
from drivers.psem.run_procedure import Run, run_procedure
from drivers.secret import Secret
from drivers.writes import Journal

_TO_WH = {"kWh": Decimal(1000), "Wh": Decimal(1), "MWh": Decimal(1_000_000)}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The delivered energy that the meter shows at one moment."""

    meter_id: str
    raw: str
    value: Decimal
    unit: str
    at: str
    recording: str | None  # SHA-256 of what was said on the line

    @property
    def wh(self) -> Decimal:
        return self.value * _TO_WH[self.unit]


@dataclass(frozen=True, slots=True)
class Leave:
    """Who gave leave to write to the meter: a journal, and the password."""

    journal: Journal
    user_id: int | None
    user: str | None
    password: Secret | None


class OpticalPort:
    """One meter at `order.url`. `in_test_mode`: it was put into it, and has not left it yet."""

    def __init__(
        self, order: Order, box: Box, leave: Leave | None = None, *, profile_dirs: tuple[Path, ...] = ()
    ) -> None:
        self._order = order
        self._box = box
        self._leave = leave
        self._profile_dirs = profile_dirs
        self.in_test_mode = False

    async def registers(self) -> Snapshot:
        """Read the register. Raises `BenchTrouble` if there is none, or this is another meter, and as `visit`."""
        outcome = await visit(self._order, self._box)
        if outcome.broken is not None:
            raise BenchTrouble(f"the meter was not read to the end: {outcome.broken}")
        found = snapshot_of(outcome.reading, datetime.now(UTC))
        expected = self._order.expected_meter_id or ""
        if found.meter_id.lstrip("0") != expected.lstrip("0"):  # zeros are padding where ids are BCD
            other = found.meter_id or "one that does not say who it is"
            raise BenchTrouble(
                f"the meter at the optical port is {other}, not {expected}", advice="nothing is reported of this test"
            )
        return found

    async def enter_test_mode(self) -> None:
        """Put the meter into test mode. Raises `BenchTrouble` unless it shows that it is."""
        self.in_test_mode = True
        await self._mode("test")

    async def leave_test_mode(self) -> None:
        """Put the meter back into metering mode. Raises `BenchTrouble` unless it shows that it is."""
        await self._mode("metering")
        self.in_test_mode = False

    async def _mode(self, mode: str) -> None:
        leave = self._leave
        if leave is None:
            raise BenchTrouble("nobody gave leave to put the meter into test mode", advice="--authorized-by")
        task = Task(
            url=self._order.url,
            profile=self._order.profile,
            profile_dirs=self._profile_dirs,
            user_id=leave.user_id,
            user=leave.user,
            password=leave.password,
            monotonic_ns=self._box.clock.boottime_ns,
        )
        wanted = Run(action_named("end_device_mode"), {"mode": mode}, self._order.expected_meter_id or "")
        report = await run_procedure(task, wanted, leave.journal)
        if report.outcome != "done":
            raise BenchTrouble(
                f"the meter does not show that it is in {mode} mode: {report.reason}",
                advice="`mrsp procedure run … end_device_mode mode=metering` puts it back",
            )


def snapshot_of(reading: Reading, at: datetime) -> Snapshot:
    """Return the delivered total of a reading. Raises `BenchTrouble` if it has none that is energy."""
    found = next(filter(_is_total, reading.registers), None)
    if found is None or found.value is None:
        raise BenchTrouble("the meter has no register of the energy delivered", advice="leave `access.registers` out")
    return Snapshot(
        meter_id=reading.meter.meter_id or "",
        raw=found.raw,
        value=Decimal(found.value),
        unit=found.unit,
        at=reading.read_finished_at or utc_text(at),
        recording=None if reading.recording is None else reading.recording.sha256,
    )


def _is_total(one: RegisterPart) -> bool:
    return (
        one.unit in _TO_WH
        and one.direction == "delivered"
        and one.kind == "cumulative"
        and (one.tier, one.season, one.period) == (0, "current", "present")
        and not one.phase
        and one.value is not None
    )
