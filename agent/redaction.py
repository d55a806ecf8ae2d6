"""What is taken out of what leaves the box for somebody who helps: secrets, and what is of a customer.

`redacted` goes by what keys of the configuration mean; `Scrubber` then takes out of any text what is a secret of this
box, wherever it came from.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

HIDDEN = "***"
OF_CUSTOMER = frozenset({"site", "history", "number"})  # keys of the configuration; a number is a telephone's
SHORTEST = 4  # octets; what is shorter is part of ordinary words

_SECRET = re.compile(r"pass|secret|token|credential|(^|_)(pin|code)($|_)", re.IGNORECASE)
_PATH = re.compile(r"_(file|directory)$")
# What tunes a line and says nothing of whom it leads to; every other option of a URL is hidden.
_TUNING = frozenset({"baud", "connect_ms", "dtr", "echo", "fastest", "identity", "max_call_s", "results", "rts"}) | {
    "settle_ms",
    "speed",
    "tone",
    "unit",
    "wait_s",
    "warmup_ms",
}
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<user>[^/?#\s@\"']*@)?(?P<rest>[^?\s\"']*)(?P<query>\?[^\s\"']*)?"
)
_SHAPES = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)"
    r"|AGE-SECRET-KEY-1[0-9A-Z]+"
    r"|\$argon2[a-z]*\$[^\s\"']+"
    r"|\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)+"
    r"|(?i:\bbearer +)[A-Za-z0-9._~+/=-]{8,}",
    re.DOTALL,
)


def redacted(tree: object, key: str = "") -> Any:
    """Return a configuration (as `msgspec.to_builtins` has it) without secrets and without what is of a customer."""
    if tree is None or tree in ("", (), [], {}):
        return tree
    if key in OF_CUSTOMER or (_SECRET.search(key) and not _PATH.search(key)):
        return HIDDEN
    if isinstance(tree, Mapping):
        return {str(name): redacted(value, str(name)) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [redacted(value, key) for value in tree]
    return plain_urls(tree) if isinstance(tree, str) else tree


def plain_urls(text: str) -> str:
    """Return a text whose URLs have no user, no password, and of their options only those that tune a line."""
    return _URL.sub(_plain_url, text)


def _plain_url(found: re.Match[str]) -> str:
    user = f"{HIDDEN}@" if found["user"] else ""
    query = found["query"] or ""
    if query:
        query = "?" + "&".join(map(_plain_option, query[1:].split("&")))
    return f"{found['scheme']}{user}{found['rest']}{query}"


def _plain_option(option: str) -> str:
    name, equals, _ = option.partition("=")
    if not equals:
        return HIDDEN
    return option if name in _TUNING else f"{name}={HIDDEN}"


class Scrubber:
    """Takes the given secrets out of texts, in each spelling that programs use, and what looks like a key or token."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        spelled = {spelling for secret in secrets if len(secret) >= SHORTEST for spelling in _spellings(secret)}
        longest_first = sorted(spelled, key=lambda one: (-len(one), one))
        self._secrets = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if spelled else None

    def scrubbed(self, text: str) -> str:
        """Return the text without them."""
        text = _SHAPES.sub(HIDDEN, text)
        return text if self._secrets is None else self._secrets.sub(HIDDEN, text)

    def clean(self, text: str) -> bool:
        """Whether there is none in the text."""
        return _SHAPES.search(text) is None and (self._secrets is None or self._secrets.search(text) is None)


def _spellings(secret: bytes) -> Iterable[str]:
    yield secret.hex()
    yield repr(secret)[2:-1]
    yield secret.hex(" ")
    yield base64.b64encode(secret).decode().rstrip("=")
    yield base64.urlsafe_b64encode(secret).decode().rstrip("=")
    text = secret.decode("utf-8", "replace")
    if "\ufffd" not in text:
        yield text
        yield quote(text, safe="")
        yield text.encode("unicode_escape").decode()
