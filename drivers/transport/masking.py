"""Which octets of a recording would tell a password.

What is sent as secret is masked outright. It may also come back: by an echo so damaged that echo cancelling let it
through. So from a secret octet on, what is received is held until the client goes on after an answer; then it is
written as it is, or masked if any trace of the secret is in it. The answer to Authenticate (C12.21) is as secret as the
question: with the ticket, which anybody may see, it tells the key to whoever tries all of them.
"""

from __future__ import annotations

from dataclasses import replace

from drivers.transport.recording_file import Octets, Record

TRACE = 3  # so many octets in a row of the secret are a trace of it
MAX_HELD = 4096  # octets; no answer to a logon is as long, so more than this is masked unseen
# Padding, framing and line noise: a run of these alone tells nothing, and every answer has them (C12.18 §3).
TELLS_NOTHING = frozenset(b"\x00\x20\xff\x06\x15\xee")
PROOF = bytes.fromhex("000b0009")  # in its packet: 11 octets of data, OK, 9 octets of key id and proof
_NAK = b"\x15"
_CONTROLS = b"\x06\x15"
_START, _HEADER = b"\xee", 6


class SecretWindow:
    """Takes records in order, gives them back in order, masked where needed."""

    def __init__(self) -> None:
        self._traces: set[bytes] = set()  # empty: nothing to hide, everything passes
        self._held: list[Record] = []
        self._answer = bytearray()
        self._overflow = False

    def sent(self, record: Octets, *, secret: bool) -> list[Record]:
        """Return the records that can be written now, `record` among them or held."""
        if secret:
            if runs := _runs(_data(record.octets or b"")):
                self._traces |= runs | {PROOF}
            masked = replace(record, octets=None)
            if not self._held:
                return [masked]
            self._held.append(masked)
            return []
        if self._traces and (not self._answer or record.octets == _NAK):  # it may still come back, or come again
            self._held.append(record)
            return []
        return [*self.end(), record]

    def received(self, record: Octets) -> list[Record]:
        """Return the records that can be written now, `record` among them or held."""
        if not self._traces:
            return [record]
        self._answer += record.octets or b""
        if len(self._answer) > MAX_HELD:
            self._overflow = True
            del self._answer[: -(len(PROOF) - 1)]
            self._held.append(record)
            return self._give()
        self._held.append(record)
        return []

    def end(self) -> list[Record]:
        """Return what was held: the client went on, or the line is at its end."""
        records = self._give()
        self._traces.clear()
        self._answer.clear()
        self._overflow = False
        return records

    def _give(self) -> list[Record]:
        told = self._overflow or any(trace in self._answer for trace in self._traces)
        records, self._held = self._held, []
        if told:
            return [
                replace(record, octets=None) if isinstance(record, Octets) and record.direction == "<" else record
                for record in records
            ]
        return records


def _data(octets: bytes) -> bytes:
    """Return a packet without its header (C12.18 §3), which answers have in common with what they answer."""
    rest = octets.lstrip(_CONTROLS)
    return rest[_HEADER:] if rest.startswith(_START) else octets


def _runs(secret: bytes) -> set[bytes]:
    """Every run of `TRACE` octets that tells something."""
    runs = (secret[at : at + TRACE] for at in range(max(1, len(secret) - TRACE + 1)))
    return {run for run in runs if not TELLS_NOTHING.issuperset(run)}
