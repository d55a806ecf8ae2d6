"""Show a profile to a person (`mrsp profile show`, `mrsp profile list`) or to a program (JSON)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from drivers.profiles.manufacturer_table import FieldKeys
from drivers.profiles.schema import Detect, Profile, Versions


def summary(profile: Profile) -> dict[str, str | int]:
    """Return the row of `mrsp profile list`; the words are fit for a table and for JSON."""
    return {
        "name": profile.name,
        "title": profile.title,
        "recognised_by": recognised_by(profile.detect),
        "status": profile.status,
        "facts": len(profile.fact),
        "proofs": len(profile.proof),
    }


def as_dict(profile: Profile) -> dict[str, object]:
    """Return what the profile says, fit for JSON; keys that it leaves to the standard are left out."""
    tree = {name: _without_unsaid(msgspec.to_builtins(getattr(profile, name))) for name in profile.__struct_fields__}
    return {name: value for name, value in tree.items() if value not in ({}, [], "", None)}


def describe(profile: Profile) -> str:
    """Return the text of `mrsp profile show`: what is known, each setting with its source, and how far it is proven."""
    lines = [f"{profile.name}: {profile.title}", f"  status         {profile.status}"]
    lines.append(f"  recognised by  {recognised_by(profile.detect)}")
    if profile.note:
        lines.append(f"  note           {profile.note}")
    settings = {key: value for key, value in profile.said_keys().items() if not key.startswith("detect.")}
    lines += ["", "Settings that differ from the standard or are stated" + (":" if settings else ": none")]
    lines += [f"  {key} = {_value(value)}{_sources(profile, key)}" for key, value in settings.items()]
    if profile.manufacturer_table:
        lines += ["", "Manufacturer tables:"]
        for table in profile.manufacturer_table:
            lines.append(f"  MT{table.number:02} {table.name}" + (f": {table.note}" if table.note else ""))
            lines += [f"    {line}" for line in _fields(table.field)]
    lines += ["", "Facts:" if profile.fact else "Facts: none"]
    for number, fact in enumerate(profile.fact, 1):
        lines += [f"  [{number}] {fact.fact}", f"      {fact.source}"] + ([f"      {fact.url}"] if fact.url else [])
    recordings = ", ".join(proof.recording for proof in profile.proof)
    lines += ["", f"Proofs: {recordings or 'none'}"]
    return "\n".join(lines)


def recognised_by(detect: Detect | None) -> str:
    """Return in one line which meters `[detect]` means."""
    if detect is None:
        return "nothing: choose it by --profile"
    texts = (
        ("manufacturer", detect.manufacturer),
        ("model", detect.model),
        ("device class", detect.device_class or "*"),
    )
    parts = [f"{name} {_either(patterns)}" for name, patterns in texts if patterns != "*"]
    parts += [f"{name} {_range(versions)}" for name, versions in _versions(detect)]
    return ", ".join(parts) or "any meter"


def _fields(items: tuple[FieldKeys, ...], depth: int = 0) -> Iterator[str]:
    """Yield a line for each field of a described table: name, number of items, type, place, and what it means."""
    for item in items:
        many = "" if item.count is None else f"[{item.count}]"
        place = "" if item.offset is None else f" at {item.offset}"
        scale = "" if item.scale == "1" else f" × {item.scale}"
        meaning = ", ".join(filter(None, (item.note, "a register of the reading" if item.register else "")))
        unit = f" {item.unit}" if item.unit else ""
        yield f"{'  ' * depth}{item.name}{many} {item.type}{place}{scale}{unit}" + (f": {meaning}" if meaning else "")
        yield from _fields(item.field, depth + 1)


def _sources(profile: Profile, key: str) -> str:
    numbers = [str(number) for number, fact in enumerate(profile.fact, 1) if key in fact.keys]
    return f"  [{', '.join(numbers)}]" if numbers else "  (no source given)"


def _versions(detect: Detect) -> list[tuple[str, Versions]]:
    pairs = (("hardware", detect.hardware), ("firmware", detect.firmware))
    return [(name, versions) for name, versions in pairs if versions is not None]


def _range(versions: Versions) -> str:
    return f"{versions.min or '0'} to {versions.max or 'newest'}"


def _either(patterns: str | tuple[str, ...]) -> str:
    return patterns if isinstance(patterns, str) else " or ".join(patterns)


def _value(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _without_unsaid(value: object) -> object:
    """Drop None at every depth, and tables that become empty thereby."""
    if isinstance(value, dict):
        return {key: kept for key, item in value.items() if (kept := _without_unsaid(item)) is not None}
    if isinstance(value, list | tuple):
        return [_without_unsaid(item) for item in value]
    return value
