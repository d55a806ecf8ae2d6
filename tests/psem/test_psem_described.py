"""Registers that a family keeps in manufacturer tables come home with their source, as the profile describes them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from drivers.profiles.library import profile_of_text
from drivers.psem.meaning import meter_data
from tests.psem.simulated import SimulatedMeter

NOW = datetime(2026, 3, 10, 12, 0, 30, tzinfo=UTC)
PROFILE = """
name = "acme-sx"
title = "ACME SX"
status = "not tried on hardware"

[[manufacturer_table]]
number = 110
name = "Present values"
[[manufacturer_table.field]]
name = "status"
type = "U8"
[[manufacturer_table.field]]
name = "power"
type = "I32"
scale = "0.001"
unit = "kW"
register = { quantity = "kW", direction = "net", kind = "instantaneous" }
"""


def test_a_described_field_is_a_register_of_the_reading() -> None:
    visited = SimulatedMeter.named("minimal", NOW).visit()
    collection = visited.collector.collection
    profile = profile_of_text(PROFILE, "acme-sx")
    assert profile.register_tables() == (2048 + 110,)
    collection.octets["MT110"] = b"\x01" + (-12_345).to_bytes(4, "little", signed=True)
    data = meter_data(collection, profile, site_zone=None)
    (register,) = [one for one in data.registers if one.source is not None and one.source.table == "MT110"]
    assert (register.value, register.unit, register.kind, register.direction) == (
        Decimal("-12.345"),
        "kW",
        "instantaneous",
        "net",
    )
    assert register.source is not None
    assert (register.source.offset, register.source.length) == (1, 4)


def test_what_does_not_fit_is_a_problem_and_no_register() -> None:
    visited = SimulatedMeter.named("minimal", NOW).visit()
    collection = visited.collector.collection
    collection.octets["MT110"] = b"\x01\x02"
    data = meter_data(collection, profile_of_text(PROFILE, "acme-sx"), site_zone=None)
    assert [problem for problem in data.problems if "MT110" in problem.what]
    assert all(one.source is None or one.source.table != "MT110" for one in data.registers)
