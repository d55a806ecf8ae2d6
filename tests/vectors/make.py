"""Write the golden vectors of the contract with the MDSP: `python -m tests.vectors.make` → docs/vectors/mdsp.json.

The keys are made from their names, so they are the same every time, and worth nothing. Signatures by ES256, ephemeral
keys and nonces are new every time.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

from agent.keys import DeviceKey, import_jwk
from agent.requests.answer import compose
from agent.requests.message import Authentic
from agent.seal import ChainHead, Sealed, Sealer
from metersim.mdsp_request import issue
from tests.vectors.meter_test import METER_TEST

FILE = Path(__file__).parents[2] / "docs" / "vectors" / "mdsp.json"
AGENT = "gw-0001"
NOW = datetime(2026, 11, 23, 15, 0, 0, tzinfo=UTC)
Key = ECKey | OKPKey
ROUTE = {
    "schema": "mrsp.route/1",
    "route_id": "R-17-2026-11-23",
    "name": "Mill Street",
    "day": "2026-11-23",
    "zone": "America/Los_Angeles",
    "deadline": "17:00",
    "orders": [
        {
            "order": {"order_id": "WO-1001", "expected_meter_id": "10012345", "dials": 5},
            "place": {"address": "12 Mill Street", "position": {"latitude": "37.774900", "longitude": "-122.419400"}},
            "hazards": ["vicious_dog"],
        }
    ],
}


def _seed(name: str) -> bytes:
    return hashlib.sha256(f"mrsp test vectors: {name}".encode()).digest()


def _p256(name: str) -> ECKey:
    private = ec.derive_private_key(int.from_bytes(_seed(name)), ec.SECP256R1())
    return ECKey.import_key(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _okp(name: str, kind: type[ed25519.Ed25519PrivateKey | x25519.X25519PrivateKey]) -> OKPKey:
    private = kind.from_private_bytes(_seed(name))
    return OKPKey.import_key(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _jwk(key: Key, use: str, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=True), "kid": key.thumbprint(), "use": use, **more}


def _named(key: Key) -> Key:
    """Return the key with its `kid`."""
    return type(key).import_key({**key.as_dict(private=True), "kid": key.thumbprint()})


def _device(key: Key) -> DeviceKey:
    algorithm: Any = "ES256" if isinstance(key, ECKey) else "Ed25519"
    return DeviceKey(Path("device-key.pem"), algorithm, key.thumbprint(), key)


def _reading(sequence: int) -> bytes:
    document = {
        "schema": "mrsp.reading/1",
        "reading_id": f"01939cbe-5a00-7000-8000-00000000000{sequence}",
        "agent_id": AGENT,
        "sequence": sequence,
        "order_id": "T-20261123-7" if sequence == 2 else None,
        "purpose": "special" if sequence == 2 else "cycle",
        "method": "optical",
        "read_started_at": "2026-11-23T15:00:01Z",
        "read_finished_at": "2026-11-23T15:00:09Z",
        "meter": {"meter_id": "00012345"},
        "clock": {"agent_utc": "2026-11-23T15:00:09Z", "agent_source": "chrony", "corrected": False},
        "registers": [{"quantity": "kWh", "direction": "delivered", "raw": "0012345", "value": "12345", "unit": "kWh"}],
        "checks": [],
    }
    return json.dumps({name: value for name, value in document.items() if value is not None}).encode()


def _link(sealed: Sealed, document: bytes) -> dict[str, Any]:
    return {
        "seq": sealed.head.seq,
        "prev": sealed.prev,
        "digest": sealed.head.digest,
        "document": document.decode(),
        "jws": sealed.body.decode(),
    }


def _meter_test(device: Key) -> dict[str, Any]:
    """Return a report of a meter test as the first link of a chain of its own."""
    document = json.dumps(METER_TEST).encode()
    return _link(
        Sealer(_device(device)).seal(document, document_id=METER_TEST["report_id"], after=ChainHead()), document
    )


def vectors() -> dict[str, Any]:
    """Make everything anew."""
    device, device2 = _named(_p256("device")), _named(_okp("device, Ed25519", ed25519.Ed25519PrivateKey))
    signing, requesting = _named(_p256("mdsp, acknowledgements")), _named(_p256("mdsp, requests"))
    recipients = [_named(_p256("mdsp, encryption")), _named(_okp("mdsp, encryption, X25519", x25519.X25519PrivateKey))]
    content = {
        "jti": "6f1c0c52-0a83-4a57-9d5b-0d4e6f5f9a01",
        "aud": AGENT,
        "transaction_id": "T-20261123-7",
        "action": "special",
        "sender": "MDSP-EXAMPLE",
        "receiver": AGENT,
        "meter_id": "00012345",
        "account_id": "A-7",
        "service_delivery_point_id": "1-0-12345-7",
    }
    request, request_token = issue(content, requesting, now=NOW)
    cancel = {name: content[name] for name in ("aud", "sender", "receiver")} | {
        "jti": "6f1c0c52-0a83-4a57-9d5b-0d4e6f5f9a02",
        "transaction_id": "T-20261123-8",
        "action": "cancel",
        "cancels": "T-20261123-7",
    }
    cancel_request, cancel_token = issue(cancel, requesting, now=NOW)
    route = {name: content[name] for name in ("aud", "sender", "receiver")} | {
        "jti": "6f1c0c52-0a83-4a57-9d5b-0d4e6f5f9a03",
        "transaction_id": "T-20261123-9",
        "action": "route",
    }
    route_request, route_token = issue(route, requesting, now=NOW, route=json.dumps(ROUTE, indent=1))
    message = Authentic(requesting.thumbprint(), content["jti"], 0, json.dumps(request).encode()).message()
    response = json.loads(
        msgspec.json.encode(compose(AGENT, content["jti"], "accepted", at=NOW, stamp=NOW, message=message))
    )
    response |= {"response_id": "01939cbe-5a00-7000-8000-000000000009", "sequence": 1}
    response["deadline"] = "2026-12-01T23:59:59Z"
    documents = [_reading(1), json.dumps(response).encode(), _reading(2)]
    chain: list[Sealed] = []
    for number, document in enumerate(documents):
        sealer = Sealer(_device(device2 if number == 2 else device))  # the key was changed before the third
        chain.append(sealer.seal(document, document_id=f"d{number}", after=chain[-1].head if chain else ChainHead()))
    ack = {"acknowledged": [json.loads(documents[0])["reading_id"], response["response_id"]], "agent_id": AGENT}
    return {
        "about": "Golden vectors of docs/mdsp-contract.md. The keys are test keys: everybody knows them.",
        "agent_id": AGENT,
        "now": int(NOW.timestamp()),
        "keys": {
            "agent": [_jwk(device, "sig", alg="ES256"), _jwk(device2, "sig", alg="Ed25519")],
            "mdsp": [
                _jwk(signing, "sig", alg="ES256", mdsp_roles=["acknowledge"]),
                _jwk(requesting, "sig", alg="ES256", mdsp_roles=["request"]),
                *(_jwk(one, "enc") for one in recipients),
            ],
        },
        "chain": [_link(sealed, document) for sealed, document in zip(chain, documents, strict=True)],
        "encrypted": [
            {
                "name": name,
                "recipients": [one.thumbprint() for one in keys],
                "document": documents[0].decode(),
                "jwe": jwe,
            }
            for name, keys in (
                ("one recipient, P-256", recipients[:1]),
                ("one recipient, X25519", recipients[1:]),
                ("two recipients", recipients),
            )
            for jwe in [_sealed_for(device, documents[0], keys)]
        ],
        "meter_test": _meter_test(device),
        "ack": {"payload": ack, "jws": _signed(signing, "mdsp-ack+jws", ack)},
        "requests": [
            {"payload": request, "jws": request_token.decode()},
            {"payload": cancel_request, "jws": cancel_token.decode()},
            {"payload": route_request, "jws": route_token.decode()},
        ],
        "refused_by_the_agent": [
            {"why": "signed by a key without the role `request`", "jws": _signed(signing, "mdsp-request+jws", request)},
            {"why": "an acknowledgement is no request", "jws": _signed(requesting, "mdsp-ack+jws", request)},
            {"why": "changed after it was signed", "jws": _changed(request_token.decode())},
            {"why": "for another agent", "jws": _signed(requesting, "mdsp-request+jws", request | {"aud": "gw-0002"})},
        ],
        "refused_by_the_mdsp": [
            {"why": "changed after it was signed", "jws": _changed(chain[0].body.decode())},
            {"why": "signed by a stranger", "jws": _sealed_by(_named(_p256("stranger")), documents[0])},
        ],
    }


def _signed(key: Key, kind: str, payload: dict[str, Any]) -> str:
    return jws.serialize_compact({"alg": "ES256", "kid": key.kid, "typ": kind}, json.dumps(payload), key)


def _sealed_for(device: Key, document: bytes, recipients: list[Key]) -> str:
    public = [import_jwk(one.as_dict(private=False)) for one in recipients]
    return Sealer(_device(device), lambda: public).seal(document, document_id="d", after=ChainHead()).body.decode()


def _sealed_by(key: Key, document: bytes) -> str:
    return Sealer(_device(key)).seal(document, document_id="d", after=ChainHead()).body.decode()


def _changed(token: str) -> str:
    """Return a token whose payload says something else than what was signed."""
    header, payload, signature = token.split(".")
    return f"{header}.{payload[:40]}{'A' if payload[40] != 'A' else 'B'}{payload[41:]}.{signature}"


def main() -> None:
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
