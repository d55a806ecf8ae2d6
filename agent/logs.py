"""The log of the service: text for a terminal, JSON lines for a collector, or journald's own protocol with its fields.

`journalctl -u mrsp MRSP_METER=main` shows one meter's visits, `-p warning` what a person should see. Of whatever form,
what looks like a private key or a token is taken out of a line.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from agent.log_fields import log_fields
from agent.redaction import Scrubber

Form = Literal["text", "json", "journal"]
FORMS: tuple[Form, ...] = ("text", "json", "journal")
JOURNAL = Path("/run/systemd/journal/socket")

_TEXT = "%(levelname)s %(name)s: %(message)s"
_SHAPES = Scrubber(())
_PLAIN = logging.Formatter()
# syslog(3), as journald has it
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_TOO_LONG = frozenset({errno.EMSGSIZE, errno.ENOBUFS})


def log_form(environment: Mapping[str, str], journal: Path = JOURNAL) -> Form:
    """Return `journal` if standard error leads there (systemd.exec(5), $JOURNAL_STREAM), else `text`."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return "text"
    ours = environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
    return "journal" if ours and journal.is_socket() else "text"


def use_log(form: Form) -> None:
    """Have every line of this process in that form from now on; its level stays."""
    makers = {"text": TextHandler, "json": JsonHandler, "journal": JournalHandler}
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    root.addHandler(makers[form]())


class TextHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Lines for people, on standard error."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_Scrubbed(_TEXT))


class JsonHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """One JSON object a line, on standard error: `time`, `level`, `logger`, `message`, and what it is about."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_Json())


class JournalHandler(logging.Handler):
    """Entries of the journal (systemd.io, Native Journal Protocol). Where it takes none they go to standard error."""

    def __init__(self, address: Path = JOURNAL) -> None:
        super().__init__()
        self._address = str(address)
        self._otherwise = TextHandler()
        self._socket: socket.socket | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Send one entry; never waits for the journal."""
        try:
            self._send(encoded(_entry(record)))
        except OSError:
            self._forget()
            self._otherwise.emit(record)

    def close(self) -> None:
        self._forget()
        super().close()

    def _send(self, octets: bytes) -> None:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            self._socket.connect(self._address)
        try:
            self._socket.send(octets)
        except OSError as error:
            if error.errno not in _TOO_LONG:
                raise
            with _sealed(octets) as descriptor:
                socket.send_fds(self._socket, [b""], [descriptor])

    def _forget(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def encoded(fields: Mapping[str, str]) -> bytes:
    """Return an entry: `KEY=value`, or, where the value has several lines, the key, its length, and its octets."""
    found = bytearray()
    for name, value in fields.items():
        octets = value.encode("utf-8", "replace")
        if b"\n" in octets:
            found += name.encode() + b"\n" + struct.pack("<Q", len(octets)) + octets + b"\n"
        else:
            found += name.encode() + b"=" + octets + b"\n"
    return bytes(found)


@contextlib.contextmanager
def _sealed(octets: bytes) -> Iterator[int]:
    """Yield a file in memory that nobody can change: the way for an entry larger than a datagram."""
    descriptor = os.memfd_create("mrsp-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(octets)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
        yield descriptor
    finally:
        os.close(descriptor)


class _Scrubbed(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _SHAPES.scrubbed(super().format(record))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said = {"time": at, "level": record.levelname.lower(), "logger": record.name, "message": _message(record)}
        return json.dumps({**said, **_about(record)}, ensure_ascii=False)


def _entry(record: logging.LogRecord) -> dict[str, str]:
    priority = next(number for level, number in _PRIORITIES if record.levelno >= level)
    said = {"MESSAGE": _message(record), "PRIORITY": str(priority), "SYSLOG_IDENTIFIER": "mrsp", "LOGGER": record.name}
    return {**said, **{f"MRSP_{name.upper()}": value for name, value in _about(record).items()}}


def _about(record: logging.LogRecord) -> dict[str, str]:
    """Return what a line is about, and the kind of the error that it tells, if it tells one."""
    told = record.args if isinstance(record.args, tuple) else ()
    error = next((one for one in told if isinstance(one, BaseException)), None)
    kind = record.exc_info[0] if record.exc_info else None if error is None else type(error)
    return {**log_fields(), **({} if kind is None else {"error": kind.__name__})}


def _message(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info and record.exc_info[0] is not None:
        text = f"{text}\n{_PLAIN.formatException(record.exc_info)}"
    return _SHAPES.scrubbed(text)
