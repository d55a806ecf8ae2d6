#!/usr/bin/env python3
"""An MDSP's consumer on shared subscriptions: start as many as the load asks for, on as many machines.

    mdsp_consumer.py KEYS BROKER_HOST PORT DATABASE NAME

KEYS is a directory with ca.crt, mdsp.crt, mdsp.key (TLS), mdsp-private.jwks (our keys: "sig" to acknowledge, "enc" to
decrypt) and agents/ID.jwks (what each agent signs with). The broker gives each message of `$share/mdsp/…` to one of
the consumers; the database is what they have in common: here SQLite, with more than one machine any that has UNIQUE.
See docs/mdsp-contract.md for what the steps mean.
"""

import asyncio
import hashlib
import json
import sqlite3
import ssl
import sys
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import aiomqtt
from joserfc import jwe, jws
from joserfc._rfc7518.jwe_zips import DeflateZipModel  # no public way to another inflation limit
from joserfc.jwk import KeySet

IDS = {"readings": "reading_id", "anomalies": "anomaly_id", "reports": "report_id", "responses": "response_id"}
MOST_OCTETS = 67_108_864  # a document has at most 16 MiB; never inflate without a limit


class Inflate(DeflateZipModel):
    MAX_SIZE = MOST_OCTETS


class Encrypted(jwe.JWERegistry):
    max_ciphertext_length = MOST_OCTETS

    def get_zip(self, name: str) -> Any:
        return Inflate() if super().get_zip(name) else None


ENCRYPTED = Encrypted(algorithms=["ECDH-ES", "ECDH-ES+A256KW", "A256GCM", "DEF"])
SIGNED = jws.JWSRegistry(algorithms=["ES256", "Ed25519"], strict_check_header=False)
SIGNED.max_payload_length = MOST_OCTETS
TABLE = """CREATE TABLE IF NOT EXISTS document (agent TEXT, seq INTEGER, id TEXT, prev TEXT, digest TEXT, content BLOB,
    PRIMARY KEY (agent, seq), UNIQUE (agent, id))"""


def read_keys(path: Path) -> KeySet:
    """Read a JWK set."""
    return KeySet.import_key_set(json.loads(path.read_bytes()))


def open_sealed(keys: Path, agent: str, sealed: bytes) -> tuple[dict[str, Any], bytes, str]:
    """Decrypt and verify; return the JWS's header, its payload and its digest. Raises whatever is wrong with it."""
    ours, token = read_keys(keys / "mdsp-private.jwks"), sealed
    if sealed.startswith(b"{"):  # for several recipients: take the part that is for us
        whole = json.loads(sealed)
        kids = {key.kid for key in ours.keys}
        whole["recipients"] = [one for one in whole["recipients"] if one["header"]["kid"] in kids][:1]
        token = jwe.decrypt_json(whole, ours, registry=ENCRYPTED).plaintext or b""
    elif sealed.count(b".") == 4:
        token = jwe.decrypt_compact(sealed, ours, registry=ENCRYPTED).plaintext or b""
    signed = jws.deserialize_compact(token, read_keys(keys / "agents" / f"{Path(agent).name}.jwks"), registry=SIGNED)
    if signed.protected["typ"] != "mrsp+jws":
        raise ValueError("it is signed, but no document")
    digest = urlsafe_b64encode(hashlib.sha256(token).digest()).decode().rstrip("=")
    return dict(signed.protected), signed.payload, digest


def store(db: sqlite3.Connection, agent: str, kind: str, header: dict[str, Any], payload: bytes, digest: str) -> str:
    """Keep a document, once, on the disk; return its id. Raises `ValueError` for one that contradicts what we have."""
    content = json.loads(payload)
    document_id = str(content[IDS[kind]])
    if content["agent_id"] != agent:
        raise ValueError(f"{document_id} is of {content['agent_id']}")
    row = (agent, header["seq"], document_id, header["prev"], digest, payload)
    with db:
        db.execute("INSERT OR IGNORE INTO document VALUES (?, ?, ?, ?, ?, ?)", row)
        found = db.execute(
            "SELECT seq, digest FROM document WHERE agent = ? AND id = ?", (agent, document_id)
        ).fetchone()
        if found != (header["seq"], digest):
            raise ValueError(f"{document_id} contradicts what was stored before")
        around = db.execute(
            "SELECT a.seq FROM document a JOIN document b ON a.agent = b.agent AND a.seq + 1 = b.seq"
            " WHERE a.agent = ? AND a.seq IN (?, ?) AND a.digest <> b.prev",
            (agent, header["seq"] - 1, header["seq"]),
        ).fetchone()
        if around:
            raise ValueError(f"the chain of {agent} is broken after link {around[0]}")
    return document_id


def say(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def consume(keys: Path, host: str, port: int, database: Path, name: str) -> None:
    """Verify, store, and only then acknowledge; what fails is left unacknowledged, and comes again."""
    db = sqlite3.connect(database, timeout=30)
    db.execute(TABLE)
    signing = next(key for key in read_keys(keys / "mdsp-private.jwks").keys if key.get("use") == "sig")
    tls = ssl.create_default_context(cafile=keys / "ca.crt")
    tls.load_cert_chain(keys / "mdsp.crt", keys / "mdsp.key")
    async with aiomqtt.Client(
        host, port, identifier=name, tls_context=tls, protocol=aiomqtt.ProtocolVersion.V5
    ) as client:
        for kind in IDS:
            await client.subscribe(f"$share/mdsp/mrsp/v1/+/{kind}", qos=1)
        say(f"{name} ready")
        async for message in client.messages:
            _, _, agent, kind = message.topic.value.split("/")
            try:
                document_id = store(db, agent, kind, *open_sealed(keys, agent, bytes(message.payload)))
            except Exception as error:  # noqa: BLE001 - one bad message must not stop the others
                say(f"{name} refused {message.topic}: {error!r}")
                continue
            said = json.dumps({"acknowledged": [document_id], "agent_id": agent})
            header = {"alg": "ES256", "kid": signing.kid, "typ": "mdsp-ack+jws"}
            await client.publish(f"mdsp/v1/{agent}/acks", jws.serialize_compact(header, said, signing), qos=1)
            say(f"{name} took {document_id}")


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    asyncio.run(consume(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5]))
