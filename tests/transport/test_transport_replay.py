from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from drivers.errors import DataError, LineLost, UsageError
from drivers.transport import Transport, open_transport, start_recording
from drivers.transport.recording_file import MAX_LINE, Octets, read_sessions
from drivers.transport.replay import ReplayDiverged
from tests.transport.lines import HANG_UP, Step, line, read_octets, write_recording

HEADER = {"mrsp-recording": 1, "line": "x", "baud": 9600, "started": "2026-11-21T21:02:00Z"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "visit.rec"


def write_lines(path: Path, *lines: dict[str, Any] | str) -> None:
    path.write_text(
        "".join(
            (line if isinstance(line, str) else json.dumps(line, separators=(",", ":"))) + "\n"
            for line in (HEADER, *lines)
        )
    )


async def replay(path: Path, query: str = "") -> Transport:
    return await open_transport(f"replay://{path}{query}")


def sent(octets: str, t: int = 0) -> dict[str, Any]:
    return {"t": t, "dir": ">", "hex": octets}


def said(octets: str, t: int = 0) -> dict[str, Any]:
    return {"t": t, "dir": "<", "hex": octets}


async def test_what_was_recorded_replays_exactly(tmp_path: Path) -> None:
    script: list[Step] = [(">", b"\xee\x01"), ("<", b"\x06\xee"), ("<", b"\x02"), (">", b"\x06"), (">", b"\xee\x03")]

    async def client(transport: Transport) -> list[bytes]:
        await transport.write(b"\xee\x01")
        got = [await read_octets(transport, 3)]
        await transport.write(b"\x06")
        await transport.set_baud(19200)
        await transport.write(b"\xee\x03", secret=True)
        return got

    live: list[bytes] = []
    async with line("pty", tmp_path, script) as inner:
        transport = start_recording(inner, tmp_path / "live.rec")
        live = await client(transport)
        await transport.close()
    transport = start_recording(await replay(tmp_path / "live.rec"), tmp_path / "again.rec")
    assert await client(transport) == live
    await transport.close()
    (first,), (again,) = read_sessions(tmp_path / "live.rec"), read_sessions(tmp_path / "again.rec")
    assert first.header.baud == again.header.baud == 9600
    key = [(r.direction, r.octets) if isinstance(r, Octets) else (r.name, r.value) for r in first.records]
    assert key == [(r.direction, r.octets) if isinstance(r, Octets) else (r.name, r.value) for r in again.records]


async def test_an_answer_comes_only_after_the_question(path: Path) -> None:
    write_recording(path, [(">", b"go"), ("<", b"\x06")])
    transport = await replay(path)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await transport.read()
    await transport.write(b"g")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await transport.read()
    await transport.write(b"o")
    assert await transport.read() == b"\x06"
    await transport.close()


async def test_reads_come_as_they_came(path: Path) -> None:
    write_recording(path, [("<", b"noise"), (">", b"go"), ("<", b"\x06"), ("<", b"\xee")])
    transport = await replay(path)
    assert await transport.read() == b"noise"
    await transport.write(b"go")
    assert [await transport.read(), await transport.read()] == [b"\x06", b"\xee"]
    await transport.close()


async def test_writes_may_be_joined_or_split(path: Path) -> None:
    write_recording(path, [(">", b"\x06"), (">", b"\xee\x01\x02"), ("<", b"\x06")])
    transport = await replay(path)
    await transport.write(b"\x06\xee")
    await transport.write(b"\x01\x02")
    assert await transport.read() == b"\x06"
    await transport.close()


async def test_another_question_names_the_record_and_ends_the_replay(path: Path) -> None:
    write_recording(path, [(">", b"\xee\x01\x02"), ("<", b"\x06"), (">", b"\xee\x03\x04")])
    transport = await replay(path)
    await transport.write(b"\xee\x01\x02")
    with pytest.raises(ReplayDiverged, match=r"shows EE 03 04 \(line 4\), but the client sends EE 03 05") as caught:
        await transport.write(b"\xee\x03\x05")
    assert not caught.value.retry
    for attempt in (transport.write(b"\xee\x03\x04"), transport.set_baud(300)):
        with pytest.raises(ReplayDiverged):
            await attempt
    with pytest.raises(ReplayDiverged):
        await transport.read()
    await transport.close()


async def test_a_masked_write_matches_anything_of_its_length(path: Path) -> None:
    write_lines(path, sent("**" * 5), said("06"), sent("ee"))
    for secret in (True, False):
        transport = await replay(path)
        await transport.write(b"sesam", secret=secret)
        assert await transport.read() == b"\x06"
        await transport.write(b"\xee")
        await transport.close()
    transport = await replay(path)
    with pytest.raises(
        ReplayDiverged, match=r"shows EE \(line 4\), but the client sends 2 octets that carry"
    ) as caught:
        await transport.write(b"sesame!", secret=True)
    assert "21" not in str(caught.value).replace(str(path), "")
    await transport.close()


async def test_a_masked_answer_cannot_be_replayed_and_says_so(path: Path) -> None:
    write_lines(path, sent("**" * 5), said("06"), said("****"), sent("ee"))
    transport = await replay(path)
    await transport.write(b"sesam", secret=True)
    assert await transport.read() == b"\x06"
    with pytest.raises(ReplayDiverged, match="line 4 is masked"):
        await transport.read()
    await transport.close()


async def test_after_the_end_there_is_silence_and_nothing_more_to_send(path: Path) -> None:
    write_recording(path, [(">", b"go"), ("<", b"\x06")])
    transport = await replay(path)
    await transport.write(b"go")
    assert await transport.read() == b"\x06"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await transport.read()
    with pytest.raises(ReplayDiverged, match=r"shows the event 'close' \(line 4\)"):
        await transport.write(b"more")
    await transport.close()


async def test_a_recording_that_breaks_off_is_a_lost_line(path: Path) -> None:
    write_lines(path, sent("01"), said("06"))
    transport = await replay(path)
    await transport.write(b"\x01")
    assert await transport.read() == b"\x06"
    with pytest.raises(LineLost, match="breaks off at line 3"):
        await transport.read()
    with pytest.raises(LineLost, match="breaks off at line 3"):
        await transport.write(b"more")
    await transport.close()


async def test_a_lost_line_is_lost_again(path: Path) -> None:
    write_recording(path, [(">", b"go"), ("<", b"\x06"), HANG_UP])
    transport = await replay(path)
    await transport.write(b"go")
    assert await transport.read() == b"\x06"
    with pytest.raises(LineLost, match="the meter went away"):
        await transport.read()
    await transport.close()


async def test_the_speed_has_to_change_where_it_did(path: Path) -> None:
    write_lines(path, sent("01"), {"t": 1, "event": "baud", "value": 19200}, sent("02"), said("06"))
    transport = await replay(path)
    await transport.set_baud(9600)
    await transport.write(b"\x01")
    await transport.set_baud(19200)
    assert transport.baud == 19200
    await transport.write(b"\x02")
    assert await transport.read() == b"\x06"
    await transport.close()
    transport = await replay(path)
    with pytest.raises(ReplayDiverged, match=r"shows 01 \(line 2\), but the client sends a change to 300 baud"):
        await transport.set_baud(300)
    transport = await replay(path)
    with pytest.raises(ReplayDiverged, match=r"shows a change to 19200 baud \(line 3\), but the client sends 02"):
        await transport.write(b"\x01\x02")


async def test_unread_input_can_be_dropped(path: Path) -> None:
    write_recording(path, [(">", b"a"), ("<", b"noise"), (">", b"b"), ("<", b"\x06")])
    transport = await replay(path)
    await transport.write(b"a")
    assert transport.discard_input() == 5
    await transport.write(b"b")
    assert await transport.read() == b"\x06"
    await transport.close()


async def test_real_pace_waits_as_long_as_the_meter_took(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(path, sent("01", 5_000_000_000), said("06", 65_000_000_000), said("ee", 66_000_000_000))
    loop = asyncio.get_running_loop()
    now = [1000.0]
    slept: list[float] = []

    async def sleep(delay_s: float) -> None:
        slept.append(delay_s)
        now[0] += delay_s

    monkeypatch.setattr(loop, "time", lambda: now[0])
    monkeypatch.setattr(asyncio, "sleep", sleep)
    transport = await replay(path, "?pace=real")
    await transport.write(b"\x01")
    assert [await transport.read(), await transport.read()] == [b"\x06", b"\xee"]
    assert slept == pytest.approx([60.0, 1.0])
    await transport.close()
    monkeypatch.undo()


async def test_sessions_of_a_file(path: Path) -> None:
    write_lines(path, sent("01"), HEADER, sent("02"))
    for query, octet in (("", b"\x02"), ("?session=1", b"\x01"), ("?session=2", b"\x02")):
        transport = await replay(path, query)
        await transport.write(octet)
        await transport.close()
    with pytest.raises(UsageError, match="has 2 sessions, not 3"):
        await replay(path, "?session=3")


async def test_unknown_events_and_keys_are_skipped(path: Path) -> None:
    write_lines(path, {"t": 0, "event": "moon", "value": {"full": True}}, {**sent("01"), "note": "x"}, said("06"))
    transport = await replay(path)
    await transport.write(b"\x01")
    assert await transport.read() == b"\x06"
    await transport.close()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not a recording"),
        (b"hello\n", "is not a recording"),
        (b'{"mrsp-recording":2,"line":"x","baud":0,"started":"2026-11-21T21:02:00Z"}\n', "version 2"),
        (b'{"mrsp-recording":"1","line":"x"}\n', "version '1'"),
    ],
)
def test_a_file_that_is_no_recording(path: Path, content: bytes, told: str) -> None:
    path.write_bytes(content)
    with pytest.raises(UsageError, match=told):
        read_sessions(path)


async def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for name in ("missing.rec", ""):
        with pytest.raises(UsageError, match="cannot be read"):
            await replay(tmp_path / name)


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        "null",
        "[" * 5000,
        '{"t":' + "9" * 5000 + "}",
        '{"t":0}',
        '{"t":-1,"dir":">","hex":"00"}',
        '{"t":1.5,"dir":">","hex":"00"}',
        '{"t":true,"dir":">","hex":"00"}',
        '{"t":9223372036854775808,"dir":">","hex":"00"}',
        '{"t":0,"dir":"=","hex":"00"}',
        '{"t":0,"dir":[],"hex":"00"}',
        '{"t":0,"dir":">","hex":""}',
        '{"t":0,"dir":">","hex":"0"}',
        '{"t":0,"dir":">","hex":"EE"}',
        '{"t":0,"dir":">","hex":"ee 00"}',
        '{"t":0,"dir":">","hex":"ee**"}',
        '{"t":0,"dir":">","hex":"***"}',
        '{"t":0,"dir":">","hex":5}',
        '{"t":0,"event":"baud","value":"fast"}',
        '{"t":0,"event":"baud","value":-1}',
        '{"t":0,"event":"close","value":1}',
        '{"t":0,"dir":">","hex":"' + "00" * MAX_LINE + '"}',
        '{"mrsp-recording":1}',
        '{"mrsp-recording":1,"line":"x","baud":true,"started":"2026-11-21T21:02:00Z"}',
        '{"mrsp-recording":1,"line":"x","baud":0,"started":"yesterday"}',
        '{"mrsp-recording":1,"line":"x","baud":0,"started":"2026-11-21T21:02:00"}',
    ],
)
async def test_damage_is_named_with_its_line(path: Path, bad: str) -> None:
    write_lines(path, sent("01"), bad, sent("02"))
    with pytest.raises(DataError, match=r"visit\.rec, line 3: "):
        await replay(path)


def test_a_torn_last_line_is_left_out(path: Path) -> None:
    write_lines(path, sent("01"))
    with path.open("a") as file:
        file.write('{"t":5,"dir":"<","hex":"06')
    (session,) = read_sessions(path)
    assert len(session.records) == 1


def test_a_last_line_that_only_lacks_its_line_feed_counts(path: Path) -> None:
    write_lines(path, sent("01"))
    path.write_bytes(path.read_bytes()[:-1])
    (session,) = read_sessions(path)
    assert len(session.records) == 1


def test_a_file_larger_than_any_visit_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from drivers.transport import recording_file

    monkeypatch.setattr(recording_file, "MAX_FILE", 100)
    write_lines(path, sent("00" * 200))
    with pytest.raises(UsageError, match="larger than 100 octets"):
        read_sessions(path)


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just({}), st.just([])
)
objects = st.dictionaries(
    st.sampled_from(["t", "dir", "hex", "event", "value", "mrsp-recording", "line", "baud", "started"]), anything
).map(lambda fields: json.dumps(fields).encode())


@given(st.lists(st.one_of(st.binary(max_size=60), objects), max_size=8))
@example([b"\xff\xfe", b'{"mrsp-recording":1}'])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_read_or_refused(path: Path, tail: list[bytes]) -> None:
    path.write_bytes(b"\n".join([json.dumps(HEADER, separators=(",", ":")).encode(), *tail]))
    with suppress(UsageError, DataError):
        assert read_sessions(path)
