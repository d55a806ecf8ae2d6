"""What a reading costs in computing, apart from the line: decoding a profile, and judging one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from agent.checks import load_rule_set, run_checks
from drivers.c1219 import Context, decode
from drivers.c1219.profile import interval_blocks
from drivers.c1219.times import MeterTimes
from drivers.profiles import load_profiles
from drivers.psem.collection import Collection
from drivers.psem.meaning import meter_data
from metersim.meter import Meter, load_scenario
from metersim.meter.model import microseconds
from metersim.meter.tables.image import Image
from tests.benchmarks.figures import Figures, median_of
from tests.checks.good_subject import good_subject, outcomes

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(120)]

RUNS = 30
CHANNELS, INTERVALS = 4, 35 * 96
SCENARIO = "profile-35d-4ch"
NOW = datetime(2026, 11, 21, 4, 7, 33, tzinfo=UTC)
DATA = 64


@pytest.fixture(scope="module")
def tables() -> dict[int, bytes]:
    """Every table of the meter as octets, in the order in which one is decoded after those that it depends on."""
    meter = Meter(load_scenario(SCENARIO), 1, microseconds(NOW))
    image = Image(meter)
    held = {number: image.octets(number, meter.start_us) for number in sorted(image.tables)}
    return {number: octets for number, octets in held.items() if octets}


def known(tables: dict[int, bytes]) -> Context:
    """Decode all but the profile's data."""
    context = Context()
    for number, octets in tables.items():
        if number != DATA:
            context = context.with_table(decode(number, octets, context))
    return context


def test_decoding_a_long_profile_is_cheap(figures: Figures, tables: dict[int, bytes]) -> None:
    context = known(tables)
    times = MeterTimes.of(context, None)
    decoded = 0

    def decode_profile() -> float:
        """From the octets of ST64 to the value, status and time of every interval."""
        nonlocal decoded
        began = time.process_time()
        blocks, problems = interval_blocks(context, times, 1, tables[DATA])
        took = time.process_time() - began
        assert not [problem for problem in problems if problem.lost]
        decoded = sum(len(block.values) for block in blocks)
        return 1000 * took

    took, note = median_of(RUNS, decode_profile)
    assert decoded >= CHANNELS * INTERVALS
    figures.assert_below(
        "decode 4 channels × 3,360 intervals", took, "ms CPU", below=10, note=f"{decoded} intervals, {note}"
    )


def test_decoding_a_whole_visit_is_cheap(figures: Figures, tables: dict[int, bytes]) -> None:
    generic = load_profiles(()).generic
    size = len(tables[DATA]) // 36

    def decode_all() -> float:
        """From the octets of every table to the meaning of every register, interval and event."""
        began = time.process_time()
        collection = Collection(known(tables))
        collection.octets = {f"ST{number:02}": octets for number, octets in tables.items() if number != DATA}
        collection.blocks = {1: {at: tables[DATA][at * size : (at + 1) * size] for at in range(36)}}
        data = meter_data(collection, generic, site_zone=None)
        took = time.process_time() - began
        assert data.registers
        assert len(data.blocks) == 36 * CHANNELS
        return 1000 * took

    took, note = median_of(RUNS, decode_all)
    figures.assert_below("  the whole visit, all tables", took, "ms CPU", below=25, note=note)


def test_judging_a_long_profile_is_cheap(figures: Figures) -> None:
    subject, rules = good_subject(INTERVALS, channels=4), load_rule_set("ubp-2000", ())
    assert subject.data.blocks[0].multiplier == Decimal("0.25")

    def judge() -> float:
        began = time.process_time()
        results = run_checks(subject, rules)
        took = time.process_time() - began
        assert "fail" not in outcomes(results).values()
        return 1000 * took

    took, note = median_of(RUNS, judge)
    figures.assert_below("all checks, 35 days × 4 channels", took, "ms CPU", below=30, note=note)
