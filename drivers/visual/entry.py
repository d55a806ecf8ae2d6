"""What a person brings from a meter: typed, scanned, photographed."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from drivers.data import Direction, Kind
from drivers.visual.trouble import Trouble

MOST_DIGITS = 18
SHOWN = re.compile(rf"-?[0-9]{{1,{MOST_DIGITS}}}(?:\.[0-9]{{0,9}})?")
_DEMAND = re.compile(r"[kMG]?(?:W|VA|var)")  # a power, which displays show as the highest demand

Shown = Annotated[str, Meta(pattern=rf"^{SHOWN.pattern}\Z")]
Word = Annotated[str, Meta(min_length=1, max_length=200)]
Unit = Annotated[str, Meta(pattern=r"^[A-Za-z0-9%]{1,16}\Z")]
Factor = Annotated[str, Meta(pattern=r"^(?=.*[1-9])[0-9]{1,12}(\.[0-9]{1,12})?\Z")]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of what an entry consists of: immutable, and an unknown key is a mistake."""


class ShownRegister(_Part, frozen=True, kw_only=True):
    """One value on the display. `shown` exactly as displayed: leading zeros, point, trailing zeros."""

    shown: Shown
    quantity: Unit = "kWh"
    direction: Direction = "delivered"
    kind: Kind | None = None  # None: `demand` for a power, `cumulative` for anything else
    tier: Annotated[int, Meta(ge=0, le=99)] = 0
    period: Literal["present", "previous_reset"] = "present"
    multiplier: Factor = "1"  # on the nameplate, or of the transformers
    dials: Annotated[int, Meta(ge=1, le=MOST_DIGITS)] | None = None  # whole digits that the person counts
    decimals: Annotated[int, Meta(ge=0, le=9)] | None = None  # decimal places that the person counts
    again: Annotated[tuple[Shown, ...], Meta(max_length=2)] = ()  # looked up and typed once more, on a doubt

    @property
    def name(self) -> str:
        """The register's name for people: `kWh delivered, rate 2`."""
        words = [self.quantity, self.direction]
        if self.kind not in {None, "cumulative"}:
            words.append(str(self.kind).replace("_", " "))
        name = " ".join(words) + (f", rate {self.tier}" if self.tier else "")
        return f"{name}, before the last reset" if self.period == "previous_reset" else name

    @property
    def sense(self) -> Kind:
        """What kind of register it is."""
        return self.kind or ("demand" if _DEMAND.fullmatch(self.quantity) else "cumulative")


class Entry(_Part, frozen=True, kw_only=True):
    """What a person brings from one meter: values, or why there are none."""

    nameplate_id: Word | None = None  # as typed or scanned
    registers: Annotated[tuple[ShownRegister, ...], Meta(max_length=64)] = ()
    read_by: Word | None = None
    read_at: Annotated[datetime, Meta(tz=True)] | None = None
    photos: Annotated[tuple[Word, ...], Meta(max_length=32)] = ()  # file names, from where the entry is
    trouble: Annotated[tuple[Trouble, ...], Meta(max_length=8)] = ()
    remark: Word | None = None


def digits_of(shown: str) -> tuple[int, int]:
    """Return how many whole digits and decimal places are shown."""
    whole, _, places = shown.lstrip("-").partition(".")
    return len(whole), len(places)


def check_shown(text: str, register: ShownRegister) -> str:
    """Return what is wrong with a value as typed for `register`, or nothing."""
    if not SHOWN.fullmatch(text):
        return f"{text!r} is not what a display shows: digits, and a point before decimals"
    dials, decimals = digits_of(text)
    if register.dials is not None and dials != register.dials:
        return f"{text!r} has {dials} whole digits, `dials` says {register.dials}: leading zeros count"
    if register.decimals is not None and decimals != register.decimals:
        return f"{text!r} has {decimals} decimal places, `decimals` says {register.decimals}: trailing zeros count"
    if text.startswith("-") and register.direction != "net":
        return f"{text!r} is below zero, which only a net register can be"
    return ""


def value_of(shown: str, multiplier: str) -> Decimal:
    """Return what a display and its multiplier come to, exactly: 27 digits times 24 are not rounded."""
    with_all = Decimal(shown).as_tuple(), Decimal(multiplier).as_tuple()
    (sign, digits, exponent), (_, other, other_exponent) = with_all
    product = int("".join(map(str, digits))) * int("".join(map(str, other)))
    return Decimal((sign, tuple(map(int, str(product))), int(exponent) + int(other_exponent)))
