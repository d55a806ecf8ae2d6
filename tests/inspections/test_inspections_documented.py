"""The manual of the inspections names every list, every finding of it, and every code of a stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.anomalies.at_site import FINDINGS
from agent.inspections import checklists

MANUAL = Path(__file__).parents[2] / "docs" / "inspections.md"


@pytest.fixture(scope="module")
def rows() -> list[str]:
    return [line for line in MANUAL.read_text("utf-8").splitlines() if line.startswith("| ")]


def test_every_list_is_there_with_its_findings(rows: list[str]) -> None:
    for one in checklists():
        (row,) = [row for row in rows if row.startswith(f"| {one.title} |")]
        named = {one.finding_of(item) for item in one.items} | {item.not_seen for item in one.items}
        assert {finding for finding in named if finding is not None and f"`{finding}`" not in row} == set()


def test_every_code_is_there_with_its_finding(rows: list[str]) -> None:
    for code, finding in FINDINGS.items():
        (row,) = [row for row in rows if f"`{code}`" in row.split("|")[1] and row.split("|")[1].strip().startswith("`")]
        assert f"`{finding}`" in row if finding is not None else "nothing by itself" in row
