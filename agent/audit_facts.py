"""What lines of the audit log say of a session: what was asked for, what was read, what went wrong. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.errors import ClockForbids, MrspError
from agent.order import Order
from agent.reading import Reading
from drivers.base import Task
from drivers.errors import printable

LONGEST_TEXT = 1_000  # characters of what a person, a meter or an error said
MOST_NAMES = 64  # tables, checks: a reading has a dozen
#: How a session ended; `done` and `unknown` are of a write, as `drivers.writes.WriteOutcome`.
Result = Literal["read", "in part", "done", "unknown", "refused", "failed", "not visited", "cancelled"]


@dataclass(frozen=True, slots=True)
class Errand:
    """A session that carries out no order: a look at tables, a procedure, the question who calls."""

    task: Task
    asked: str  # in words: "ST01 ST23", "procedure demand_reset"
    expected_meter_id: str = ""
    reason: str = ""  # that a person gave


def asked_of(what: Order | Errand, url: str) -> dict[str, object]:
    """Return where to, why, and what was asked for. Passwords are no part of it; that there is one is told."""
    asked = _of_order(what) if isinstance(what, Order) else _of_errand(what)
    said = {name: value for name, value in asked.items() if value is not None and value is not False and value != ""}
    return {"url": cut(url)} | said


def facts_of(reading: Reading) -> dict[str, object]:
    """Return what was read, in figures; the recording's SHA-256 stands for every octet of it."""
    blocks = reading.interval_blocks
    places = [register.provenance for register in reading.registers] + [block.provenance for block in blocks]
    tables = {place.table for place in places if place is not None}
    tables |= {event.log for event in reading.events if event.log}
    failed = dict.fromkeys(check.check for check in reading.checks if check.outcome == "fail")
    facts: dict[str, object] = {
        "meter_id": cut(reading.meter.meter_id or ""),
        "serial_number": cut(reading.meter.serial_number or ""),
        "reading_id": reading.reading_id,
        "method": reading.method,
        "profile": reading.meter.profile,
        "started_at": reading.read_started_at,
        "finished_at": reading.read_finished_at,
        "registers": len(reading.registers),
        "intervals": sum(len(block.pulses) for block in blocks),
        "channels": len({block.channel for block in blocks}),
        "events": len(reading.events),
        "tables": sorted(tables)[:MOST_NAMES],
        "checks_failed": list(failed)[:MOST_NAMES],
        "clock_correction": reading.clock.correction,
        "recording": reading.recording.sha256 if reading.recording else None,
    }
    return {name: value for name, value in facts.items() if value not in (None, "", [])}


def trouble_of(error: BaseException | None) -> dict[str, object]:
    """Return what ended a session early; nothing where nothing did."""
    if error is None:
        return {}
    said = str(error) if isinstance(error, MrspError) else ""  # another error's text may quote anything
    return {"error": cut(f"{type(error).__name__}: {said}" if said else type(error).__name__)}


def result_of(error: BaseException) -> Result:
    """Return in a word what an error made of a session."""
    if not isinstance(error, Exception):
        return "cancelled"
    if isinstance(error, ClockForbids):
        return "not visited"
    return "refused" if isinstance(error, MrspError) and error.exit_code == 4 else "failed"


def cut(text: str) -> str:
    """Return text as a line of the log may have it: bounded, and nothing in it that a terminal obeys."""
    return printable(text[:LONGEST_TEXT])


def _of_order(order: Order) -> dict[str, object]:
    return {
        "order_id": order.order_id,
        "purpose": order.purpose,
        "requested_at": order.requested_at.isoformat() if order.requested_at else None,
        "expected_meter_id": order.expected_meter_id,
        "user_id": order.user_id,
        "user": order.user,
        "password": order.password_file is not None,
        "asked": "registers" if order.registers_only else "registers, profile and logs",
        "set_clock": order.set_clock,
    }


def _of_errand(errand: Errand) -> dict[str, object]:
    task = errand.task
    return {
        "reason": cut(errand.reason),
        "expected_meter_id": cut(errand.expected_meter_id),
        "user_id": task.user_id,
        "user": task.user,
        "password": task.password is not None,
        "asked": cut(errand.asked),
    }
