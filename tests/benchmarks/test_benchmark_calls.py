"""Thousands of calls with every fault, by the whole agent in virtual time: what each costs, and that none is lost."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from metersim.modem import Network
from tests.benchmarks.figures import Figures
from tests.system.telephone_town import Plan, run_town
from tests.system.test_system_calls import FAULTS, judge

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1200)]

CALLS, CPU_S = 2000, 0.5


def test_thousands_of_calls(figures: Figures, tmp_path: Path) -> None:
    plan = Plan(sites=220, modems=40, times=6, network=Network(FAULTS, seed=2))
    began = time.process_time()
    town = run_town(plan, tmp_path)
    cpu_s = time.process_time() - began
    judge(town, plan)
    ends = Counter(row.state for row in town.rows)
    note = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in sorted(ends.items()))
    figures.assert_at_least("calls with every fault, in virtual time", town.calls, at_least=CALLS, note=note)
    reasons = Counter(row.reason for row in town.rows if row.state == "given_up")
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    figures.tell("  reads given up, with a reason", sum(reasons.values()), note=told)
    figures.assert_below("  CPU for a call, simulated side included", cpu_s / town.calls, "s", below=CPU_S)
