"""Load what a person brought: from a file, or from the query of a URL.

visual:///route/7/reading.json          JSON or TOML, as `Entry` says
visual://?reading=012345&nameplate=00123456&quantity=kWh&multiplier=40
visual:                                 asked on the terminal
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args
from urllib.parse import unquote, urlsplit

import msgspec

from drivers.data import Direction, Kind
from drivers.errors import UsageError
from drivers.toml_file import load_toml, read_toml_text
from drivers.visual.entry import Entry, ShownRegister, check_shown
from drivers.visual.trouble import Trouble

_WHAT = "visual reading"
_QUERY = {
    "reading": "shown",
    "quantity": "quantity",
    "direction": "direction",
    "kind": "kind",
    "tier": "tier",
    "period": "period",
    "multiplier": "multiplier",
    "dials": "dials",
    "decimals": "decimals",
    "again": "again",
    "nameplate": "nameplate_id",
    "read_by": "read_by",
    "read_at": "read_at",
    "photo": "photos",
    "trouble": "trouble",
    "remark": "remark",
}
_AS_IN_QUERY = {ours: theirs for theirs, ours in _QUERY.items()} | {
    f"{ours}[{k}]": theirs for theirs, ours in _QUERY.items() for k in range(3)
}
_SAYS = {
    "shown": 'what a display shows, like "012345" or "12.340"',
    "again": 'what a display shows, like "012345" or "12.340"',
    "quantity": 'a unit word like "kWh" or "kW"',
    "multiplier": 'a factor above 0, like "40"',
}
_WORDS: dict[str, tuple[str, ...]] = {
    "direction": get_args(Direction),
    "kind": get_args(Kind),
    "period": ("present", "previous_reset"),
    "trouble": get_args(Trouble),
}
_LISTS, _NUMBERS = {"again", "photo", "trouble"}, {"tier", "dials", "decimals"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry, and what it lacks. `base`: where photographs are looked for."""

    entry: Entry
    base: Path
    missing: ShownRegister | None = None  # a register whose value is not given yet: its `shown` means nothing


def load_entry(url: str) -> Draft:
    """Return what a URL brings. Raises `UsageError` naming the file or URL, the field, and what is allowed."""
    parts = urlsplit(url)
    if parts.netloc:
        raise UsageError(
            f"{url}: `{parts.netloc}` is no path", advice="a file has three slashes: visual:///dir/file.json"
        )
    path = unquote(parts.path)
    if not path.strip("/"):
        return _of_query(parts.query)
    if parts.query:
        raise UsageError(f"{url}: fields are given by the file or by the query, not by both")
    entry = _of_file(Path(path))
    _check(entry, f"{_WHAT} {path}", [f"registers[{k}]" for k in range(len(entry.registers))], file=True)
    return Draft(entry=entry, base=Path(path).parent)


def _of_file(path: Path) -> Entry:
    if path.suffix == ".toml":
        return load_toml(path, Entry, what=_WHAT)
    text = read_toml_text(path, what=_WHAT)
    try:
        return msgspec.json.decode(text, type=Entry)
    except msgspec.ValidationError as error:
        raise _mistake(f"{_WHAT} {path}", error) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"{_WHAT} {path} is not JSON: {error}", advice="or name it .toml") from error


def _of_query(query: str) -> Draft:
    """Return the entry in a query: one register at most, whose value may be missing."""
    fields: dict[str, object] = {}
    register: dict[str, object] = {}
    for pair in filter(None, query.split("&")):
        key, _, quoted = pair.partition("=")
        if key not in _QUERY:
            raise UsageError(f"{_WHAT}: `{key}` is no field", advice=f"fields: {', '.join(_QUERY)}")
        into = register if _QUERY[key] in ShownRegister.__struct_fields__ else fields
        text: object = unquote(quoted)
        if key in _LISTS:
            text = (*_listed(into.get(_QUERY[key])), text)
        elif _QUERY[key] in into:
            raise UsageError(f"{_WHAT}: `{key}` is given twice")
        elif key in _NUMBERS:
            text = _number(key, unquote(quoted))
        into[_QUERY[key]] = text
    given = "shown" in register
    try:
        shown = msgspec.convert({"shown": "0", **register}, ShownRegister)
        entry = msgspec.convert(fields, Entry)
    except msgspec.ValidationError as error:
        raise _mistake(_WHAT, error) from error
    if given:
        entry = msgspec.structs.replace(entry, registers=(shown,))
    _check(entry, _WHAT, ["reading"] if given else [], file=False)
    return Draft(entry=entry, base=Path(), missing=None if given or entry.trouble else shown)


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, tuple) else ()


def _number(key: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise UsageError(f"{_WHAT}: `{key}`: {text!r} is no number")
    return int(text)


def _mistake(where: str, error: msgspec.ValidationError) -> UsageError:
    """Return msgspec's finding with the name that the person gave the field, and with what is allowed."""
    reason, found, place = str(error).partition(" - at `$")
    place = place.rstrip("`").lstrip(".")
    field = re.sub(r"\[[0-9]+\]$", "", place).rpartition(".")[2]
    if "matching regex" in reason:
        reason = f"it is not {_SAYS[field]}"
    elif field in _WORDS:
        reason = f"{reason}; one of {', '.join(_WORDS[field])}"
    elif "got `int`" in reason or "got `float`" in reason:
        reason += "; values are text, with all their zeros"
    if not found:
        return UsageError(f"{where}: {reason}")
    return UsageError(f"{where}: `{_AS_IN_QUERY.get(place, place) if where == _WHAT else place}`: {reason}")


def _check(entry: Entry, where: str, names: Sequence[str], *, file: bool) -> None:
    """Refuse what makes no sense together."""
    if file and not entry.registers and not entry.trouble:
        raise UsageError(
            f"{where}: no value and no reason why there is none",
            advice="give `registers`, or `trouble` such as no_access",
        )
    seen: dict[tuple[object, ...], str] = {}
    for register, name in zip(entry.registers, names, strict=True):
        for text in (register.shown, *register.again):
            if wrong := check_shown(text, register):
                raise UsageError(f"{where}: `{name}`: {wrong}")
        sense = (register.quantity, register.direction, register.sense, register.tier, register.period)
        if (other := seen.setdefault(sense, name)) != name:
            raise UsageError(f"{where}: `{name}`: {register.name} is there already, at `{other}`")
