"""The page about the checks is of this code, and names every check and clause."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.checks import load_rule_set, rule_set_names
from agent.checks.words import in_words
from agent.cli.main import main
from agent.cli.rules import as_markdown

PAGE = Path(__file__).parents[2] / "docs" / "checks.md"


def test_the_page_is_of_this_code() -> None:
    made = as_markdown([load_rule_set(name) for name in rule_set_names()])
    assert PAGE.read_text(encoding="utf-8").rstrip("\n") == made.rstrip("\n"), (
        "run: mrsp rules reference > docs/checks.md"
    )


def test_each_check_of_each_rule_set_is_there_with_its_clause(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "reference"]) == 0
    page = capsys.readouterr().out
    for name in rule_set_names():
        for line in in_words(load_rule_set(name)):
            assert f"`{line.check}`" in page
            assert f"| `{name}` | {line.asks} | {line.clause} |" in page
