"""The contract with the MDSP names every finding and every member of a report, as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.anomalies.kinds import KINDS
from agent.anomaly import Anomaly

CONTRACT = Path(__file__).parents[2] / "docs" / "mdsp-contract.md"


@pytest.fixture(scope="module")
def section() -> str:
    return CONTRACT.read_text("utf-8").partition("## 10. Anomaly reports")[2]


def test_every_finding_is_in_the_contract_with_its_words(section: str) -> None:
    rows = [f"| `{name}` | {'yes' if kind.safety_related else ''} | {kind.title} |" for name, kind in KINDS.items()]
    assert [row for row in rows if row not in section] == []
    assert section.count("\n| `") >= len(rows)


def test_every_member_of_a_report_is_in_the_contract(section: str) -> None:
    members = set(Anomaly.__struct_fields__) - {"schema"}
    assert {name for name in members if f"`{name}`" not in section} == set()
