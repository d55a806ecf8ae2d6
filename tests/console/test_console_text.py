"""Texts: every one that a page asks for is there, translations may lack some, and nothing in a value is obeyed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.console.text import Texts
from agent.errors import UsageError

HERE = Path(__file__).resolve().parents[2] / "agent" / "console"
_ASKED = re.compile(r"""\btext(?:s_of\(request\)|s)?\(\s*["']([a-z0-9_]+(?:\.[A-Za-z0-9_]+)+)["']\s*[,)]""")


@pytest.fixture
def german(tmp_path: Path) -> Path:
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "login.toml").write_text('title = "Anmelden"\n[too_many]\nother = "In {count} Sekunden"\n')
    return tmp_path


def test_every_text_that_is_asked_for_is_there() -> None:
    texts = Texts()
    files = [*HERE.rglob("*.html"), *(file for file in HERE.rglob("*.py") if file.name != "text.py")]
    asked = {key for file in files for key in _ASKED.findall(file.read_text(encoding="utf-8"))}
    assert len(asked) > 20
    assert not [key for key in sorted(asked) if key not in texts and f"{key}.other" not in texts]


def test_a_number_chooses_its_form() -> None:
    texts = Texts()
    assert texts("status.days", count=1) == "1 day left"
    assert texts("status.days", count=0) == "0 days left"


def test_values_are_not_looked_into() -> None:
    assert Texts()("status.age", age="{count} {0.__class__}") == "{count} {0.__class__} old"


def test_no_such_text_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        Texts()("login.nothing")


def test_a_translation_is_taken_and_what_it_lacks_is_english(german: Path) -> None:
    texts = Texts("de", german)
    assert texts("login.title") == "Anmelden"
    assert texts("login.password") == "Password"
    assert texts("login.too_many", count=3) == "In 3 Sekunden"


def test_a_language_without_texts_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no texts in the language 'xx'"):
        Texts("xx", tmp_path)


@pytest.mark.parametrize("content", ["title = ", "title = 7", "\x00"])
def test_a_broken_translation_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "login.toml").write_text(content)
    with pytest.raises(UsageError, match=r"login\.toml"):
        Texts("de", tmp_path)
