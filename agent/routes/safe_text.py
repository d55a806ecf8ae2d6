"""Texts that go to a screen: nothing in them may steer it, hide, or make one identification look like another."""

from __future__ import annotations

import unicodedata

from agent.errors import UsageError

_JOINERS = "\u200c\u200d"  # part of the spelling of names in several scripts
_REFUSED = {
    "Cc": "a control character",
    "Cf": "an invisible character",
    "Cs": "half a character",
    "Zl": "a line end",
    "Zp": "a line end",
}


def wrong_in(text: str, *, lines: bool = False) -> str:
    """Return what is wrong with a text, or nothing. `lines`: it may have line ends (LF)."""
    if not text.isprintable():
        for place, char in enumerate(text, start=1):
            why = _REFUSED.get(unicodedata.category(char))
            if why is not None and char not in _JOINERS and not (lines and char == "\n"):
                name = unicodedata.name(char, "").lower()
                return f"character {place} is U+{ord(char):04X}, " + (f"{name}: {why}" if name else why)
    return "it begins or ends with blanks" if text != text.strip() else ""


def typed(text: str, what: str, longest: int) -> str:
    """Return a text that a person typed, without blanks around it, lines ended by LF. Raises like `checked`."""
    return checked(text.replace("\r\n", "\n").strip(), what, longest, lines=True)


def checked(text: str, what: str, longest: int, *, lines: bool = False) -> str:
    """Return a text that a person gave. Raises `UsageError` if it is none, too long, or not fit for a screen."""
    if not text.strip():
        raise UsageError(f"{what} is empty")
    if len(text) > longest:
        raise UsageError(f"{what} has {len(text):,} characters; at most {longest:,} are kept")
    if wrong := wrong_in(text, lines=lines):
        raise UsageError(f"{what}: {wrong}", advice="leave that out")
    return text
