"""Registers that came as text explained from it: what a receiver printed, a page said, or a person typed."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from fractions import Fraction

from agent.explained import Explained
from agent.reading import Reading, RegisterPart
from agent.side_by_side import Difference, brief
from drivers.c1219.explain import Derivation, Step
from drivers.decimal_text import plain
from drivers.transport.recording_file import Octets, Session

METHODS = frozenset({"radio", "pager", "manual"})
_WRAP = 2**32  # rtl_433 prints counts of 32 bits with a sign


def explain_texts(reading: Reading, session: Session) -> list[Explained]:
    """Explain every register of the document from the text that it names, which its recording must have."""
    heard = [one.octets for one in session.records if isinstance(one, Octets) and one.octets is not None]
    return [_explained(f"registers[{k}]", part, heard) for k, part in enumerate(reading.registers)]


def _explained(path: str, part: RegisterPart, heard: list[bytes]) -> Explained:
    said = brief(part.value)
    place = part.provenance
    text = bytes.fromhex(place.octets) if place is not None and place.octets else b""
    try:
        shown = text.decode("ascii").strip()
        number = Decimal(shown)
    except (UnicodeDecodeError, InvalidOperation):
        odd = Difference(f"{path}.value", said, "cannot be derived: the document names no text for it")
        return Explained(f"{path}.value", said, "", Derivation(()), (odd,))
    assert place is not None  # noqa: S101 - it gave the text
    steps = [Step("text", f"{place.table}, from letter {place.offset}: {shown}")]
    differences = []
    if any(text in chunk for chunk in heard):
        steps.append(Step("recording", "it has this text as it was received"))
    else:
        differences.append(Difference(f"{path}.provenance", shown, "the recording does not have this text"))
    if number < 0 and place.table.startswith("rtl_433"):
        number += _WRAP
        steps.append(
            Step(
                "sign", "the receiver prints counts of 32 bits with a sign", (), "=", Fraction(number), Fraction(number)
            )
        )
    value = number * Decimal(part.multiplier)
    steps.append(
        Step("multiplier", "on record for this meter", (), "×", Fraction(Decimal(part.multiplier)), Fraction(value))
    )
    derived = plain(value)
    if derived != part.value:
        differences.append(Difference(f"{path}.value", said, derived))
    if Decimal(part.raw) != number:
        differences.append(Difference(f"{path}.raw", part.raw, plain(number)))
    derivation = Derivation(tuple(steps), Fraction(value), part.unit)
    return Explained(f"{path}.value", said, derived, derivation, tuple(differences))
