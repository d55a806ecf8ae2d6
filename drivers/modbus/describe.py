"""Show a register map to a person (`mrsp profile show`, `mrsp profile list`) or to a program (JSON)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from drivers.modbus.schema import Place, RegisterKeys, RegisterMap


def summary(one: RegisterMap) -> dict[str, str | int]:
    """Return the row of `mrsp profile list`, with the words of the other profiles."""
    recognised = "the marker SunS" if one.sunspec is not None else "nothing: choose it by --profile"
    return {
        "name": one.name,
        "title": one.title,
        "recognised_by": recognised,
        "status": one.status,
        "facts": len(one.fact),
        "proofs": 0,
    }


def as_dict(one: RegisterMap) -> dict[str, object]:
    """Return what the map says, fit for JSON."""
    tree: dict[str, object] = msgspec.to_builtins(one)
    return {name: value for name, value in tree.items() if value not in ({}, [], "", None)}


def describe(one: RegisterMap) -> str:
    """Return the text of `mrsp profile show`: registers with their addresses on the wire, and the facts."""
    keys = one.modbus
    lines = [f"{one.name}: {one.title}", f"  status         {one.status}"]
    lines.append(f"  recognised by  {summary(one)['recognised_by']}")
    if one.note:
        lines.append(f"  note           {one.note}")
    lines.append(
        f"  requests       {keys.function} registers, at most {keys.most} at a time; address {keys.base} is 0 on the "
        f"wire; words {keys.word_order}, octets {keys.byte_order} endian"
    )
    lines.append(f"  serial line    {one.line.baud} baud, parity {one.line.parity}, {one.line.stop} stop")
    lines += ["", "Registers, by address on the wire:"]
    lines += [f"  {line}" for line in _registers(one.register, keys.base)]
    for model in one.model:
        ids = ", ".join(map(str, model.ids))
        lines.append(f"  SunSpec models {ids}, {model.length} registers, counted from the id:")
        lines += [f"    {line}" for line in _registers(model.register, 0)]
    lines += ["", "Facts:" if one.fact else "Facts: none"]
    for number, fact in enumerate(one.fact, 1):
        lines += [f"  [{number}] {fact.fact}", f"      {fact.source}"] + ([f"      {fact.url}"] if fact.url else [])
    return "\n".join(lines)


def _registers(registers: tuple[RegisterKeys, ...], base: int) -> Iterator[str]:
    for one in registers:
        words = [one.quantity, one.direction, one.kind, f"tier {one.tier}" if one.tier else "", one.phase]
        scale = f" × {one.scale}" if one.scale != "1" else ""
        power = f" × 10^[{one.scale_at - base}]" if one.scale_at is not None else ""
        ratios = "".join(f" × {name}" for name in one.times) + "".join(f" ÷ {name}" for name in one.over)
        yield f"{_place(one, base)}{scale}{power}{ratios} {one.unit}: {' '.join(word for word in words if word)}"


def _place(place: Place, base: int) -> str:
    return f"{place.address - base:5} {place.type}" + (f"[{place.length}]" if place.length else "")
