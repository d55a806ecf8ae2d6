"""Write a proposed profile as TOML: what is set, what is only seen, and what nobody knows yet."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from drivers.learn.lesson import Lesson, Value

_WIDTH: Final = 110
_SECTIONS: Final = ("psem", "c1219")
_MOST_PROBLEMS: Final = 20


@dataclass(frozen=True, slots=True)
class Draft:
    """A profile on its way to TOML."""

    name: str
    title: str
    status: str
    detect: dict[str, Any]
    recognised: str
    source: str
    lessons: tuple[Lesson, ...]
    manufacturer_tables: tuple[tuple[int, str], ...] = ()
    problems: tuple[str, ...] = ()


def as_toml(draft: Draft) -> str:
    """Return the text of the file, with a comment for each key that says what was seen and how sure it is."""
    return "\n".join(_lines(draft)).rstrip("\n") + "\n"


def _lines(draft: Draft) -> Iterator[str]:
    yield from _comment("Proposed by `mrsp profile learn`: every setting was seen on one meter. Check it, and describe")
    yield from _comment(
        "in [[fact]] what a public source says. `sure`: the meter said so; `likely`: it explains what was"
    )
    yield from _comment("seen; `open`: not to be told from this visit, so nothing is set.")
    yield from _comment(f"Without this file the meter is read with the profile {draft.recognised}.")
    yield f"name = {_toml(draft.name)}"
    yield f"title = {_toml(draft.title)}"
    yield f"status = {_toml(draft.status)}"
    yield ""
    if draft.detect:
        yield from _comment("sure: as ST01 says; widen the model to what the family has in common, like `SX*`")
        yield "[detect]"
        yield from (f"{key} = {_toml(value)}" for key, value in draft.detect.items())
        yield ""
    else:
        yield from _comment("ST01 says neither manufacturer nor model: choose this profile by --profile.")
    for section in _SECTIONS:
        yield from _section(section, draft)
    yield from _manufacturer(draft)
    yield from _unread(draft)
    yield from _facts(draft)


def _section(section: str, draft: Draft) -> Iterator[str]:
    lessons = [one for one in draft.lessons if one.key.startswith(f"{section}.")]
    yield f"[{section}]"
    overrides: dict[str, Value] = {}
    for lesson in lessons:
        yield from _comment(f"{lesson.sure}: {lesson.seen}", about=lesson.key.partition(".")[2])
        if lesson.value is None:
            continue
        if lesson.sure != "open" and isinstance(lesson.value, dict):
            overrides.update(lesson.value)
        else:
            setting = f"{lesson.key.partition('.')[2]} = {_toml(lesson.value)}"
            yield setting if lesson.sure != "open" else f"# {setting}"
    if overrides:
        yield ""
        yield f"[{section}.override]"
        yield from (f"{_toml(key)} = {_toml(value)}" for key, value in overrides.items())
    yield ""


def _manufacturer(draft: Draft) -> Iterator[str]:
    if not draft.manufacturer_tables:
        return
    yield from _comment("Tables of the manufacturer that ST00 lists; take the # away from those that you can describe.")
    for number, seen in draft.manufacturer_tables:
        yield from _comment(f"MT{number}: {seen}")
    yield "#"
    yield "# [[manufacturer_table]]"
    yield f"# number = {draft.manufacturer_tables[0][0]}"
    yield '# name = ""'
    yield ""


def _unread(draft: Draft) -> Iterator[str]:
    if not draft.problems:
        return
    yield from _comment("What the standard alone could not read, or remarks on:")
    for problem in draft.problems[:_MOST_PROBLEMS]:
        yield from _comment(f"- {problem}")
    if len(draft.problems) > _MOST_PROBLEMS:
        yield from _comment(f"- and {len(draft.problems) - _MOST_PROBLEMS} more")
    yield ""


def _facts(draft: Draft) -> Iterator[str]:
    if draft.detect:
        yield from _fact("ST01 names manufacturer and model so.", draft, [f"detect.{key}" for key in draft.detect])
    done: dict[str, list[str]] = {}
    for lesson in draft.lessons:
        if lesson.value is not None and lesson.sure != "open":
            done.setdefault(lesson.key, []).append(lesson.seen)
    for key, seen in done.items():
        yield from _fact("; ".join(seen), draft, [key])


def _fact(text: str, draft: Draft, keys: list[str]) -> Iterator[str]:
    yield "[[fact]]"
    yield f"fact = {_toml(text)}"
    yield f"source = {_toml(draft.source)}"
    yield f"keys = {_toml(keys)}"
    yield ""


def _comment(text: str, *, about: str = "") -> Iterator[str]:
    head = f"{about}: {text}" if about else text
    printable = "".join(character if character.isprintable() else "?" for character in head)
    yield from (f"# {line}" for line in textwrap.wrap(printable, _WIDTH))


def _toml(value: Any) -> str:
    """Write one value; JSON's texts, lists and numbers are TOML's."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)
