"""Octets into lines, of bounded length: what a program that fails prints must not fill the memory. Pure."""

from __future__ import annotations


class Lines:
    """Cuts octets at line feeds. A line that is too long is dropped whole, and comes out as None, once."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = bytearray()
        self._dropping = False

    def feed(self, octets: bytes) -> list[bytes | None]:
        """Take octets; return the lines that they complete, without line feeds and carriage returns at their end."""
        *complete, rest = octets.split(b"\n")
        lines = [self._completed(part) for part in complete]
        if not self._dropping:
            self._rest += rest
            if len(self._rest) > self._longest:
                self._dropping = True
                self._rest.clear()
        return lines

    def end(self) -> list[bytes | None]:
        """Return what is left when there are no more octets: a last line without a line feed."""
        return [self._completed(b"")] if self._rest or self._dropping else []

    def _completed(self, part: bytes) -> bytes | None:
        dropped = self._dropping or len(self._rest) + len(part) > self._longest
        line = None if dropped else bytes(self._rest + part).rstrip(b"\r")
        self._rest.clear()
        self._dropping = False
        return line
