"""Times in a message: how they are laid out, and what they mean in UTC. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from drivers.errors import DataError

_TOKEN = re.compile(r"(?P<token>YYYY|YY|MM|DD|hh|mm|ss)|(?P<text>[^A-Za-z0-9]+|T|Z)|(?P<stray>.)", re.DOTALL)
_NEEDED = ("YYYY", "MM", "DD", "hh", "mm")
_PIVOT = 90  # of a year of two digits: 90 to 99 are of the last century


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a layout: digits of a token, or characters as they are."""

    text: str
    token: bool


def pieces(layout: str) -> tuple[Piece, ...]:
    """Split a layout such as `YYYYMMDDThhmm`. Raises `ValueError` for one that says no minute of a day."""
    out = []
    for found in _TOKEN.finditer(layout):
        if found["stray"] is not None:
            raise ValueError(f"{found['stray']!r} in a time: known are YYYY YY MM DD hh mm ss, T, Z and signs between")
        out.append(Piece(found[0], found["token"] is not None))
    tokens = [piece.text.replace("YYYY", "YY") for piece in out if piece.token]
    missing = [token for token in _NEEDED if token.replace("YYYY", "YY") not in tokens]
    if missing or len(set(tokens)) < len(tokens):
        what = f"{missing[0]} is missing" if missing else "one of them stands twice"
        raise ValueError(f"a time needs a year, MM, DD, hh and mm, each once: {what}")
    return tuple(out)


def read_time(text: str, layout: str, zone: tzinfo) -> tuple[datetime, bool]:
    """Return the time in UTC, and whether it lies in the repeated hour, whose first pass is then taken.

    `text` has the length and the digits of `layout`. Raises `DataError` for a time that does not exist.
    """
    parts, at = {"ss": 0}, 0
    for piece in pieces(layout):
        end = at + len(piece.text)
        if piece.token:
            parts[piece.text] = int(text[at:end])
        at = end
    year = parts["YYYY"] if "YYYY" in parts else parts["YY"] + (1900 if parts["YY"] >= _PIVOT else 2000)
    try:
        wall = datetime(year, parts["MM"], parts["DD"], parts["hh"], parts["mm"], parts["ss"], tzinfo=zone)
        first, second = wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC)
        exists = first.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise DataError(f"the message has the time {text!r} ({layout}), which is none: {error}") from error
    if not exists:
        raise DataError(
            f"the message has the time {text!r}, which the clocks of {zone} leave out",
            advice="the meter may keep standard time all year: give its format that zone, for example Etc/GMT+5",
        )
    return first, first != second


def write_time(at: datetime, layout: str, zone: tzinfo) -> str:
    """Return an aware time as `layout` writes it in `zone`."""
    wall = at.astimezone(zone)
    values = {
        "YYYY": f"{wall:%Y}".zfill(4),
        "YY": f"{wall:%y}",
        "MM": f"{wall:%m}",
        "DD": f"{wall:%d}",
        "hh": f"{wall:%H}",
        "mm": f"{wall:%M}",
        "ss": f"{wall:%S}",
    }
    return "".join(values[piece.text] if piece.token else piece.text for piece in pieces(layout))
