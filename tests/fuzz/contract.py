"""What every reading document must be, whatever the meter said: written from the contract, not from the code."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from agent.checks import Subject, load_rule_set, run_checks
from agent.document import Visit, build_reading, encode
from agent.order import Order
from agent.reading import ClockPart, Reading
from drivers.data import IntervalBlock, MeterData, Register
from tests.checks.good_subject import good_clock

START = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?")
RAW = re.compile(r"-?[0-9]+(\.[0-9]+)?")
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
WORDS = {
    "power_outage", "partial", "skipped", "long", "short", "overflow", "test_mode", "clock_adjusted",
    "daylight_saving", "missing", "parity_error",
}  # fmt: skip
DIRECTIONS = {"delivered", "received", "net", "total"}
KINDS = {"cumulative", "demand", "cumulative_demand", "coincident", "instantaneous"}
PERIODS = {"present", "previous_reset", "self_read"}


def document_of(data: MeterData) -> dict[str, Any]:
    """Judge, compose and encode as a visit does; return the document, which the contract allows."""
    order = Order(url="serial:///dev/hostile", expected_meter_id="100", dials=5, decimals=0)
    finished = START + timedelta(minutes=5)
    subject = Subject(
        data=data,
        clock=good_clock(),
        read_started_at=START,
        read_at=finished,
        expected_meter_id="100",
        dials=5,
        decimals=0,
        last_read_at=START - timedelta(days=30),
    )
    checks = run_checks(subject, load_rule_set("ubp-2000", ()))
    broke = [result for result in checks if "the check broke" in (result.reason or "")]
    assert not broke, broke
    visit = Visit(agent_id="gw-1", started_at=START, finished_at=finished)
    octets = encode(build_reading(order, data, visit, ClockPart(agent_source="none", corrected=False), checks))
    assert msgspec.json.decode(octets, type=Reading)
    tree: dict[str, Any] = json.loads(octets)
    _check_text(tree)
    for register in tree["registers"]:
        _check_register(register)
    for block in tree["interval_blocks"]:
        _check_block(block)
    for event in tree["events"]:
        _check_event(event)
    return tree


def check_values(data: MeterData) -> None:
    """Every value follows from its raw number, by the multiplier and offset that stand beside it."""
    for register in data.registers:
        _check_register_value(register)
    for block in data.blocks:
        _check_block_values(block)


def _check_register_value(register: Register) -> None:
    if register.value is not None:
        exact = Decimal(register.raw) * register.multiplier + (register.offset or 0)
        assert abs(exact - register.value) <= abs(exact) * Decimal("1e-20"), register
    if register.source is not None:
        assert len(register.source.octets) == register.source.length, register


def _check_block_values(block: IntervalBlock) -> None:
    assert len(block.counts) == len(block.values) == len(block.status) > 0
    for count, value, words in zip(block.counts, block.values, block.status, strict=True):
        assert (count is None) == (value is None)
        if count is None or value is None:
            assert "missing" in words or "overflow" in words
        else:
            exact = count * block.multiplier + (block.offset or 0)
            assert abs(exact - value) <= abs(exact) * Decimal("1e-20")


def _check_text(part: Any) -> None:
    """No text of a meter reaches a person's terminal raw."""
    if isinstance(part, dict):
        assert None not in part.values(), part
        for value in part.values():
            _check_text(value)
    elif isinstance(part, list):
        for value in part:
            _check_text(value)
    elif isinstance(part, str):
        assert part.isprintable(), part
        assert len(part) < 2000, part
    else:
        assert not isinstance(part, float), part


def _check_register(register: dict[str, Any]) -> None:
    assert RAW.fullmatch(register["raw"]), register
    assert NUMBER.fullmatch(register["multiplier"]), register
    assert NUMBER.fullmatch(register.get("value", "0")), register
    assert MOMENT.fullmatch(register.get("occurred_at", "2026-01-01T00:00:00Z")), register
    assert register["direction"] in DIRECTIONS
    assert register["kind"] in KINDS
    assert register["period"] in PERIODS
    assert register["quantity"]
    assert register["unit"]


def _check_block(block: dict[str, Any]) -> None:
    assert MOMENT.fullmatch(block["first_interval_end"]), block
    assert NUMBER.fullmatch(block["multiplier"]), block
    assert block["direction"] in DIRECTIONS
    assert block["interval_s"] > 0
    assert len(block["pulses"]) == len(block["values"]) == len(block["status"]) > 0
    for pulses, value, words in zip(block["pulses"], block["values"], block["status"], strict=True):
        assert value is None or NUMBER.fullmatch(value), block
        assert (pulses is None) == (value is None)
        assert set(words) <= WORDS, words


def _check_event(event: dict[str, Any]) -> None:
    assert MOMENT.fullmatch(event.get("at", "2026-01-01T00:00:00Z")), event
    assert re.fullmatch(r"([0-9A-F]{2})*", event.get("argument", "")), event
    assert event["name"]
