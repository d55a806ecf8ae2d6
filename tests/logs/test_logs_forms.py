"""The log in each of its forms: what a line is about is beside its words, and no key gets out."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.log_fields import about, log_fields
from agent.logs import Form, JournalHandler, JsonHandler, TextHandler, encoded, log_form, use_log
from drivers.errors import MeterSilent

KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----"


def decoded(octets: bytes) -> dict[str, str]:
    """Read an entry as journald does."""
    found: dict[str, str] = {}
    while octets:
        line, _, octets = octets.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack_from("<Q", octets)
            value, octets = octets[8 : 8 + length], octets[8 + length :]
            assert octets[:1] == b"\n"
            octets = octets[1:]
        found[name.decode()] = value.decode()
    return found


def fail(error: Exception) -> None:
    raise error


@contextmanager
def logger(handler: logging.Handler) -> Iterator[logging.Logger]:
    found = logging.Logger("agent.test", logging.DEBUG)  # noqa: LOG001 - of this test alone
    found.addHandler(handler)
    try:
        yield found
    finally:
        handler.close()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "socket"))
        server.settimeout(5)
        yield server


@given(
    st.dictionaries(st.sampled_from(["MESSAGE", "MRSP_METER", "X"]), st.text(st.characters(exclude_categories=["Cs"])))
)
def test_an_entry_is_read_as_it_was_written(fields: dict[str, str]) -> None:
    assert decoded(encoded(fields)) == fields


def test_the_journal_is_told_what_a_line_is_about(journal: socket.socket, tmp_path: Path) -> None:
    with logger(JournalHandler(tmp_path / "socket")) as log:
        with about(meter="main"), about(reading_id="r-1"):
            log.error("%s", MeterSilent("nobody answers").at("main"))
        log.debug("after")
    first, second = (decoded(journal.recv(65_536)) for _ in range(2))
    assert first == {
        "MESSAGE": "main: nobody answers",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "mrsp",
        "LOGGER": "agent.test",
        "MRSP_METER": "main",
        "MRSP_READING_ID": "r-1",
        "MRSP_ERROR": "MeterSilent",
    }
    assert (second["PRIORITY"], "MRSP_METER" in second) == ("7", False)


def test_an_entry_too_large_for_a_datagram_goes_as_a_sealed_file(journal: socket.socket, tmp_path: Path) -> None:
    text = "x" * 4_000_000
    with logger(JournalHandler(tmp_path / "socket")) as log:
        log.warning(text)
    _, (descriptor, *_), _, _ = socket.recv_fds(journal, 100, 4)
    try:
        assert decoded(os.pread(descriptor, 5_000_000, 0))["MESSAGE"] == text
        with pytest.raises(PermissionError):
            os.write(descriptor, b"more")
    finally:
        os.close(descriptor)


def test_without_a_journal_a_line_goes_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logger(JournalHandler(tmp_path / "nobody")) as log:
        log.info("still told")
    assert capsys.readouterr().err == "INFO agent.test: still told\n"


def test_a_line_of_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    with logger(JsonHandler()) as log, about(meter="main"):
        try:
            fail(MeterSilent("nobody answers"))
        except MeterSilent:
            log.exception("this visit\nmet a bug")
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said.pop("time").endswith("Z")
    assert said.pop("message").startswith("this visit\nmet a bug\nTraceback")
    assert said == {"level": "error", "logger": "agent.test", "meter": "main", "error": "MeterSilent"}


@pytest.mark.parametrize("handler", [TextHandler, JsonHandler])
def test_no_key_is_in_any_form(handler: type[logging.Handler], capsys: pytest.CaptureFixture[str]) -> None:
    with logger(handler()) as log:
        log.error("the file says %s", KEY)
        try:
            fail(ValueError(KEY))
        except ValueError:
            log.exception("and again")
    said = capsys.readouterr().err
    assert "***" in said
    assert "MIGHAgEA" not in said


async def test_what_a_visit_is_about_is_known_to_its_tasks_and_threads_and_to_no_other() -> None:
    async def visit(name: str) -> tuple[str, str]:
        with about(meter=name):
            inner = asyncio.create_task(asyncio.to_thread(lambda: log_fields()["meter"]))
            return await inner, log_fields()["meter"]

    assert list(await asyncio.gather(visit("a"), visit("b"))) == [("a", "a"), ("b", "b")]
    assert log_fields() == {}


def test_the_journal_is_taken_where_systemd_started_us(
    journal: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "stderr").open("w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        status = os.fstat(file.fileno())
        ours = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert log_form(ours, tmp_path / "socket") == "journal"
        assert log_form(ours, tmp_path / "nobody") == "text"
        assert log_form({"JOURNAL_STREAM": "1:2"}, tmp_path / "socket") == "text"
        assert log_form({}, tmp_path / "socket") == "text"


@pytest.mark.parametrize(("form", "kind"), [("text", TextHandler), ("json", JsonHandler), ("journal", JournalHandler)])
def test_one_handler_takes_the_place_of_all(
    form: Form, kind: type[logging.Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.Logger("root")  # noqa: LOG001 - not that of the tests
    root.addHandler(logging.NullHandler())
    monkeypatch.setattr(logging, "getLogger", lambda: root)
    use_log(form)
    assert [type(handler) for handler in root.handlers] == [kind]
    root.handlers[0].close()
