"""The checklists ask for what the Uniform Business Practices list, each item with its clause, safety first."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.anomalies.kinds import KINDS
from agent.errors import ConfigError
from agent.inspections import checklists
from agent.inspections.checklist import by_code

LIST = """\
name = "{name}"
title = "T"
source = "S"
place = {place}
finding = "physical_danger"
[[items]]
code = "{code}"
text = "X"
clause = "C"
"""


def test_what_bears_on_safety_comes_first() -> None:
    lists = checklists()
    assert [one.name for one in lists] == [
        "electrical_hazards",
        "physical_dangers",
        "life_support",
        "theft_of_service",
        "sealing",
        "meter",
        "instrument_transformers",
        "pole_mounted",
        "pad_mounted",
    ]
    safe = [KINDS[one.finding].safety_related for one in lists]
    assert safe[:3] == [True] * 3


def test_every_item_of_the_practices_is_there() -> None:
    count = {one.name: sum(not item.remark_needed for item in one.items) for one in checklists()}
    assert count["electrical_hazards"] == 9 + 1  # and the empty socket, of Sealing and Locking
    assert count["physical_dangers"] == 9
    assert count["theft_of_service"] == 6 + 4  # 1.1 and 1.2
    assert (count["instrument_transformers"], count["pole_mounted"], count["pad_mounted"]) == (3, 3, 4)
    assert all(item.clause.startswith("UBP, ") for one in checklists() for item in one.items)


def test_electrical_hazards_are_immediate_threats_and_may_be_corrected() -> None:
    items = by_code(checklists())
    hazards = [item for one, item in items.values() if one.name == "electrical_hazards"]
    assert all(item.immediate and item.correctable for item in hazards)
    dangers = [item for one, item in items.values() if one.name == "physical_dangers"]
    assert not any(item.immediate for item in dangers)
    assert all(item.correctable for item in dangers)


def test_evidence_of_theft_is_never_put_right_in_silence() -> None:
    items = by_code(checklists())
    assert not any(item.correctable or item.noted for one, item in items.values() if one.name == "theft_of_service")


def test_lists_that_are_not_all_inclusive_end_with_words_of_the_person() -> None:
    ends = {one.name: one.items[-1] for one in checklists()}
    named = ("electrical_hazards", "physical_dangers", "theft_of_service")
    assert all(ends[name].remark_needed for name in named)


@pytest.mark.parametrize(
    ("second", "what"),
    [
        ({"name": "one", "place": 2, "code": "other"}, "the name 'one'"),
        ({"name": "two", "place": 1, "code": "other"}, "the place '1'"),
        ({"name": "two", "place": 2, "code": "same"}, "the code 'same'"),
    ],
)
def test_what_is_there_twice_is_refused(tmp_path: Path, second: dict[str, object], what: str) -> None:
    (tmp_path / "a.toml").write_text(LIST.format(name="one", place=1, code="same"))
    (tmp_path / "b.toml").write_text(LIST.format(**second))
    with pytest.raises(ConfigError, match=what):
        checklists(tmp_path)


def test_a_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    text = LIST.format(name="one", place=1, code="same").replace('clause = "C"', 'clause = "C"\nfinding = "ghost"')
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"a.toml, line 10: `items\[0\].finding`"):
        checklists(tmp_path)
