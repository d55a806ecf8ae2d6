"""Why a person brings no reading, or brings one under a caveat: the codes of a route."""

from __future__ import annotations

from typing import Literal

from drivers.errors import MrspError

Trouble = Literal[
    "no_access",
    "locked",
    "dog",
    "unsafe",
    "not_found",
    "removed",
    "wrong_meter",
    "dead_display",
    "not_legible",
    "broken_glass",
    "damaged",
    "seal_broken",
    "tampered",
    "obstructed",
    "other",
]
WORDS: dict[Trouble, str] = {
    "no_access": "no access to the meter",
    "locked": "the place is locked",
    "dog": "a dog guards the place",
    "unsafe": "it is not safe to approach",
    "not_found": "the meter was not found",
    "removed": "the meter is gone",
    "wrong_meter": "another meter is there",
    "dead_display": "the display is dead",
    "not_legible": "the display cannot be read",
    "broken_glass": "the glass is broken",
    "damaged": "the meter is damaged",
    "seal_broken": "a seal is broken",
    "tampered": "somebody tampered with the meter",
    "obstructed": "the meter is obstructed",
    "other": "another reason",
}


class NotRead(MrspError):
    """A person was there, or tried to be, and brings no value: a reasoned non-reading. Not retried by itself."""

    exit_code = 3

    def __init__(
        self, message: str, *, trouble: tuple[Trouble, ...] = (), photos: tuple[str, ...] = (), advice: str = ""
    ) -> None:
        super().__init__(message, advice=advice)
        self.trouble = trouble
        self.photos = photos
