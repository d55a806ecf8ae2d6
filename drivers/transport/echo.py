"""Echo cancelling: many optical probes and two-wire lines return every octet that is sent.

A filter without input or output of its own: octets and "now" go in, what the meter said comes out. PSEM makes it
possible to survive a bad line. A meter cannot answer before it has the whole packet, so what comes first is echo; and
its answer starts with ACK, NAK or STP (C12.18 §8). Echoes with flipped, lost or extra octets are therefore aligned
with what was sent. A wrong guess costs a repeat, never a wrong value: the CRC is above us.

    sent      EE 00 20 00 00 05 30 00 17 …      30 was lost, 00 became 08
    received  EE 08 20 00 00 05 00 17 … 06 EE 00 …
              echo ----------------------^ answer
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from drivers.transport.urls import EchoMode

ANSWER_STARTS = frozenset(b"\x06\x15\xee")  # ACK, NAK, STP
PROOF_OCTETS = 9  # an Identify request; an echo of this many octets is no coincidence, as no answer repeats a request
NOISE_LIMIT = 32  # octets before an echo that has yet to be recognised for the first time
REACH = 8  # octets lost, flipped or added at one place that the alignment bridges
FAR_RUN = 6  # equal octets that prove an alignment farther away
LATE_S = 1.5  # an echo is given up this long after its last octet should have come
QUIET_S = 0.2  # undecided octets are given out after such a pause: longer than what USB and a network hold back


class _Fit(Enum):
    NO = 0
    YES = 1
    MORE = 2  # more octets are needed to tell


@dataclass(slots=True)
class EchoCounts:
    """What the filter saw: octets of echo removed, and places where the echo was damaged."""

    removed: int = 0
    damaged: int = 0


def _by_distance() -> list[tuple[int, int]]:
    """(extra octets received, sent octets missing), the likeliest damage first; equal numbers are flipped octets."""
    pairs = [(extra, missing) for extra in range(REACH + 1) for missing in range(REACH + 1) if extra or missing]
    return sorted(pairs, key=lambda pair: (max(pair), abs(pair[0] - pair[1]), pair[0]))


_DAMAGES = _by_distance()


class EchoFilter:
    """Remove the echo of what was sent from what is received.

    `auto`: off until an echo is proved by the exact return of nine octets or more, as on the first Identify.
    `on`: an echo is expected from the start, damaged ones included; where an answer begins without one octet of echo
    before it, and there was none before either, the setting is wrong, and it is as with `auto` from then on.
    """

    def __init__(self, mode: EchoMode = "auto") -> None:
        self.counts = EchoCounts()
        self._mode = mode
        self._state: Literal["on", "off", "undecided"] = "undecided" if mode == "auto" else mode
        self._pending = bytearray()  # sent, and its echo has not come yet
        self._pending_until = 0.0
        self._watched = b""  # sent, and would prove an echo if it came back
        self._noise = 0
        self._held = bytearray()  # received, and not yet known to be echo or answer
        self._held_until = 0.0

    @property
    def state(self) -> Literal["on", "off", "undecided"]:
        """Whether this line echoes, as far as is known."""
        return self._state

    def sent(self, chunk: bytes, now: float, out_by: float) -> None:
        """Note that `chunk` is being sent; its last octet leaves at about `out_by` (seconds on the clock of `now`)."""
        if self._state == "on":
            if now > self._pending_until:
                self._pending.clear()
            self._pending += chunk
            self._pending_until = max(self._pending_until, out_by + LATE_S)
        elif self._mode != "off" and len(chunk) >= PROOF_OCTETS:
            self._watched = chunk
            self._noise = 0

    def received(self, chunk: bytes, now: float) -> bytes:
        """Return what of the input is not echo; the rest is removed, or held until more comes or `deadline`."""
        self._held += chunk
        self._held_until = now + QUIET_S
        before = self._watch() if self._watched else b""
        return before + (b"" if self._watched else self._track(expired=now > self._pending_until))

    def deadline(self) -> float | None:
        """When `expired` has to be called unless more comes in before; None: never."""
        return self._held_until if self._held else None

    def expired(self, now: float) -> bytes:
        """Return what was held, a damaged echo without the octets that cannot start an answer.

        Nothing happens before the deadline.
        """
        if not self._held or now < self._held_until:
            return b""
        self._watched = b""
        if not self._pending:
            return self._release()
        self._pending.clear()
        start = next((at for at, octet in enumerate(self._held) if octet in ANSWER_STARTS), len(self._held))
        del self._held[:start]
        return self._release()

    def discarded(self, below: int) -> int:
        """Forget what is held, and that much of the echo to come; return how many octets were held."""
        held = len(self._held)
        self._held.clear()
        del self._pending[:below]
        return held

    def restart(self) -> None:
        """Expect no echo of what was sent so far: a change of speed has dropped it."""
        self._held.clear()
        self._pending.clear()
        self._watched = b""

    def _release(self) -> bytes:
        out = bytes(self._held)
        self._held.clear()
        return out

    def _watch(self) -> bytes:
        """Not known to echo: look whether the watched octets come back, after little noise and before any answer."""
        out = bytearray()
        while self._held:
            octets = min(len(self._held), len(self._watched))
            if self._held[:octets] == self._watched[:octets]:
                if octets == len(self._watched):
                    self._state = "on"
                    self._watched = b""
                    self.counts.removed += octets
                    del self._held[:octets]
                break
            if self._held[0] in ANSWER_STARTS:
                self._state = "off"  # and on again if a later packet does come back
                self._watched = b""
                break
            out.append(self._held.pop(0))
            self._noise += 1
            if self._noise > NOISE_LIMIT:
                self._watched = b""
                break
        return bytes(out)

    def _track(self, *, expired: bool) -> bytes:
        """Known to echo: remove what matches, bridge damage, give out the rest."""
        out = bytearray()
        while self._held and self._pending:
            octets = _common(self._held, self._pending)
            if octets:
                self._remove(octets, octets)
                continue
            if expired or self._answer_begins():
                if not expired and not self.counts.removed and len(self._pending) >= PROOF_OCTETS:
                    self._state = "off"
                self.counts.damaged += 1
                self._pending.clear()
                break
            damage = self._find_damage()
            if damage is _Fit.MORE:
                return bytes(out)
            if damage is _Fit.NO:
                out.append(self._held.pop(0))  # no echo that we know of; it may go on after this
                continue
            self.counts.damaged += 1
            self._remove(*damage)
        return bytes(out) + (b"" if self._pending else self._release())

    def _remove(self, received: int, sent: int) -> None:
        del self._held[:received]
        del self._pending[:sent]
        self.counts.removed += received

    def _answer_begins(self) -> bool:
        """Whether the next octet starts an answer, and cannot be a later octet of the echo."""
        return self._held[0] in ANSWER_STARTS and all(
            self._fit(0, missing) is _Fit.NO for missing in range(1, min(REACH + 1, len(self._pending)))
        )

    def _find_damage(self) -> tuple[int, int] | Literal[_Fit.NO, _Fit.MORE]:
        """Find what happened to the echo here: (octets received to skip, octets sent to skip)."""
        for extra, missing in _DAMAGES:
            if missing <= len(self._pending):
                fit = self._fit(extra, missing)
                if fit is _Fit.YES:
                    return extra, missing
                if fit is _Fit.MORE:
                    return _Fit.MORE
        far = self._pending.find(self._held[:FAR_RUN])
        return (0, far) if far > 0 and len(self._held) >= FAR_RUN else _Fit.NO

    def _fit(self, extra: int, missing: int) -> _Fit:
        """Tell whether the echo goes on when so many octets were added and lost: a run of equal octets proves it."""
        if extra > len(self._held):
            return _Fit.MORE
        run = min(FAR_RUN, 2 + max(extra, missing))
        received, sent = self._held[extra : extra + run + 1], self._pending[missing : missing + run]
        octets = min(len(sent), len(received))
        if received[:octets] != sent[:octets]:
            return _Fit.NO
        if octets < len(sent):
            return _Fit.MORE
        if octets == run or len(received) == octets:
            return _Fit.YES
        return _Fit.YES if received[octets] in ANSWER_STARTS else _Fit.NO  # the echo ends within the run


def _common(left: bytearray, right: bytearray) -> int:
    """Count the octets that both begin with."""
    octets = min(len(left), len(right))
    if left[:octets] == right[:octets]:
        return octets
    return next(at for at in range(octets) if left[at] != right[at])
