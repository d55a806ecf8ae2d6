"""The client's side of the Com Port Control Option (RFC 2217), without input or output.

Servers differ in what they acknowledge: some leave out commands that their port cannot carry out. What is needed of
them (speed and format) is asked for by name; the rest is sent, and an answer taken note of.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from drivers.transport.telnet import (
    DO,
    DONT,
    WILL,
    WONT,
    Negotiation,
    Subnegotiation,
    TelnetDecoder,
    negotiation,
    subnegotiation,
)

BINARY: Final = 0
SUPPRESS_GO_AHEAD: Final = 3
COM_PORT: Final = 44
_OURS: Final = frozenset({BINARY, SUPPRESS_GO_AHEAD, COM_PORT})
_THEIRS: Final = frozenset({BINARY, SUPPRESS_GO_AHEAD, COM_PORT})
_FROM_SERVER: Final = 100  # added to a client's command in the acknowledgement
_SUSPEND: Final = 108
_RESUME: Final = 109


class ComPortCommand(IntEnum):
    """What a client may ask for (RFC 2217 §3)."""

    SET_BAUDRATE = 1
    SET_DATASIZE = 2
    SET_PARITY = 3
    SET_STOPSIZE = 4
    SET_CONTROL = 5
    PURGE_DATA = 12


NO_PARITY: Final = b"\x01"
EIGHT_BITS: Final = b"\x08"
ONE_STOP_BIT: Final = b"\x01"
NO_FLOW_CONTROL: Final = b"\x01"
DTR_ON, DTR_OFF, RTS_ON, RTS_OFF = b"\x08", b"\x09", b"\x0b", b"\x0c"
PURGE_BOTH: Final = b"\x03"


class ComPort:
    """The state of one connection: what was agreed, and what the server says its port is set to."""

    def __init__(self) -> None:
        self.output = bytearray()  # to be sent, and removed
        self.agreed: bool | None = None  # None: the server has not said yet whether it speaks RFC 2217
        self.suspended = False  # the server can take no more data now
        self.answered: dict[int, bytes] = {}  # command → what the server says is set, since it was last asked
        self._decoder = TelnetDecoder()
        self._on: set[tuple[int, int]] = set()  # (WILL or DO, option) that we have said and not taken back

    def start(self) -> None:
        """Say what we can do and want."""
        for option in (BINARY, SUPPRESS_GO_AHEAD):
            self._say(WILL, option)
            self._say(DO, option)
        self._say(WILL, COM_PORT)

    def ask(self, command: ComPortCommand, value: bytes) -> None:
        """Have something set; `answered` tells what came of it."""
        self.answered.pop(command, None)
        self.output += subnegotiation(COM_PORT, bytes((command,)) + value)

    def feed(self, chunk: bytes) -> bytes:
        """Take input; return the data in it."""
        data, commands = self._decoder.feed(chunk)
        for command in commands:
            if isinstance(command, Negotiation):
                self._negotiate(command)
            else:
                self._told(command)
        return data

    def _negotiate(self, command: Negotiation) -> None:
        """Answer, once, so that two who answer each other come to an end (RFC 1143)."""
        verb, option = command.verb, command.option
        if verb == DO:
            if option == COM_PORT:
                self.agreed = True
            self._say(WILL if option in _OURS else WONT, option)
        elif verb == WILL:
            self._say(DO if option in _THEIRS else DONT, option)
        elif verb == DONT:
            if option == COM_PORT:
                self.agreed = False
            self._take_back(WILL, WONT, option)
        else:
            self._take_back(DO, DONT, option)

    def _say(self, verb: int, option: int) -> None:
        if (verb, option) not in self._on:
            self._on.add((verb, option))
            self.output += negotiation(verb, option)

    def _take_back(self, said: int, verb: int, option: int) -> None:
        if (said, option) in self._on:
            self._on.discard((said, option))
            self.output += negotiation(verb, option)

    def _told(self, command: Subnegotiation) -> None:
        if command.option != COM_PORT or not command.payload:
            return
        code, value = command.payload[0], command.payload[1:]
        if code in (_SUSPEND, _RESUME):
            self.suspended = code == _SUSPEND
        elif code > _FROM_SERVER:
            self.answered[code - _FROM_SERVER] = value
