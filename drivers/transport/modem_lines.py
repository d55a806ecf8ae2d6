"""What a modem says in command state: octets to lines, lines to results, however the octets are cut."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from drivers.transport.modem_settings import ModemSettings, Word

MAX_LINE: Final = 128  # longer ones are not a modem's: leftovers of a call, noise

_RATE: Final = re.compile(r"[A-Z+: ]*?([0-9]{2,7})(?![0-9])")
_CALLER: Final = re.compile(r"[*#+0-9]+")


@dataclass(frozen=True, slots=True)
class Result:
    """One line, understood. `rate` is the speed that CONNECT or CARRIER tells, 0 if none; `text` the line itself."""

    word: Word
    text: str
    rate: int = 0

    @property
    def caller(self) -> str:
        """The calling number of a `CALLER` line, "" if it is withheld."""
        found = _CALLER.search(self.text) if self.word is Word.CALLER else None
        return found.group() if found else ""


class LineSplitter:
    """Cuts input at CR and LF, either of which ends a line; empty lines are nothing."""

    def __init__(self) -> None:
        self._line = bytearray()

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that `chunk` completes, the eighth bit of each octet ignored: it may be parity."""
        lines: list[str] = []
        for octet in chunk:
            sign = octet & 0x7F
            if sign in b"\r\n":
                if text := self._take():
                    lines.append(text)
            elif len(self._line) < MAX_LINE:
                self._line.append(sign)
        return lines

    def clear(self) -> None:
        """Forget a line that has begun."""
        self._line.clear()

    def _take(self) -> str:
        text = "".join(chr(sign) for sign in self._line if 0x20 <= sign < 0x7F).strip()
        self._line.clear()
        return text


def understand(line: str, settings: ModemSettings) -> Result | None:
    """Return what `line` means, or None: the echo of a command, a banner, noise."""
    for code, word, rate in settings.codes:
        if line == code:
            return Result(word, line, rate)
    upper = line.upper()
    fitting = [(len(words), word) for words, word in settings.words if _begins(upper, words)]
    if not fitting:
        return None
    word = max(fitting, key=lambda one: one[0])[1]
    found = _RATE.match(upper) if upper.startswith(("CONNECT", "CARRIER")) else None
    return Result(word, line, int(found.group(1)) if found else 0)


def _begins(line: str, words: str) -> bool:
    """Whether `line` begins with `words`, and not with a longer word."""
    return line.startswith(words) and not (words[-1].isalpha() and line[len(words) : len(words) + 1].isalpha())
