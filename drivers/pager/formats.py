"""Message formats of meters as data: what a page says, field by field, and how a meter is asked for one.

A format is a TOML file in `firmware_profiles/pager/`; its README.md explains every key. There are no regular
expressions in it: a message is read once from left to right, so that no text can take long. Every mistake in a file is
named with file, line and key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from drivers.errors import DataError, UsageError
from drivers.pager.formats_compile import FormatMistake, compile_grammar
from drivers.pager.formats_grammar import Grammar, Span
from drivers.pager.formats_message import MessageFormat, Parsed, ReplyMeaning, RequestMeaning
from drivers.pager.formats_schema import (
    AnyField,
    CheckField,
    DecimalField,
    DigitsField,
    Example,
    FormatFile,
    HexField,
    LettersField,
    RegisterKeys,
    Reply,
    Request,
    TimeField,
)
from drivers.toml_file import parse_toml, placed, read_toml_text
from drivers.toml_library import Library

__all__ = ["MessageFormat", "Parsed", "Span", "load_format", "load_format_file", "load_formats"]

FOLDER = "pager"  # below a directory of profiles
_UNKNOWN = re.compile(r"unknown field `([^`]+)`")
_WHAT = "message format"
_EXAMPLE_ZONE = UTC  # that examples take for the zone of the site


def load_format(name: str, extra_dirs: Iterable[Path] = ()) -> MessageFormat:
    """Return the shipped format `name`, or that of `DIR/pager/NAME.toml` (`extra_dirs`: `Task.profile_dirs`).

    Raises `UsageError` with the names that exist, or with file, line and key of a mistake.
    """
    return load_formats(extra_dirs).find(name)


def load_formats(extra_dirs: Iterable[Path] = ()) -> Library[MessageFormat]:
    """Return the shipped formats and those in the folder `pager` of each of `extra_dirs`; no file is read here.

    Raises `UsageError` for a folder that cannot be read, or for a name that exists twice.
    """
    return Library(_WHAT, load_format_file, extra_dirs, folder=FOLDER)


def load_format_file(path: Path) -> MessageFormat:
    """Return the format in one file. Raises `UsageError` with file, line, key, and what is allowed."""
    text = read_toml_text(path, what=_WHAT)
    file = parse_toml(text, FormatFile, name=str(path), what=_WHAT)
    try:
        return compile_format(file, path.stem)
    except FormatMistake as found:
        where = placed(str(path), text, list(found.keys), found.reason)
        raise UsageError(f"{_WHAT} {where}", advice=found.advice) from found


def compile_format(file: FormatFile, stem: str) -> MessageFormat:
    """Return the format that a file says, its examples read by it. Raises `FormatMistake`."""
    if file.name != stem:
        raise FormatMistake(("name",), f"it is {file.name!r}, and the file is called {stem}.toml")
    reply, request = file.reply, file.request
    reply_fields = _fields("reply", reply)
    request_fields = {} if request is None else _fields("request", request)
    made = MessageFormat(
        name=file.name,
        title=file.title,
        reply=_grammar("reply", reply.text, reply_fields),
        reply_fields=reply_fields,
        reply_means=_reply_meaning(reply, reply_fields),
        request=None if request is None else _grammar("request", request.text, request_fields),
        request_fields=request_fields,
        request_means=RequestMeaning() if request is None else _request_meaning(request, request_fields),
        on_air=file.on_air,
    )
    for k, example in enumerate(file.example):
        _try(made, example, k)
    return made


def _fields(table: str, section: Reply | Request) -> dict[str, AnyField]:
    """Return the fields of a section. Raises `FormatMistake` naming the field and its key."""
    fields = {}
    for name, keys in section.field.items():
        try:
            field = fields[name] = msgspec.convert(keys, AnyField)
        except msgspec.ValidationError as error:
            reason, _, place = str(error).partition(" - at `$")
            key = place.strip(".`").partition("[")[0]
            if unknown := _UNKNOWN.search(reason):
                key, reason = unknown[1], "unknown key"
            raise FormatMistake((table, "field", name, *filter(None, [key])), reason) from error
        if isinstance(field, TimeField) and field.zone not in {"UTC", "site"}:
            try:
                ZoneInfo(field.zone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                reason = f"{field.zone!r} is no time zone known on this box"
                raise FormatMistake((table, "field", name, "zone"), reason, '"UTC", "site" or an IANA name') from None
    return fields


def _grammar(table: str, text: str, fields: Mapping[str, AnyField]) -> Grammar:
    try:
        return compile_grammar(text, fields)
    except FormatMistake as found:
        raise FormatMistake((table, *found.keys), found.reason, found.advice) from found


def _reply_meaning(reply: Reply, fields: Mapping[str, AnyField]) -> ReplyMeaning:
    _expect(fields, reply.meter_id, (DigitsField, HexField, LettersField), ("reply", "meter_id"))
    if reply.at is not None:
        _expect(fields, reply.at, (TimeField,), ("reply", "at"))
    seen: dict[tuple[object, ...], int] = {}
    used: set[str] = set()
    for k, keys in enumerate(reply.register):
        _expect(fields, keys.field, (DigitsField, DecimalField, HexField), ("reply", "register", k, "field"))
        if keys.field in used:
            raise FormatMistake(("reply", "register", k, "field"), f"{{{keys.field}}} is another register already")
        used.add(keys.field)
        if keys.occurred is not None:
            _expect(fields, keys.occurred, (TimeField,), ("reply", "register", k, "occurred"))
        if not Decimal(keys.multiplier):
            raise FormatMistake(("reply", "register", k, "multiplier"), "a multiplier of 0 leaves no value")
        if (other := seen.setdefault(_sense(keys), k)) != k:
            reason = f"register {other + 1} means the same quantity, direction, kind and tier"
            raise FormatMistake(("reply", "register", k), reason)
    return ReplyMeaning(reply.meter_id, reply.register, reply.at)


def _sense(keys: RegisterKeys) -> tuple[object, ...]:
    return keys.quantity, keys.direction, keys.kind, keys.tier


def _request_meaning(request: Request, fields: Mapping[str, AnyField]) -> RequestMeaning:
    if request.meter_id is not None:
        _expect(fields, request.meter_id, (DigitsField, HexField, LettersField), ("request", "meter_id"))
    if request.now is not None:
        _expect(fields, request.now, (TimeField,), ("request", "now"))
    known = {request.meter_id, request.now}
    for name, field in fields.items():
        if name not in known and not isinstance(field, CheckField):
            reason = f"nothing says what {{{name}}} takes"
            raise FormatMistake(("request", "field", name), reason, "name it in `meter_id` or `now`, or write it out")
    return RequestMeaning(request.meter_id, request.now)


def _expect(
    fields: Mapping[str, AnyField], name: str, kinds: tuple[type[AnyField], ...], keys: tuple[str | int, ...]
) -> None:
    allowed = ", ".join(str(kind.__struct_config__.tag) for kind in kinds)
    if name not in fields:
        raise FormatMistake(keys, f"{name!r} is no field", f"fields: {', '.join(fields)}")
    if not isinstance(fields[name], kinds):
        kind = fields[name].__struct_config__.tag
        raise FormatMistake(keys, f"the field {name} is of the kind {kind}", f"allowed: {allowed}")


def _try(made: MessageFormat, example: Example, k: int) -> None:
    """Read an example and hold it against what the file says that it means."""
    keys = ("example", k)
    try:
        parsed = made.parse(example.text, site_zone=_EXAMPLE_ZONE)
    except DataError as error:
        raise FormatMistake((*keys, "text"), error.message, error.advice) from error
    if parsed.meter_id != example.meter_id:
        raise FormatMistake((*keys, "meter_id"), f"the format reads {parsed.meter_id!r}")
    values = _values(made, parsed)
    if values != {name: Decimal(text) for name, text in example.values.items()}:
        read = ", ".join(f"{name} = {value}" for name, value in values.items())
        raise FormatMistake((*keys, "values"), f"the format reads {read}")
    if example.at is not None and parsed.at != _time(example.at, (*keys, "at")):
        raise FormatMistake((*keys, "at"), f"the format reads {parsed.at}")


def _values(made: MessageFormat, parsed: Parsed) -> dict[str, Decimal | None]:
    named = zip(made.reply_means.registers, parsed.registers, strict=True)
    return {keys.field: register.value for keys, register in named}


def _time(text: str, keys: tuple[str | int, ...]) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise FormatMistake(keys, f"{text!r} is no time", 'allowed: text like "1999-12-31T23:59:00Z"') from None
    if at.tzinfo is None:
        raise FormatMistake(keys, f"{text!r} does not say its zone", "end it with Z for UTC")
    return at
