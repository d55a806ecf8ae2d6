"""An IEC 62056-21 meter, as far as a reader of ANSI meters can meet it: 7 data bits, even parity, and a sign-on."""

from __future__ import annotations

REACTION_S = 0.2  # the least that the standard allows a meter
BAUD = 300  # of the sign-on

_SIGN_ON = b"/?"
_END = b"!\r\n"
_LONGEST = 64  # octets of a sign-on, an address of 32 included
_EVEN = bytes(octet | (octet.bit_count() & 1) << 7 for octet in range(128)) * 2
_WRONG = 0x7F  # what a receiver hands over in place of a character with wrong parity
_HEARD = bytes(octet & 0x7F if octet.bit_count() % 2 == 0 else _WRONG for octet in range(256))


def sent_as_7e1(octets: bytes) -> bytes:
    """Return what a receiver set to 8N1 gets of octets sent as 7E1: parity in place of the eighth bit."""
    return octets.translate(_EVEN)


def heard_as_7e1(octets: bytes) -> bytes:
    """Return what a receiver set to 7E1 makes of octets sent as 8N1."""
    return octets.translate(_HEARD)


class IecPort:
    """Waits for `/?…!`, sent as 7E1 or 8N1, and answers with an identification, as a mode C meter does.

    With `always` it answers whatever it hears, as meters do that send their data by themselves.
    """

    def __init__(self, *, always: bool) -> None:
        self._always = always
        self._heard = bytearray()

    def hear(self, octets: bytes) -> bytes:
        """Take what came in; return the answer as it is on the line, or nothing."""
        self._heard += bytes(octet & 0x7F for octet in octets)
        begin = self._heard.rfind(_SIGN_ON)
        complete = begin >= 0 and _END in self._heard[begin:]
        if complete or (self._always and octets):
            self._heard.clear()
            return sent_as_7e1(b"/SIM5METERSIM\r\n")
        del self._heard[:-_LONGEST]
        return b""
