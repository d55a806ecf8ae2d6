"""What a reading costs in computing, apart from the line: decoding a profile, and judging one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from agent.checks import load_rule_set, run_checks
from drivers.c1219 import Context, decode
from drivers.profiles import load_profiles
from drivers.psem.client import PsemClient
from drivers.psem.collect import CLOCK, LOGS, REGISTERS, SOURCES, WHO, Collector
from drivers.psem.collection import Collection
from drivers.psem.meaning import meter_data
from drivers.secret import Secret
from drivers.transport import open_transport
from metersim.meter import running_meter
from tests.benchmarks.figures import Figures, median_of
from tests.checks.good_subject import good_subject, outcomes
from tests.system.world import DEFAULT_PASSWORD

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(120)]

RUNS = 30
CHANNELS, INTERVALS = 2, 35 * 96


async def visited() -> Collection:
    """Return what a visit to the meter brings home: octets, nothing decoded that counts here."""
    async with running_meter("profile-35d", now=datetime.now(UTC), tcp=0) as meter:
        line = await open_transport(meter.address)
        client = PsemClient(line)
        collector = Collector(client, Context(), progress=lambda _: None, monotonic_ns=time.monotonic_ns)
        try:
            async with client.session(Secret(DEFAULT_PASSWORD.encode())):
                await collector.configuration()
                await collector.tables((*WHO, *SOURCES))
                await collector.clock()
                await collector.tables((*CLOCK, *REGISTERS))
                await collector.profile()
                await collector.tables(LOGS)
        finally:
            await line.close()
    return collector.collection


async def test_decoding_a_long_profile_is_cheap(figures: Figures) -> None:
    collection = await visited()
    generic = load_profiles(()).generic
    intervals = 0

    def decode_all() -> float:
        """From the octets of every table to the meaning of every register, interval and event."""
        nonlocal intervals
        began = time.process_time()
        context = Context()
        for name, octets in collection.octets.items():
            context = context.with_table(decode(int(name[2:]), octets, context))
        collection.context = context
        data = meter_data(collection, generic, site_zone=None)
        took = time.process_time() - began
        assert not [problem for problem in data.problems if problem.lost]
        intervals = sum(len(block.counts) for block in data.blocks)
        return 1000 * took

    took, note = median_of(RUNS, decode_all)
    assert intervals >= CHANNELS * INTERVALS
    figures.judge("decode 35 days × 2 channels, all tables", took, "ms CPU", below=20, note=note)


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
    figures.judge("all checks, 35 days × 4 channels", took, "ms CPU", below=30, note=note)
