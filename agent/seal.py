"""Sealing: a document becomes a signed link of this device's chain (JWS), encrypted to the MDSP if it has a key (JWE).

    document (UTF-8 JSON) → JWS compact {"alg","kid","typ":"mrsp+jws","seq","prev"} → JWE compact (ECDH-ES, A256GCM, DEF)

`prev` is the base64url SHA-256 of the previous JWS (its ASCII), empty for the first: nothing can be altered, inserted or
left out between meter and MDSP unnoticed. All cryptography is `joserfc` on `cryptography`.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from joserfc import jwe, jws
from joserfc._rfc7515.model import JWSAlgModel  # noqa: PLC2701
from joserfc.errors import JoseError

from agent.errors import LocalTrouble
from agent.keys import DeviceKey, PublicKey

MAX_DOCUMENT_OCTETS = 16_777_216  # 40 channels of 5-minute intervals for 60 days are some 10 MB of JSON
MAX_ACK_OCTETS = 65_536  # a thousand reading_ids
MAX_ACK_IDS = 1_000
DOCUMENT_TYPE = "mrsp+jws"
RECEIPT_TYPE = "mrsp-receipt+jws"
