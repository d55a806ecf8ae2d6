"""A register as the face of a meter: one box a dial, and what a form with such boxes says. Pure.

Names of fields, by the number K of the register: `dK-0`, `dK-1` … one digit each; `wK` the whole value where the meter
has another number of digits than the record; `mK` that the display shows it below zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from agent.field.drafts import Draft
from agent.order import Order
from agent.routes.order import AskedRegister, RouteOrder
from drivers.visual.entry import ShownRegister

EMPTY = "_"  # a dial without a digit yet, in what is kept of a value half typed
LONGEST = 40  # characters of a value that is typed as a whole


@dataclass(frozen=True, slots=True)
class Face:
    """One register to be typed. `dials` None: it is not known how many there are, and the value is typed as a whole."""

    number: int
    register: AskedRegister
    dials: int | None
    decimals: int

    @property
    def signed(self) -> bool:
        """Whether the display can show it below zero."""
        return self.register.direction == "net"

    def boxes(self, value: str) -> tuple[str, ...]:
        """Return the digits of a value for the dials, empty ones where there is none; none without dials."""
        if self.dials is None:
            return ()
        whole, _, places = value.removeprefix("-").partition(".")
        if len(whole) != self.dials or len(places) != self.decimals:
            return ("",) * (self.dials + self.decimals)
        return tuple("" if char == EMPTY else char for char in whole + places)

    def as_whole(self, value: str) -> str:
        """Return a value that does not fit the dials, or has none; empty for one that fits them."""
        return "" if any(self.boxes(value)) else value.replace(EMPTY, "").strip("-.")

    def typed(self, field: Callable[[str], str]) -> str:
        """Return the value that a form gives: empty if nothing, with `EMPTY` for each dial that is left out."""
        minus = "-" if self.signed and field(f"m{self.number}") else ""
        whole = "".join(field(f"w{self.number}").split())[:LONGEST]
        if whole:
            return whole if whole.startswith("-") else minus + whole
        if self.dials is None:
            return ""
        boxes = [_digit(field(f"d{self.number}-{k}")) for k in range(self.dials + self.decimals)]
        if all(box == EMPTY for box in boxes):
            return ""
        places = "".join(boxes[self.dials :])
        return minus + "".join(boxes[: self.dials]) + (f".{places}" if places else "")

    def shown(self, value: str) -> ShownRegister:
        """Return the register with a value that is complete."""
        register = self.register.as_shown(value)
        return msgspec.structs.replace(register, dials=self.dials, decimals=self._places)

    @property
    def _places(self) -> int | None:
        return self.decimals if self.register.decimals is not None or self.decimals else None


def faces_of(ordered: RouteOrder) -> tuple[Face, ...]:
    """Return the registers of a stop as they are typed, in the order of the route."""
    return tuple(_face(number, one, ordered.order) for number, one in enumerate(ordered.asked))


def complete(value: str) -> bool:
    """Whether a value is typed, with no dial left out."""
    return bool(value) and EMPTY not in value


def typed_values(faces: Sequence[Face], field: Callable[[str], str]) -> tuple[str, ...]:
    """Return what a form says of each register."""
    return tuple(face.typed(field) for face in faces)


def value_at(values: Sequence[str], number: int) -> str:
    return values[number] if number < len(values) else ""


def unfinished(faces: Sequence[Face], draft: Draft) -> tuple[Face, ...]:
    """Return the registers that are not typed whole."""
    return tuple(face for face in faces if not complete(value_at(draft.values, face.number)))


def typed_again(faces: Sequence[Face], draft: Draft, anew: Mapping[int, str]) -> tuple[Draft, tuple[Face, ...]]:
    """Return the draft after values were looked up and typed once more, and the registers where they differ.

    Where both are the same, that is what the meter shows. Where they differ, the later stands for the first, and it
    has to be confirmed like any other that looks odd.
    """
    values = [value_at(draft.values, face.number) for face in faces]
    again = [value_at(draft.again, face.number) for face in faces]
    differ = []
    for face in faces:
        value = anew.get(face.number, "")
        if not complete(value):
            continue
        same = value == values[face.number]
        again[face.number] = value if same else ""
        if not same:
            values[face.number] = value
            differ.append(face)
    return msgspec.structs.replace(draft, values=tuple(values), again=tuple(again)), tuple(differ)


def _face(number: int, register: AskedRegister, order: Order) -> Face:
    sense = register.as_shown("0").sense
    dials = register.dials or (order.dials if sense == "cumulative" else None)
    decimals = register.decimals if register.decimals is not None or sense != "demand" else order.decimals
    return Face(number, register, dials, decimals or 0)


def _digit(text: str) -> str:
    return text if len(text) == 1 and text in "0123456789" else EMPTY
