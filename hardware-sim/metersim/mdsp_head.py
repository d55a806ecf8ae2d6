"""What the reference MDSP says of an agent's chain, signed: a box that takes over from a dead one needs to know it.

Written apart from the agent, on purpose: header {"alg", "kid", "typ": "mdsp-head+jws"}, payload {"agent_id", "seq",
"digest", "sequences", "issued_at", "exp"}. `seq` is the highest link that arrived.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey

from metersim.mdsp_verify import read_keys
from metersim.pki import Pki

VALID = timedelta(hours=4)
_KINDS = {"readings": "reading", "anomalies": "anomaly", "reports": "report", "responses": "response"}


def head_of(store: Path, agent_id: str) -> dict[str, Any]:
    """Return the highest link of an agent, its digest, and the last number of each kind of document."""
    with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as db:
        seq, digest = db.execute(
            "SELECT seq, digest FROM document WHERE agent_id = ? ORDER BY seq DESC LIMIT 1", (agent_id,)
        ).fetchone() or (0, "")
        numbers = db.execute(
            "SELECT kind, max(sequence) FROM document WHERE agent_id = ? AND sequence NOT NULL GROUP BY kind",
            (agent_id,),
        ).fetchall()
    sequences = {_KINDS.get(kind, kind): number for kind, number in numbers}
    return {"agent_id": agent_id, "seq": seq, "digest": digest, "sequences": sequences}


def statement(pki: Pki, store: Path, agent_id: str, now: datetime) -> str:
    """Return the statement as a JWS, good for four hours."""
    key = next(one for one in read_keys(pki.mdsp_private_jwks).keys if one.get("use") == "sig")
    algorithm = "ES256" if isinstance(key, ECKey) else "Ed25519"
    issued = now.replace(microsecond=0)
    said = head_of(store, agent_id) | {
        "issued_at": issued.isoformat().replace("+00:00", "Z"),
        "exp": int((issued + VALID).timestamp()),
    }
    header = {"alg": algorithm, "kid": key.kid, "typ": "mdsp-head+jws"}
    return jws.serialize_compact(header, json.dumps(said), key, algorithms=[algorithm])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`metersim head DIR AGENT_ID`"""
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="certificates and keys as `metersim pki` makes them"
    )
    parser.add_argument("agent_id", metavar="AGENT_ID")
    parser.add_argument("--store", type=Path, help="database file of `metersim mdsp` (default: DIR/mdsp.db)")


async def serve(args: argparse.Namespace) -> None:
    """Print the statement."""
    store = args.store or args.directory / "mdsp.db"
    sys.stdout.write(statement(Pki(args.directory), store, args.agent_id, datetime.now(UTC)) + "\n")
