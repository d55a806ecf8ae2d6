"""Look for a secret in whatever a program left: files, compressed or not, documents in their seals, processes."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

WINDOW = 6  # octets in a row of a secret are a leak
_STRETCH = 65_536  # octets that are looked at together
_JWS = re.compile(rb"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{16,}\.([A-Za-z0-9_-]{16,})\.[A-Za-z0-9_-]{16,}")
_GZIP = b"\x1f\x8b\x08"


@dataclass(frozen=True)
class Secret:
    """One secret, by a name that may show."""

    name: str
    octets: bytes

    @cache  # noqa: B019 - a handful of them, for one test
    def forms(self) -> tuple[tuple[str, bytes], ...]:
        """Return every piece of it, in every way in which programs write octets."""
        return tuple(dict.fromkeys(form for form in self._forms() if len(form[1]) >= WINDOW))

    def _forms(self) -> Iterator[tuple[str, bytes]]:
        for at in range(max(1, len(self.octets) - WINDOW + 1)):
            piece = self.octets[at : at + WINDOW]
            yield "plain", piece
            yield "hex", piece.hex().encode()
            yield "HEX", piece.hex().upper().encode()
            yield "hex, spaced", piece.hex(" ").encode()
            yield "numbers", ", ".join(map(str, piece)).encode()
            text = piece.decode("latin-1")
            yield "JSON", json.dumps(text)[1:-1].encode()
            yield "repr", repr(piece)[2:-1].encode()
            yield "URL", quote(text, safe="").encode()
            yield "XML", text.replace("&", "&amp;").replace('"', "&quot;").encode("latin-1")
            yield "UTF-16", text.encode("utf-16-le")
        for shift in range(3):  # where in a group of three octets it begins
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                coded = encode(b"\0" * shift + self.octets)
                yield "base64", coded[-(-shift * 8 // 6) : (shift + len(self.octets)) * 8 // 6]


def found_in(content: bytes, secrets: list[Secret]) -> set[tuple[str, str]]:
    """Return the secrets in `content` and how each is written there."""
    begins: dict[bytes, list[tuple[str, str, bytes]]] = {}
    for secret in secrets:
        for form, octets in secret.forms():
            begins.setdefault(octets[:WINDOW], []).append((secret.name, form, octets))
    return {
        (name, form)
        for layer in (content, *_inflated(content), *_sealed(content))
        for begin in _begun(layer, begins)
        for name, form, octets in begins[begin]
        if octets in layer
    }


def _begun(layer: bytes, begins: Iterable[bytes]) -> set[bytes]:
    """Return those of the `begins`, of `WINDOW` octets each, that are in a layer: quicker than a search for each."""
    found: set[bytes] = set()
    for start in range(0, len(layer), _STRETCH):
        end = min(start + _STRETCH, len(layer) - WINDOW + 1)
        found |= {layer[at : at + WINDOW] for at in range(start, end)}.intersection(begins)
    return found


def files_with(directory: Path, secrets: list[Secret]) -> dict[str, set[tuple[str, str]]]:
    """Return the files below `directory`, by name, with a secret in their content or in the name."""
    found: dict[str, set[tuple[str, str]]] = {}
    known: dict[bytes, set[tuple[str, str]]] = {b"": set()}  # by content: of much there are copies
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        content = path.read_bytes() if path.is_file() else b""
        if content not in known:
            known[content] = found_in(content, secrets)
        if told := known[content] | found_in(name.encode(), secrets):
            found[name] = told
    return found


def process_tells(pid: int) -> bytes:
    """Return what the arguments and the environment of a process tell to others; nothing where it is gone."""
    told = b""
    for name in ("cmdline", "environ"):
        try:
            told += Path(f"/proc/{pid}/{name}").read_bytes()
        except OSError:
            continue  # it ended, or does not let us look, which is as good
    return told


def family_of(pid: int) -> list[int]:
    """Return a process and its descendants."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
    family = [pid]
    for one in family:
        family += [child for child, parent in parents.items() if parent == one]
    return family


def _inflated(content: bytes) -> Iterator[bytes]:
    at = content.find(_GZIP)
    while at >= 0:
        unpacker = zlib.decompressobj(31)
        with suppress(zlib.error):  # three octets may only look like the begin of one
            yield unpacker.decompress(content[at:], 1 << 26)
        at = content.find(_GZIP, at + 1)


def _sealed(content: bytes) -> Iterator[bytes]:
    for token in _JWS.finditer(content):
        payload = token[1]
        yield base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
