"""JSON from elsewhere: a key that is there twice is a mistake, and a mistake has a line. Numbers are exact."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from agent.errors import UsageError

MOST_VALUES = 1_000_000  # so many small ones take a hundred times the octets that they are written in
_LONGEST_NUMBER = 64  # characters
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


def parse_json(text: str, name: str) -> object:
    """Return what a JSON text says, its fractions as `Decimal`. Raises `UsageError` naming the line or the key."""
    if sum(map(text.count, "[{,")) > MOST_VALUES:
        raise UsageError(f"{name}: more than {MOST_VALUES:,} values")
    try:
        found: object = json.loads(
            text, parse_float=_exactly, parse_int=_whole, parse_constant=_refused, object_pairs_hook=_once
        )
    except json.JSONDecodeError as error:
        raise UsageError(f"{name}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from error
    except _Wrong as error:
        raise UsageError(f"{name}: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{name}: brackets are nested too deeply") from error
    return found


class _Wrong(Exception):
    """What the syntax allows, and we do not."""


def _exactly(word: str) -> Decimal:
    return _refused(word) if len(word) > _LONGEST_NUMBER else Decimal(word)


def _whole(word: str) -> int:
    return _refused(word) if len(word) > _LONGEST_NUMBER else int(word)


def _refused(word: str) -> NoReturn:
    raise _Wrong(f"{word:.20} is no number of at most {_LONGEST_NUMBER} characters")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Wrong(f"the key {twice!r:.60} is there twice in one object")
    return found


@dataclass(slots=True)
class _Level:
    """A bracket that is open: where in it we are."""

    at: str | int
    names: bool  # an object, in front of a key


def line_of(text: str, keys: Sequence[str | int]) -> int:
    """Return the line (from 1) of the value at a path, or of the nearest that encloses it. `text` is valid JSON."""
    wanted, levels, best, line = list(keys), list[_Level](), (0, 1), 1
    end = 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", end, token.start())
        end = token.start()
        word = token[0]
        level = levels[-1] if levels else None
        if word in "}]":
            levels.pop()
        elif word == ",":
            assert level is not None  # noqa: S101 - valid JSON has no comma outside of brackets
            if isinstance(level.at, int):
                level.at += 1
            else:
                level.names = True
        elif word == ":":
            pass
        elif level is not None and level.names and word[0] == '"':
            level.at, level.names = json.loads(word), False
        else:
            path = [one.at for one in levels]
            if len(path) > best[0] and path == wanted[: len(path)]:
                best = (len(path), line)
            if word in "{[":
                levels.append(_Level("", names=True) if word == "{" else _Level(0, names=False))
    return best[1]
