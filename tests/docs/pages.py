"""The documents as a user reads them, and the commands that they tell him to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    {*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "firmware_profiles" / "README.md"}
    - {ROOT / "docs" / "profiles.md"}  # a link to the last one
)
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_PLACEHOLDER = re.compile(r"\A[A-Z][A-Z0-9_.:/-]*\Z|…|\.\.\.|[|\[\]]")


@dataclass(frozen=True, slots=True)
class Typed:
    """One command as it stands in a page. `block`: in a block of its own, to be typed as it is; else in a sentence."""

    page: Path
    text: str
    block: bool

    @property
    def words(self) -> list[str]:
        """The words that a shell would give to the program; a remark behind `#` is none."""
        return shlex.split(self.text, comments=True)

    def __str__(self) -> str:
        return f"{self.page.name}: {self.text}"


def typed() -> Iterator[Typed]:
    """Yield every command of `mrsp` and `metersim` in the pages, and whatever else stands in a console block."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for _indent, language, content in _FENCE.findall(text):
            if language in {"console", "sh"}:
                yield from (Typed(page, command, block=True) for command in _commands(language, content))
        for span in _SPAN.findall(_FENCE.sub("", text)):
            if span.startswith(("mrsp ", "metersim ")):
                yield Typed(page, span, block=False)


def _commands(language: str, content: str) -> Iterator[str]:
    """Yield the commands of a block; in `console` they stand behind a `$`."""
    lines = iter(content.splitlines())
    for line in lines:
        command = line.strip()
        if language == "console":
            if not command.startswith("$ "):
                continue
            command = command.removeprefix("$ ")
        elif not command or command.startswith("#"):
            continue
        while command.endswith("\\"):
            command = command.removesuffix("\\") + next(lines).strip()
        yield command


def is_placeholder(word: str) -> bool:
    """Whether a word stands for what a user puts in its place: `URL`, `FILE`, `a|b`, `…`."""
    return _PLACEHOLDER.search(word) is not None
