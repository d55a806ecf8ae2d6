"""What a simulated meter holds: a register map filled with values drawn from a seed, and the truth about them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from drivers.modbus.schema import Identity, Place, RegisterKeys, RegisterMap
from drivers.modbus.values import TYPES
from metersim.modbus.encode import encode

SUNSPEC_BASE = 40_000
POWER = -1  # of ten, in every SunSpec scale factor
SERIAL = "SIM"
_TYPICAL = {"V": 2301, "A": 125, "Hz": 500, "W": 12_340, "kW": 12}


@dataclass(frozen=True, slots=True)
class TrueRegister:
    """What a correct reader must find: the value as exact decimal text, in its unit."""

    quantity: str
    direction: str
    kind: str
    tier: int
    phase: str
    value: str
    unit: str
    raw: str


@dataclass(slots=True)
class World:
    """Registers by function code and address on the wire."""

    words: dict[tuple[int, int], int] = field(default_factory=dict)
    counters: list[tuple[int, int, int]] = field(default_factory=list)  # (function code, first, registers)
    truth: list[TrueRegister] = field(default_factory=list)
    meter_id: str = ""

    def put(self, code: int, first: int, registers: list[int]) -> None:
        """Write registers."""
        for index, word in enumerate(registers):
            self.words[code, first + index] = word

    def drop(self, code: int, first: int, count: int) -> None:
        """Take registers out: the meter has none there."""
        for address in range(first, first + count):
            self.words.pop((code, address), None)


def world_of(one: RegisterMap, *, seed: int = 1, unit: int = 1, model: int = 203, now: datetime | None = None) -> World:
    """Return a meter of this map. `model`: of a SunSpec meter; `now`: what its clock shows, as it shows it."""
    maker = _Maker(one, random.Random(f"{one.name} {seed} {unit}"), World(), now)
    serial = f"{SERIAL}{seed:04}{unit:03}"
    if one.sunspec is not None:
        maker.sunspec(serial, model)
    else:
        maker.identity(one.identity, serial, 0 - one.modbus.base)
        for register in sorted(one.register, key=lambda register: register.tier == 0):
            maker.register(register, 0 - one.modbus.base)
    for constant in one.constant:
        maker.write(constant, 0 - one.modbus.base, 10)
    for expect in one.expect:
        maker.write(expect, 0 - one.modbus.base, expect.values[0])
    maker.clock()
    maker.fill(one.modbus.gap)
    return maker.world


@dataclass(slots=True)
class _Maker:
    one: RegisterMap
    rng: random.Random
    world: World
    now: datetime | None
    rates: dict[tuple[str, ...], int] = field(default_factory=dict)  # what the rates of a quantity add up to

    def write(self, place: Place, shift: int, value: float | str) -> tuple[int, int, int]:
        """Write a value to a place of the map; return where that is."""
        keys = self.one.modbus
        code = 3 if (place.function or keys.function) == "holding" else 4
        order = {"words": place.word_order or keys.word_order, "within": place.byte_order or keys.byte_order}
        registers = encode(place.type, value, length=place.length or 0, **order)
        self.world.put(code, place.address + shift, registers)
        return code, place.address + shift, len(registers)

    def identity(self, identity: Identity, serial: str, shift: int) -> None:
        for name in identity.__struct_fields__:
            place = getattr(identity, name)
            if not isinstance(place, Place):
                continue
            text = serial if name in ("serial_number", "meter_id") else f"Sim {name}"
            number = int("".join(char for char in serial if char.isdigit()))
            value = text if place.type == "string" else number % 2 ** (16 * TYPES[place.type].registers or 16)
            self.write(place, shift, value)
            if name in ("serial_number", "meter_id"):
                self.world.meter_id = str(value)

    def register(self, keys: RegisterKeys, shift: int) -> None:
        raw, shown = self._raw(keys)
        factor = Decimal(keys.scale) * Decimal(10) ** (POWER if keys.scale_at is not None else 0)
        scales = {constant.name: Decimal(constant.scale) * 10 for constant in self.one.constant}
        for name in keys.times:
            factor *= scales[name]
        for name in keys.over:
            factor /= scales[name]
        place = self.write(keys, shift, raw)
        if keys.scale_at is not None:
            scale = Place(address=keys.scale_at, type="sunssf", function=keys.function)
            self.write(scale, shift, POWER)
        if keys.kind != "instantaneous":
            self.world.counters.append(place)
        value = f"{Decimal(shown) * factor:f}"
        value = value.rstrip("0").rstrip(".") if "." in value else value
        self.world.truth.append(
            TrueRegister(keys.quantity, keys.direction, keys.kind, keys.tier, keys.phase, value, keys.unit, shown)
        )

    def _raw(self, keys: RegisterKeys) -> tuple[float, str]:
        """Return a raw value, and how it is written."""
        if keys.type in ("f32", "f64"):  # seven digits: few enough for the decimal to identify its binary32
            hundredths = self.rng.randrange(1, 9_999_999) if keys.kind != "instantaneous" else 23_010
            shown = f"{Decimal(hundredths).scaleb(-2).normalize():f}"
            return float(shown), shown
        if keys.kind == "instantaneous":
            number = _TYPICAL.get(keys.unit, 10)
            return number, str(number)
        registers = TYPES[keys.type].registers
        most = 10 ** (4 * (keys.length or 1)) if not registers else 2 ** (16 * registers - 1)
        count = self.rng.randrange(1, min(most, 10**9))
        of = (keys.quantity, keys.direction, keys.kind, keys.phase, keys.type, keys.scale)
        if keys.tier and keys.kind == "cumulative":
            self.rates[of] = self.rates.get(of, 0) + count
        elif of in self.rates:
            count = self.rates[of]
        return count, str(count)

    def sunspec(self, serial: str, model: int) -> None:
        """Write marker, common model, the meter's model, and the end."""
        at = SUNSPEC_BASE
        self.world.put(3, at, [0x5375, 0x6E53])
        at += 2
        for one in self.one.model:
            if model not in one.ids and one.identity is None:
                continue
            number = model if model in one.ids else one.ids[0]
            self.world.put(3, at, [number, one.length, *[0xFFFF] * one.length])
            if one.identity is not None:
                self.identity(one.identity, serial, at)
            for register in one.register:
                self.register(register, at)
            at += 2 + one.length
        self.world.put(3, at, [0xFFFF, 0])

    def fill(self, gap: int) -> None:
        """Let a meter that may be read across gaps answer 0 in them."""
        words = self.world.words
        for (code, one), (other_code, other) in pairwise(sorted(words)):
            if code == other_code and other - one - 1 <= gap:
                self.world.put(code, one + 1, [0] * (other - one - 1))

    def clock(self) -> None:
        clock, now = self.one.clock, self.now
        if clock is None or now is None:
            return
        code = 3 if (clock.function or self.one.modbus.function) == "holding" else 4
        first = clock.address - self.one.modbus.base
        match clock.format:
            case "iec870":
                words = [
                    now.year - 2000, now.month << 8 | now.day, now.hour << 8 | now.minute,
                    now.second * 1000 + now.microsecond // 1000,
                ]  # fmt: skip
            case "unix":
                words = encode("u32", int(now.timestamp()))
            case _:
                words = [now.year, now.month, now.day, now.hour, now.minute, now.second]
        self.world.put(code, first, words)
