"""The contract once more, from its page alone: on `cryptography` primitives, sharing no code with agent or simulator.

What this opens, an MDSP in another language can open. RFC 7515 (JWS), RFC 7516 (JWE), RFC 7518 §4.6 (ECDH-ES).
"""

from __future__ import annotations

import hashlib
import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

MOST_OCTETS = 67_108_864
Jwk = dict[str, Any]


def unpadded(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def padded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def thumbprint(jwk: Jwk) -> str:
    """RFC 7638."""
    names = ("crv", "kty", "x", "y") if jwk["kty"] == "EC" else ("crv", "kty", "x")
    text = json.dumps({name: jwk[name] for name in names}, separators=(",", ":"), sort_keys=True)
    return unpadded(hashlib.sha256(text.encode()).digest())


def verify_jws(token: str, keys: list[Jwk], kind: str) -> tuple[dict[str, Any], bytes]:
    """Return header and payload; raises whatever is wrong."""
    head, payload, signature = token.split(".")
    header = json.loads(padded(head))
    if header["typ"] != kind or "crit" in header:
        raise ValueError(header)
    key = next(one for one in keys if one["kid"] == header["kid"] and one["use"] == "sig")
    signed, octets = f"{head}.{payload}".encode(), padded(signature)
    if (header["alg"], key["crv"]) == ("ES256", "P-256"):
        point = ec.EllipticCurvePublicNumbers(
            int.from_bytes(padded(key["x"])), int.from_bytes(padded(key["y"])), ec.SECP256R1()
        )
        der = encode_dss_signature(int.from_bytes(octets[:32]), int.from_bytes(octets[32:]))
        point.public_key().verify(der, signed, ec.ECDSA(SHA256()))
    elif (header["alg"], key["crv"]) in {("Ed25519", "Ed25519"), ("EdDSA", "Ed25519")}:
        ed25519.Ed25519PublicKey.from_public_bytes(padded(key["x"])).verify(octets, signed)
    else:
        raise ValueError(header)
    return header, padded(payload)


def decrypt(sealed: str, key: Jwk) -> str:
    """Return the JWS inside, in either form of JWE; raises whatever is wrong."""
    if sealed.startswith("{"):
        whole = json.loads(sealed)
        ours = next(one for one in whole["recipients"] if one["header"]["kid"] == key["kid"])
        head, iv, text, tag = (whole[name] for name in ("protected", "iv", "ciphertext", "tag"))
        header = json.loads(padded(head))
        kek = _agreed(key, ours["header"]["epk"], "ECDH-ES+A256KW")
        cek = aes_key_unwrap(kek, padded(ours["encrypted_key"]))
        alg = ours["header"]["alg"]
    else:
        head, empty, iv, text, tag = sealed.split(".")
        header = json.loads(padded(head))
        if empty or header["kid"] != key["kid"]:
            raise ValueError(header)
        cek = _agreed(key, header["epk"], "A256GCM")
        alg = header["alg"]
    wanted = ("ECDH-ES+A256KW" if sealed.startswith("{") else "ECDH-ES", "A256GCM", "DEF", "mrsp+jws")
    if (alg, header["enc"], header["zip"], header["cty"]) != wanted:
        raise ValueError(header)
    packed = AESGCM(cek).decrypt(padded(iv), padded(text) + padded(tag), head.encode())
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflating.decompress(packed, MOST_OCTETS)
    if not inflating.eof:
        raise ValueError("too large, or cut short")
    return plain.decode("ascii")


def _agreed(key: Jwk, ephemeral: Jwk, algorithm: str) -> bytes:
    """Concat KDF of one round, RFC 7518 §4.6.2: 256 bits, no apu, no apv."""
    if key["crv"] == "P-256":
        private = ec.derive_private_key(int.from_bytes(padded(key["d"])), ec.SECP256R1())
        public = ec.EllipticCurvePublicNumbers(
            int.from_bytes(padded(ephemeral["x"])), int.from_bytes(padded(ephemeral["y"])), ec.SECP256R1()
        ).public_key()
        shared = private.exchange(ec.ECDH(), public)
    else:
        shared = x25519.X25519PrivateKey.from_private_bytes(padded(key["d"])).exchange(
            x25519.X25519PublicKey.from_public_bytes(padded(ephemeral["x"]))
        )
    name = algorithm.encode()
    info = len(name).to_bytes(4) + name + bytes(4) + bytes(4) + (256).to_bytes(4)
    return hashlib.sha256((1).to_bytes(4) + shared + info).digest()


def sign(payload: bytes, key: Jwk, kind: str) -> str:
    """Return an ES256 JWS, as an MDSP makes its acknowledgements and requests."""
    header = {"alg": "ES256", "kid": key["kid"], "typ": kind}
    signed = f"{unpadded(json.dumps(header).encode())}.{unpadded(payload)}"
    private = ec.derive_private_key(int.from_bytes(padded(key["d"])), ec.SECP256R1())
    r, s = decode_dss_signature(private.sign(signed.encode(), ec.ECDSA(SHA256())))
    return f"{signed}.{unpadded(r.to_bytes(32) + s.to_bytes(32))}"
