"""Proof that a change was asked for by a page of this console, not by one of elsewhere in the same browser.

The token follows from the cookie, so nothing is kept for it; who knows the token cannot find the cookie.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping

FIELD = "csrf"
HEADER = "X-CSRF-Token"
_PURPOSE = b"mrsp console: token of forms, 1"


def token_for(cookie: str) -> str:
    """Return the token that goes with a cookie's value."""
    return base64.urlsafe_b64encode(hmac.digest(cookie.encode(), _PURPOSE, "sha256")).rstrip(b"=").decode()


def proves(given: object, expected: str) -> bool:
    """Whether what was sent is the token; found out in a time that tells nothing."""
    return isinstance(given, str) and bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def foreign(headers: Mapping[str, str], scheme: str) -> bool:
    """Whether the browser says that a page of elsewhere sends this. Programs that are no browser say nothing."""
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return True
    origin = headers.get("origin")
    return origin is not None and origin != f"{scheme}://{headers.get('host', '')}"
