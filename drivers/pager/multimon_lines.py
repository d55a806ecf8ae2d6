"""Pages as multimon-ng prints them, one a line, or nothing: whatever else it prints is noise to us. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

LONGEST_LINE = 4096  # octets; the longest page, each of its characters written out, is shorter
_CONTROLS = (
    *("NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO", "SI"),
    *("DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US"),
)
_ESCAPED = {name: chr(code) for code, name in enumerate(_CONTROLS)} | {"DEL": "\x7f"}
_ESCAPE = re.compile("<(" + "|".join(_ESCAPED) + ")>")
_POCSAG = re.compile(
    r"POCSAG(?P<rate>512|1200|2400): Address: {1,7}(?P<address>[0-9]{1,7})  Function: (?P<function>[0-3]) ?"
    r"(?: (?P<coding>Alpha|Numeric|Skyper): {1,3}(?P<text>.*))?"
)
# 1.2 prints texts and numbers differently; K marks a message in one piece.
_FLEX_TEXT = re.compile(
    r"FLEX\|[^|]{1,40}\|[0-9]{4}/[24]/K/[A-D]\|[^|]{1,10}\|(?P<address>[0-9]{1,10})\|ALN\|(?P<text>.*)"
)
_FLEX_NUMBER = re.compile(r"FLEX: .{1,40} [0-9]{4}/[24]/[A-D] .{1,10} \[(?P<address>[0-9]{1,10})\] NUM (?P<text>.*)")


@dataclass(frozen=True, slots=True)
class HeardPage:
    """One page. `text` is None for a tone; control characters are themselves again, filling is taken off."""

    system: Literal["pocsag", "flex"]
    address: int
    function: int | None  # of POCSAG
    coding: Literal["alpha", "numeric", ""]
    text: str | None


def read_line(line: bytes) -> HeardPage | None:
    """Return the page on a line of multimon-ng; None for anything else. Never raises.

    A typed `<CR>` cannot be told from a carriage return: the message's own check decides.
    """
    if len(line) > LONGEST_LINE or not line.isascii():
        return None
    text = line.decode("ascii").rstrip("\n")
    if found := _POCSAG.fullmatch(text):
        coding: Literal["alpha", "numeric", ""] = ""
        if found["coding"]:
            coding = "numeric" if found["coding"] == "Numeric" else "alpha"
        said = None if found["text"] is None else _unfilled(found["text"], coding)
        return HeardPage("pocsag", int(found["address"]), int(found["function"]), coding, said)
    if found := _FLEX_TEXT.fullmatch(text):
        return HeardPage("flex", int(found["address"]), None, "alpha", _unfilled(found["text"], "alpha"))
    if found := _FLEX_NUMBER.fullmatch(text):
        return HeardPage("flex", int(found["address"]), None, "numeric", _unfilled(found["text"], "numeric"))
    return None


def _unfilled(text: str, coding: str) -> str:
    """Return the text without what fills up the last codeword."""
    if coding == "numeric":
        return text.rstrip(" ")
    return _ESCAPE.sub(lambda found: _ESCAPED[found[1]], text).rstrip("\0")
