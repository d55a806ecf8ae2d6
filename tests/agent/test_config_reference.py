"""The reference of the configuration says every key that the code reads, with a meaning; the page is of this code."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from agent.cli.main import main
from agent.config import Settings
from agent.config_reference import as_markdown, sections

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_every_key_says_what_it_means() -> None:
    silent = [f"{one.heading} {key.name}" for one in sections(Settings) for key in one.keys if not key.meaning]
    assert silent == []
    assert [one.heading for one in sections(Settings) if not one.meaning] == []


def test_every_section_that_a_file_may_have_is_there() -> None:
    headings = {one.heading.strip("[]").partition(".")[0] for one in sections(Settings)}
    assert headings == {field.encode_name for field in msgspec.structs.fields(Settings)}


def test_defaults_bounds_and_lists_are_said() -> None:
    found = {f"{one.heading} {key.name}": key for one in sections(Settings) for key in one.keys}
    port = found["[forward] port"]
    assert (port.kind, port.default, port.required) == ("whole number, 1 to 65,535", "8883", False)
    assert found["[agent] agent_id"].required
    assert found["[[meters]] dials"].default is None
    assert found["[clock] sources"].default == '["chrony"]'
    assert found["[spool] budget_octets"].kind == "whole number, at least 1,048,576"
    assert "[agent] recording_directory" not in found


def test_the_page_is_of_this_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == as_markdown(Settings), (
        "run: mrsp config reference --markdown > docs/configuration.md"
    )


def test_a_person_asks_for_a_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "reference", "forward", "[console]"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("[forward]\n")
    assert "whole number, 1 to 65,535; default 8883" in shown
    assert "[clock]" not in shown


def test_a_section_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "reference", "foward"]) == 2
    assert "there is no section 'foward' (one of agent, clock," in capsys.readouterr().err
