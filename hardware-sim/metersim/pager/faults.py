"""What can go wrong between a carrier and its customer, each a number of times.

`submit.` and `poll.` faults spoil the answer to that many requests. A page whose answer is spoiled was taken all the
same, unless it is a `code-` or a `lose-` fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from drivers.errors import UsageError

SPOILS = {
    "http-500": "HTTP 500 with a page of HTML",
    "http-404": "HTTP 404",
    "empty": "HTTP 200 and nothing",
    "html": "HTTP 200 and a page of HTML",
    "truncated": "half of the XML",
    "huge": "10 MB of XML",
    "silence": "no answer for 30 s (or as long as --silence says)",
    "close": "the connection is closed instead of an answer",
    "utf-16": "the answer in UTF-16",
    "latin-1": "the answer in Latin-1",
    "entities": "an answer with entity declarations",
    "strange": "a message of a kind that is not used comes first among those of a poll",
    "code-CODE": "a wctp-Failure of that code; a page is not taken",
    "lose": "HTTP 500, and a page is not taken",
}
REPLIES = {
    "lost": "the meter's reply never comes",
    "duplicate": "the reply comes twice",
    "second": "a second, different reply comes",
    "early": "the reply comes before DELIVERED",
    "other-pin": "the reply comes from another device",
    "unknown-id": "the reply is to a message that was never sent",
    "garbled": "a character of the reply is changed",
    "undeliverable": "no reply, but wctp-Failure 500",
}
_FAULT = re.compile(r"(?:(submit|poll|push)\.)?([a-z0-9-]+?)(?:=([0-9]{1,6}))?")


class Faults:
    """Faults that are left, by name."""

    def __init__(self, left: dict[str, int] | None = None) -> None:
        self._left = dict(left or {})

    def take(self, name: str) -> bool:
        """Return whether this fault is due now; it is used up by that."""
        if self._left.get(name, 0) <= 0:
            return False
        self._left[name] -= 1
        return True

    def spoil(self, request: str) -> str | None:
        """Return the fault of the answer to a `submit` or `poll` request, if any is due."""
        for name in [name for name in self._left if name.startswith(f"{request}.")]:
            if self.take(name):
                return name.partition(".")[2]
        return None


def parse_faults(words: Iterable[str]) -> Faults:
    """Return `submit.http-500=2`, `lost` … as faults; without a number, once. Raises `UsageError`."""
    left: dict[str, int] = {}
    for word in words:
        found = _FAULT.fullmatch(word)
        request, name, times = found.groups() if found else (None, "", None)
        spoils = request is not None and (name in SPOILS or re.fullmatch(r"code-[0-9]{3}", name) is not None)
        if not (spoils or (request is None and name in REPLIES)):
            raise UsageError(f"there is no fault {word!r}", advice="`metersim pager --help` lists them")
        left[name if request is None else f"{request}.{name}"] = int(times or 1)
    return Faults(left)


def faults_help() -> str:
    """Return the list for `--help`."""
    lines = [f"  submit.{name}, poll.{name}".ljust(38) + what for name, what in SPOILS.items()]
    return "\n".join(lines + [f"  {name}".ljust(38) + what for name, what in REPLIES.items()])
