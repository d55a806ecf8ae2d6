"""The succession of keys, in words that the MDSP can check: the next public key, signed by the present one.

A JWS compact, header `{"alg", "kid": present, "typ": "mrsp-rollover+jws"}`, payload
`{"agent_id", "jwk": next, "from_kid": present, "issued_at"}`. The MDSP verifies it with the key that it has registered
for this agent, registers the next one beside it, and keeps both: documents that wait are signed by the present one.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from joserfc import jws

from agent.durable_file import write_durably
from agent.keys import DeviceKey
from agent.utc_text import utc_text

ROLLOVER_TYPE = "mrsp-rollover+jws"


def statement(path: Path, present: DeviceKey, following: DeviceKey, *, agent_id: str, now: datetime) -> None:
    """Write the statement that `following` succeeds `present` to `path`, durably."""
    said = {
        "agent_id": agent_id,
        "from_kid": present.kid,
        "jwk": following.public_jwk(),
        "issued_at": utc_text(now.replace(microsecond=0)),
    }
    header = {"alg": present.algorithm, "kid": present.kid, "typ": ROLLOVER_TYPE}
    token = jws.serialize_compact(header, json.dumps(said), present.signing_key(), algorithms=[present.algorithm])
    write_durably(path, token.encode("ascii") + b"\n")
