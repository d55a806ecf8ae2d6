"""Read a report from a file: the document itself, or as it was signed (JWS), which is verified where keys are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from agent.bench.report.document import MeterTest, decoded
from agent.bench.report.page import Signature
from agent.errors import UsageError
from agent.keys import PublicKey
from agent.seal import MAX_DOCUMENT_OCTETS, SealBroken, open_document, payload_of

_LARGEST = 2 * MAX_DOCUMENT_OCTETS


def read_report(path: Path, keys: Sequence[PublicKey] = ()) -> tuple[MeterTest, Signature]:
    """Return a report and what is known of its signature. Raises `UsageError` for a file that is none.

    Also raises it where `keys` are given and the signature is not by one of them: such a report is not shown.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1).strip()
    except OSError as error:
        raise UsageError(f"report {path} cannot be read: {error.strerror}") from error
    if len(content) > _LARGEST:
        raise UsageError(f"report {path} is too large to be a report")
    document, signature = content, Signature()
    if not content.startswith(b"{"):
        document, signature = _signed(path, content, keys)
    try:
        return decoded(document), signature
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise UsageError(f"{path} is no report of a meter test: {error}") from error


def _signed(path: Path, token: bytes, keys: Sequence[PublicKey]) -> tuple[bytes, Signature]:
    try:
        if not keys:
            return payload_of(token), Signature()
        opened = open_document(token, keys)
    except SealBroken as error:
        raise UsageError(f"{path}: {error.message}", advice="it was altered, or another agent signed it") from error
    return opened.document, Signature(opened.kid, opened.head.seq, opened.head.digest, verified=True)
