"""What the schema of a register map allows key by key, but what makes no sense together."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from drivers.modbus.schema import Clock, Identity, Place, RegisterKeys, RegisterMap
from drivers.modbus.values import TYPES
from drivers.profiles.sense import Finding

_LENGTHS = {"bcd": (1, 8), "mod10": (2, 4), "string": (1, 64)}
_HIGHEST = 65_535
_MODEL_HEADER = 2  # id and length


def mistakes(one: RegisterMap, stem: str) -> Iterator[Finding]:
    """Yield everything that keeps the map from being used. `stem`: the name of its file."""
    yield from _whole(one, stem)
    yield from _identity(["identity"], one, one.identity, one.modbus.base)
    if one.clock is not None:
        yield from _span(["clock"], one, one.clock, one.modbus.base)
    for index, expect in enumerate(one.expect):
        yield from _place(["expect", index], one, expect, one.modbus.base)
    for index, constant in enumerate(one.constant):
        yield from _number(["constant", index], one, constant, constant.scale, one.modbus.base)
    yield from _registers([], one, one.register, one.modbus.base)
    yield from _models(one)


def _whole(one: RegisterMap, stem: str) -> Iterator[Finding]:
    if one.name != stem:
        yield Finding(["name"], f"the file is called {stem}.toml", f'write name = "{stem}", or rename the file')
    if not one.register and not any(model.register for model in one.model):
        yield Finding([], "it names no register", "describe at least one in [[register]]")
    if bool(one.model) != (one.sunspec is not None):
        yield Finding(["sunspec"], "[sunspec] and [[model]] need each other")
    if one.model and one.register:
        yield Finding(["register"], "a map is either by address or by SunSpec model")
    names = [constant.name for constant in one.constant]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Finding(["constant", index, "name"], f"there are two constants {name}")


def _models(one: RegisterMap) -> Iterator[Finding]:
    seen: set[int] = set()
    for number, model in enumerate(one.model):
        keys: list[str | int] = ["model", number]
        for twice in seen & set(model.ids):
            yield Finding([*keys, "ids"], f"model {twice} is described twice")
        seen |= set(model.ids)
        if model.identity is not None:
            yield from _identity([*keys, "identity"], one, model.identity, 0)
        yield from _registers(keys, one, model.register, 0, end=model.length + _MODEL_HEADER)


def _registers(
    above: list[str | int], one: RegisterMap, registers: tuple[RegisterKeys, ...], base: int, *, end: int | None = None
) -> Iterator[Finding]:
    known = {constant.name for constant in one.constant}
    seen: dict[tuple[object, ...], int] = {}
    for index, register in enumerate(registers):
        keys = [*above, "register", index]
        yield from _number(keys, one, register, register.scale, base)
        for key in ("times", "over"):
            for name in getattr(register, key):
                if name not in known:
                    yield Finding([*keys, key], f"there is no constant {name!r}", f"known: {', '.join(sorted(known))}")
        if register.scale_at is not None and not base <= register.scale_at <= base + _HIGHEST:
            yield Finding([*keys, "scale_at"], f"it is no address from {base} on")
        if end is not None and not _MODEL_HEADER <= register.address <= end - register.registers:
            yield Finding([*keys, "address"], f"the model ends at {end - 1}, and begins with its id and length")
        what = (
            register.quantity, register.direction, register.kind, register.tier, register.season, register.period,
            register.phase, register.minimum,
        )  # fmt: skip
        if what in seen:
            yield Finding(
                [*keys, "quantity"],
                f"it is the same value as register {seen[what] + 1} of this list",
                "set them apart by phase, tier, kind or direction",
            )
        seen.setdefault(what, index)


def _number(keys: list[str | int], one: RegisterMap, place: Place, scale: str, base: int) -> Iterator[Finding]:
    yield from _place(keys, one, place, base)
    if place.type == "string":
        yield Finding([*keys, "type"], "a number cannot be text")
    if not Decimal(scale):
        yield Finding([*keys, "scale"], "it is 0, which would make every value 0")


def _identity(keys: list[str | int], one: RegisterMap, identity: Identity, base: int) -> Iterator[Finding]:
    for name in identity.__struct_fields__:
        place = getattr(identity, name)
        if isinstance(place, Place):
            yield from _place([*keys, name], one, place, base)


def _place(keys: list[str | int], one: RegisterMap, place: Place, base: int) -> Iterator[Finding]:
    fixed = TYPES[place.type].registers
    if fixed and place.length is not None:
        yield Finding([*keys, "length"], f"a {place.type} has {fixed} registers", "leave it out")
        return
    if not fixed:
        low, high = _LENGTHS[place.type]
        if place.length is None or not low <= place.length <= high:
            yield Finding([*keys, "length"], f"a {place.type} needs a length of {low} to {high} registers")
            return
    yield from _span(keys, one, place, base)
    for pattern in place.absent or ():
        if len(pattern) - 2 != 4 * place.registers:
            yield Finding([*keys, "absent"], f"{pattern} is not as long as {place.registers} registers")


def _span(keys: list[str | int], one: RegisterMap, place: Place | Clock, base: int) -> Iterator[Finding]:
    if not base <= place.address <= base + _HIGHEST - place.registers + 1:
        yield Finding([*keys, "address"], f"not from {base} to {base + _HIGHEST}", "see `base` of [modbus]")
    if place.registers > one.modbus.most:
        yield Finding(keys, f"{place.registers} registers are more than `most` of [modbus]")
