"""Answers of instruments, taken strictly: text in, `Decimal`, int, yes or no, identity or error out, or `BadAnswer`.

Numbers are those of IEEE 488.2 §8.7 (NR1, NR2, NR3). SCPI 1999 §7.2.1 stands for infinite with 9.9E37 and for "not a
number" with 9.91E37; an instrument that overranges answers so, or in words.
"""

from __future__ import annotations

import re
from decimal import Decimal

from drivers.instruments.errors import BadAnswer, Overrange
from drivers.instruments.schema import Question, State
from drivers.instruments.values import InstrumentIdentity

LONGEST = 512  # octets of an answer; the longest that is of use is an identity
_LONGEST_NUMBER = 48
_SHOWN = 60
_MOST = Decimal("1E15")  # no bench has so many Wh, V, s or pulses: what is more is no measurement
_INFINITE = Decimal("9.9E37")
_NAN = Decimal("9.91E37")
_NUMBER = re.compile(
    r"(?P<number>[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[Ee][+-]?[0-9]{1,3})?)(?P<rest>.*)"
)
_WORDS = re.compile(r"[+-]?(?:NAN|INF(?:INITY)?|NINF|OVER|OVLD|OL|OVERLOAD|OVERRANGE)", re.IGNORECASE)
_ERROR = re.compile(r"(?P<code>[+-]?[0-9]{1,6})(?:\s*,\s*(?P<text>.*))?")
_IDENTITY_FIELDS = 4


def shown(answer: str) -> str:
    """Return an answer as errors quote it: in quotes, cut if it is long."""
    return repr(answer) if len(answer) <= _SHOWN else f"{answer[:_SHOWN]!r}… ({len(answer)} characters)"


def number_of(answer: str, suffix: str = "") -> Decimal:
    """Return the number that an answer is, exactly. `suffix`: the unit that must stand behind it; none: none may.

    Raises `Overrange` for infinite and not a number, `BadAnswer` for all else that is no such number.
    """
    text = answer.strip(" ")
    if _WORDS.fullmatch(text):
        raise Overrange(f"it says {shown(answer)}: it cannot measure this", advice=_RANGE)
    found = _NUMBER.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if found is None:
        raise BadAnswer(f"{shown(answer)} is no number", advice=_PROFILE)
    number, rest = Decimal(found["number"]), found["rest"].strip(" ")
    if number == _NAN:
        raise Overrange(f"it says {shown(answer)}: there is no measurement", advice=_RANGE)
    if abs(number) >= _INFINITE:
        raise Overrange(f"it says {shown(answer)}: it is out of its range", advice=_RANGE)
    if rest != suffix:
        want = f"the unit {suffix}" if suffix else "no unit"
        raise BadAnswer(f"{shown(answer)}: the profile says {want} behind the number", advice=_PROFILE)
    if abs(number) > _MOST:
        raise BadAnswer(f"{shown(answer)} is more than any bench can have", advice=_PROFILE)
    return number


def value_of(answer: str, question: Question) -> Decimal:
    """Return the number that answers a question, in the unit of its key. Raises as `number_of`."""
    number = number_of(answer, question.suffix)
    return number if question.scale == "1" else number * question.factor


def count_of(answer: str, question: Question) -> int:
    """Return a count: a number that is whole and not negative, however it is written. Raises as `number_of`."""
    value = value_of(answer, question)
    if value < 0 or value != value.to_integral_value():
        raise BadAnswer(f"{shown(answer)} is no count", advice=_PROFILE)
    return int(value)


def state_of(answer: str, state: State) -> bool:
    """Return whether an answer means yes. Raises `BadAnswer` for one that means neither."""
    text = answer.strip(" ").upper()
    for meaning, answers in ((True, state.yes), (False, state.no)):
        if any(text == one.upper() for one in answers):
            return meaning
    known = ", ".join((*state.yes, *state.no))
    raise BadAnswer(f"{shown(answer)} is none of {known}", advice=_PROFILE)


def identity_of(answer: str) -> InstrumentIdentity:
    """Return the fields of an answer to *IDN?; those that are not there are empty, 0 stands for unknown.

    Raises `BadAnswer` for an empty one.
    """
    fields = [field.strip() for field in answer.split(",", _IDENTITY_FIELDS - 1)]
    if not any(fields):
        raise BadAnswer("it says nothing of itself", advice=_PROFILE)
    fields += [""] * (_IDENTITY_FIELDS - len(fields))
    return InstrumentIdentity(fields[0], fields[1], "" if fields[2] == "0" else fields[2], fields[3])


def error_of(answer: str) -> tuple[int, str]:
    """Return number and text of the oldest error in a queue; 0 for none (SCPI 1999 §21.8). Raises `BadAnswer`."""
    found = _ERROR.fullmatch(answer.strip(" "))
    if found is None:
        raise BadAnswer(f"{shown(answer)} is no entry of an error queue", advice=_PROFILE)
    return int(found["code"]), (found["text"] or "").strip(' "')[:_SHOWN]


_PROFILE = "check that the profile is of this instrument, and that nobody else speaks to it"
_RANGE = "set a lower load or another range of the instrument"
