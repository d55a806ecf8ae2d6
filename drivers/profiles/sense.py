"""What the schema allows key by key, but what makes no sense together: mistakes, and things worth saying."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drivers.c1219.overriding import NoSuchField, fits, wire_at
from drivers.c1219.tables import TABLES
from drivers.profiles.described_sense import field_mistakes
from drivers.profiles.match import bounds
from drivers.profiles.schema import C1219Keys, Profile, override_of

Keys = list[str | int]
_LAST_EVENT_CODE = 2047  # 11 bits
_NIBBLES = range(1, 16)
_NEEDS_NEGOTIATE = ("packet_size", "packets", "bauds", "size_excludes_overhead")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the keys at a path."""

    keys: Keys
    reason: str
    advice: str = ""


def mistakes(profile: Profile, stem: str) -> list[Finding]:
    """Return what is wrong with a profile whose file is called `stem`.toml, in the order of the schema."""
    return [*_names(profile, stem), *_c1219(profile.c1219), *_tables(profile), *_facts(profile)]


def remarks(profile: Profile) -> list[Finding]:
    """Return what is allowed, but that its writer should know."""
    found: list[Finding] = []
    if profile.detect is None:
        found.append(Finding(["name"], "without [detect] the profile applies only by --profile"))
    for name, section in (("line", profile.line), ("psem", profile.psem)):
        if section.said() and profile.detect is not None:
            why = "the session is open before the meter is recognised"
            found.append(Finding([name], f"[{name}] applies only where the profile is named (--profile): {why}"))
    if profile.tried and not profile.proof:
        found.append(Finding(["status"], "says tried, without a [[proof]]: profiles that ship need a recording"))
    found += [Finding([*key.split(".")], "no [[fact]] says where this comes from") for key in _unfounded(profile)]
    if profile.psem.negotiate is False:
        said = profile.psem.said()
        idle = [key for key in _NEEDS_NEGOTIATE if key in said]
        found += [Finding(["psem", key], "changes nothing while negotiate = false") for key in idle]
    return found


def _unfounded(profile: Profile) -> Iterator[str]:
    named = {key for fact in profile.fact for key in fact.keys}
    return (key for key in profile.said_keys() if key not in named)


def _names(profile: Profile, stem: str) -> Iterator[Finding]:
    if profile.name != stem:
        yield Finding(["name"], f'is "{profile.name}", but the file is called {stem}.toml')
    for key in ("hardware", "firmware"):
        versions = profile.detect and getattr(profile.detect, key)
        if versions and operator.gt(*bounds(versions)):
            yield Finding(["detect", key], f'min "{versions.min}" is above max "{versions.max}"')


def _c1219(section: C1219Keys) -> Iterator[Finding]:
    place: Keys = ["c1219", "channel_status"]
    for number in section.channel_status or {}:
        if not number.isdecimal() or int(number) not in _NIBBLES:
            yield Finding([*place, number], "is no status nibble", "allowed: 1 to 15")
    place = ["c1219", "event_names"]
    for number in section.event_names or {}:
        if not number.isdecimal() or int(number) > _LAST_EVENT_CODE:
            yield Finding([*place, number], "is no event code", f"allowed: 0 to {_LAST_EVENT_CODE}")
    absent, present = section.tables_absent or (), section.tables_present or ()
    for index, name in enumerate(absent):
        if name in present:
            yield Finding(["c1219", "tables_absent", index], f"{name} is also in tables_present")
        if int(name[2:]) == 0:
            yield Finding(["c1219", "tables_absent", index], "no meter can be read without ST00")
    for key, value in (section.override or {}).items():
        if reason := _wrong_override(key, value):
            yield Finding(["c1219", "override", key], reason)


def _wrong_override(key: str, value: bool | int | str) -> str:
    """Return why an override cannot be; an empty text where it can."""
    try:
        override = override_of(key, value)
        kind = TABLES.get(override.table)
        if kind is None:
            return f"ST{override.table:02} is not a table that is decoded"
        wire = wire_at(kind, override.path)
    except NoSuchField as error:
        return f"names no field: {error}"
    except ValueError as error:
        return str(error)
    return "" if fits(wire, override.value) else f"{override.value} does not fit the field"


def _tables(profile: Profile) -> Iterator[Finding]:
    numbers = [table.number for table in profile.manufacturer_table]
    for i, table in enumerate(profile.manufacturer_table):
        if table.number in numbers[:i]:
            yield Finding(["manufacturer_table", i, "number"], f"{table.number} is described twice")
        for keys, reason in field_mistakes(table.field):
            yield Finding(["manufacturer_table", i, *keys], reason)


def _facts(profile: Profile) -> Iterator[Finding]:
    said = profile.said_keys()
    for i, fact in enumerate(profile.fact):
        for key in _unset(fact.keys, said):
            sets = ", ".join(said)
            yield Finding(["fact", i, "keys"], f'this profile sets no "{key}"; it sets: {sets}')


def _unset(keys: Iterable[str], said: Iterable[str]) -> Iterator[str]:
    known = set(said)
    return (key for key in keys if key not in known)
