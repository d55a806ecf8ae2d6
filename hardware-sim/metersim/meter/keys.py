"""Authenticate on the meter's side (C12.21 §3): a fresh ticket for each Identify, good for one try."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from drivers.psem.authentication import BLOCK, DES, Challenge
from drivers.psem.replies import Authentication
from drivers.psem.services import Authenticate
from drivers.secret import Secret
from metersim.meter.scenario import Key, Psem

_USABLE = 1


@dataclass
class Keyring:
    """The keys of one meter, and the ticket that is out."""

    psem: Psem
    seed: int
    tries: int = 0
    refused: int = 0
    _identified: int = 0
    _ticket: bytes = b""

    def __post_init__(self) -> None:
        self._keys = self.psem.known_keys()

    def features(self) -> tuple[Authentication, ...]:
        """What Identify says of it, with a new ticket where this meter gives any."""
        if not self._keys:
            return ()
        self._identified += 1
        self._ticket = Random(f"{self.seed}/ticket/{self._identified}").randbytes(BLOCK)
        return (Authentication(_USABLE, DES, self._ticket if self.psem.ticket else b""),)

    def judge(self, body: bytes) -> tuple[Key, bytes] | None:
        """Return the key that the client knows, and the proof that we do; None for a wrong one. Uses the ticket up."""
        self.tries += 1
        ticket, self._ticket = self._ticket, b""
        key = self._keys.get(body[0]) if len(body) == 1 + BLOCK else None
        if key is not None and ticket:
            challenge = Challenge(ticket, key.key_id, Secret(bytes.fromhex(key.key)))
            if challenge.request() == Authenticate(Secret(body)):
                return key, challenge.answer()[1:]
        self.refused += 1
        return None
