"""Telnet (RFC 854, 855) as far as a serial server needs it: octets in, data and commands out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SE: Final = 240
SB: Final = 250
WILL: Final = 251
WONT: Final = 252
DO: Final = 253
DONT: Final = 254
IAC: Final = 255
_VERBS: Final = frozenset({SB, WILL, WONT, DO, DONT})

MAX_SUBNEGOTIATION: Final = 1024  # RFC 2217 needs 5 octets, or a signature text; the rest is dropped


@dataclass(frozen=True, slots=True)
class Negotiation:
    """WILL, WONT, DO or DONT of an option."""

    verb: int
    option: int


@dataclass(frozen=True, slots=True)
class Subnegotiation:
    """What an option has to say, unescaped."""

    option: int
    payload: bytes


Command = Negotiation | Subnegotiation


class TelnetDecoder:
    """Takes the stream apart, wherever it is cut. Commands without an option (NOP, GA …) are dropped."""

    def __init__(self) -> None:
        self._verb = 0  # an option must follow; SB: inside a subnegotiation; 0: data
        self._escaped = False  # the octet before was IAC
        self._sub = bytearray()

    def feed(self, chunk: bytes) -> tuple[bytes, list[Command]]:
        """Return the data and the commands that `chunk` completes, each in order."""
        if self._verb == 0 and not self._escaped and IAC not in chunk:
            return chunk, []
        data, commands = bytearray(), []
        for octet in chunk:
            if self._verb == SB:
                command = self._inside(octet)
            elif self._verb:
                command, self._verb = Negotiation(self._verb, octet), 0
            else:
                command = None
                if not self._escaped:
                    if octet == IAC:
                        self._escaped = True
                    else:
                        data.append(octet)
                    continue
                self._escaped = False
                if octet == IAC:
                    data.append(IAC)
                elif octet in _VERBS:
                    self._verb = octet
            if command is not None:
                commands.append(command)
        return bytes(data), commands

    def _inside(self, octet: int) -> Command | None:
        """Take an octet of a subnegotiation; return it whole at its end."""
        if not self._escaped and octet == IAC:
            self._escaped = True
            return None
        ended, self._escaped = self._escaped and octet != IAC, False
        if not ended:
            if len(self._sub) < MAX_SUBNEGOTIATION:
                self._sub.append(octet)
            return None
        whole = bytes(self._sub)
        self._sub.clear()
        self._verb = octet if octet in _VERBS else 0  # any command but SE breaks it off
        return Subnegotiation(whole[0], whole[1:]) if octet == SE and whole else None


def escape(data: bytes) -> bytes:
    """Return `data` with each FFH doubled."""
    return data.replace(b"\xff", b"\xff\xff")


def negotiation(verb: int, option: int) -> bytes:
    """Return the octets of WILL, WONT, DO or DONT."""
    return bytes((IAC, verb, option))


def subnegotiation(option: int, payload: bytes) -> bytes:
    """Return the octets of what an option has to say."""
    return bytes((IAC, SB, option)) + escape(payload) + bytes((IAC, SE))
