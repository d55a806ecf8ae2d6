"""Visits in the audit log: who was visited, what was read and written there, and what a refusal looks like."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from agent.audit import AuditLog
from agent.audit_sessions import SessionLog
from agent.audit_verify import entries, verify
from agent.box import audit_file_of, configured_box, records_of, sessions_of
from agent.clock.instant import read_instant
from agent.clock.keeper import ProofKeeper
from agent.clock.proof import ClockProof, Policy
from agent.clock.system import SystemClock
from agent.config import load_config
from agent.errors import ClockForbids, LocalTrouble
from agent.order import Order
from agent.visit import Box, visit
from drivers.errors import MeterSilent, PasswordRefused, TransportError
from metersim.meter.serving import running_meter
from tests.young_meters import young

NOW = datetime(2026, 3, 10, 12, 0, 30, tzinfo=UTC)
WRITES = "11111111"  # password of the level that may write


class Proven:
    """A box whose clock is right."""

    async def prove(self, **_asked: Any) -> ClockProof:
        now = read_instant(SystemClock())
        right, told = Decimal(0), datetime.now(UTC)
        return ClockProof(
            synchronized=True, source="ntp", measured=now, policy=Policy(), offset_s=right,
            uncertainty_s=Decimal("0.001"), heard_at=told,
        )  # fmt: skip


def password(directory: Path, text: str) -> str:
    path = directory / "password"
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def box_with(path: Path, **more: Any) -> Box:
    def opened() -> AuditLog:
        return AuditLog(path, lambda: datetime.now(UTC))

    return Box("gw-1", SystemClock(), audit=opened, sessions=SessionLog(opened, by="mrsp run as mrsp"), **more)


async def test_a_visit_that_sets_the_clock_is_one_session_with_its_write(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    box = box_with(path, keeper=cast(ProofKeeper, Proven()))
    async with running_meter("residential-tou", now=datetime.now(UTC), tcp=0, faults=["clock_offset=35"]) as meter:
        order = Order(
            meter.address, "4711", "final", expected_meter_id="87654321", password_file=password(tmp_path, WRITES),
            registers_only=True, set_clock=True,
        )  # fmt: skip
        reading = (await visit(order, box)).reading
    assert reading.clock.correction == "set"
    begun, before, after, ended = entries(path)
    assert [line["event"] for line in (begun, before, after, ended)] == ["session_begun", "before", "after", "session"]
    assert (begun["order_id"], begun["purpose"], begun["set_clock"], begun["password"]) == ("4711", "final", True, True)
    assert before["session"] == ended["of"] == begun["seq"]
    assert before["authorized_by"] == "order 4711"
    assert (ended["reading_id"], ended["meter_id"], ended["result"]) == (reading.reading_id, "87654321", "read")
    assert ended["registers"] == len(reading.registers) > 0
    assert ended["clock_correction"] == "set"
    assert verify(path).broken == ""
    assert WRITES not in path.read_text()


async def test_what_came_to_nothing_is_there_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    box = box_with(path)
    async with running_meter(young("residential-tou", NOW), now=NOW, tcp=0, rate=0) as meter:
        bench = Order(meter.address, registers_only=True, clock_check=False)
        with pytest.raises(PasswordRefused, match="the password is wrong"):
            await visit(Order(bench.url, password_file=password(tmp_path, "nonsense"), clock_check=False), box)
    with pytest.raises(LocalTrouble):
        await visit(Order(bench.url, password_file=str(tmp_path / "none"), clock_check=False), box)
    nobody = box_with(path, keeper=cast(ProofKeeper, Unproven()))
    with pytest.raises(ClockForbids):
        await visit(Order(bench.url), nobody)
    ended = [(line["result"], line["error"].partition(":")[0]) for line in entries(path) if line["event"] == "session"]
    assert ended == [("refused", "PasswordRefused"), ("failed", "LocalTrouble"), ("not visited", "ClockForbids")]
    assert "nonsense" not in path.read_text()


class Unproven(Proven):
    """A box that does not know the time."""

    async def prove(self, **_asked: Any) -> ClockProof:
        now = read_instant(SystemClock())
        return ClockProof(synchronized=False, source="none", measured=now, policy=Policy())


async def test_a_meter_is_left_alone_where_the_log_takes_no_line(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    async with running_meter(young("residential-tou", NOW), now=NOW, tcp=0, rate=0) as meter:
        with pytest.raises(LocalTrouble, match="no meter is visited"):
            await visit(Order(meter.address, clock_check=False), box_with(tmp_path / "state" / "audit.jsonl"))
        assert meter.application.last_read == {}


CONFIG = """\
[agent]
agent_id = "gw-1"
state_directory = "state"
"""


async def test_the_boxes_of_the_service_and_of_a_person_share_one_log(tmp_path: Path) -> None:
    (tmp_path / "mrsp.toml").write_text(CONFIG)
    config = load_config(tmp_path / "mrsp.toml")
    service = configured_box(config, SystemClock(), records=records_of(config))
    by_hand = sessions_of(config, "mrsp read")
    person = configured_box(config, SystemClock(), records=records_of(config), sessions=by_hand)
    order = Order("tcp://127.0.0.1:1", clock_check=False)
    for box in (service, person):
        with pytest.raises(TransportError):
            await visit(order, box)
    begun = [line for line in entries(audit_file_of(config)) if line["event"] == "session_begun"]
    assert [line["came"] for line in begun] == ["schedule", "by hand"]
    assert [line["by"].partition(" as ")[0] for line in begun] == ["mrsp run", "mrsp read"]


async def test_a_log_that_somebody_breaks_is_put_aside_and_visits_go_on(tmp_path: Path) -> None:
    (tmp_path / "mrsp.toml").write_text(CONFIG)
    config = load_config(tmp_path / "mrsp.toml")
    path, sessions = audit_file_of(config), sessions_of(config, "mrsp run")
    order = Order("/dev/null")
    async with sessions.session(order):
        pass
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 4] + b"\n")
    with pytest.raises(LocalTrouble, match="is broken"):
        async with sessions.session(order):
            raise MeterSilent("never")
    async with sessions.session(order):
        pass
    assert [line["event"] for line in entries(path)] == ["set_aside", "session_begun", "session"]
    assert verify(path).broken == ""
