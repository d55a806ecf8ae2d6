"""The least that an MDSP must do, and nothing more, so that the agent is measured and not its other end.

Sees that each link follows the one before, and signs for it under the name that such links have: `reading-0001`, …
Says `out of order` where one does not; a link that comes again is signed for again.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import aiomqtt
from joserfc import jws

from metersim.mdsp_verify import read_keys
from metersim.pki import Pki
from tests.forwarding.forwarding_kit import AGENT

MOST_IDS = 500
COMMIT_S = 0.01  # an MDSP signs for what its database has: so long a commit takes


async def acknowledge(pki: Pki, port: int) -> None:
    """Subscribe, say `ready`, and sign for what comes until cancelled."""
    key = next(key for key in read_keys(pki.mdsp_private_jwks).keys if key.get("use") == "sig")
    tls = ssl.create_default_context(cafile=pki.ca)
    tls.load_cert_chain(pki.mdsp_certificate, pki.mdsp_key)
    header: dict[str, Any] = {"alg": "ES256", "kid": key.kid, "typ": "mdsp-ack+jws"}
    done = 0
    async with aiomqtt.Client("localhost", port, identifier="mdsp", tls_context=tls) as client:
        await client.subscribe(f"mrsp/v1/{AGENT}/readings", qos=1)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        messages = client.messages
        while True:
            links = [link_of(await anext(messages))]
            while len(messages) and len(links) < MOST_IDS:
                links.append(link_of(await anext(messages)))
            for link in links:
                if link > done + 1:
                    sys.stdout.write(f"out of order: {link} after {done}\n")
                    sys.stdout.flush()
                done = max(done, link)
            ids = [f"reading-{link:04d}" for link in links]
            token = jws.serialize_compact(header, json.dumps({"acknowledged": ids}), key, algorithms=["ES256"])
            await client.publish(f"mdsp/v1/{AGENT}/acks", token, qos=1)
            await asyncio.sleep(COMMIT_S)


def link_of(message: aiomqtt.Message) -> int:
    """Return the number of a signed document, unverified."""
    header = bytes(message.payload).split(b".", 1)[0]
    return int(json.loads(urlsafe_b64decode(header + b"=" * (-len(header) % 4)))["seq"])


if __name__ == "__main__":
    asyncio.run(acknowledge(Pki(Path(sys.argv[1])), int(sys.argv[2])))
