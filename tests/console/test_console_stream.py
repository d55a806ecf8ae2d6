"""Server-sent events: their form, and that a stream ends with its source, its session, its browser and the console."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException

from agent.console.sessions import Session, Sessions
from agent.console.stream import MOST_OF_ONE, Event, Streams
from tests.console.console_kit import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def session(sessions: Sessions) -> Session:
    return (await sessions.begin("ann", "s"))[1]


@pytest.fixture
def sessions(tmp_path: Path, clock: FakeClock) -> Sessions:
    return Sessions(tmp_path / "sessions.json", clock, idle_s=1_800, longest_s=36_000)


class Source:
    """Events that a test lets come."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event] = asyncio.Queue()
        self.closed = False

    async def events(self) -> AsyncIterator[Event]:
        try:
            while True:
                yield await self.queue.get()
        finally:
            self.closed = True


@pytest.mark.parametrize(
    ("event", "octets"),
    [
        (Event("x"), b"data: x\n\n"),
        (Event("a\nb\r\nc\rd", "job", "7"), b"event: job\nid: 7\ndata: a\ndata: b\ndata: c\ndata: d\n\n"),
        (Event(""), b"data: \n\n"),
        (Event("x\n\nevent: forged"), b"data: x\ndata: \ndata: event: forged\n\n"),
    ],
)
def test_the_form_of_an_event(event: Event, octets: bytes) -> None:
    assert event.octets() == octets


async def test_events_come_in_order_until_the_source_ends(sessions: Sessions, session: Session) -> None:
    async def two() -> AsyncIterator[Event]:
        yield Event("1")
        yield Event("2")

    assert [one async for one in Streams(sessions.goes_on).of(session, two())][1:] == [b"data: 1\n\n", b"data: 2\n\n"]


async def test_a_stream_ends_with_the_console_and_leaves_nothing_open(sessions: Sessions, session: Session) -> None:
    streams, source = Streams(sessions.goes_on), Source()
    stream = streams.of(session, source.events())
    source.queue.put_nowait(Event("1"))
    assert [await anext(stream), await anext(stream)][1] == b"data: 1\n\n"
    streams.closing.set()
    assert [one async for one in stream] == []
    assert source.closed
    assert streams._open.total() == 0


async def test_a_stream_ends_with_its_session(
    sessions: Sessions, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.console.stream.ALIVE_EVERY_S", 0.01)
    source = Source()
    stream = Streams(sessions.goes_on).of(session, source.events())
    assert (await anext(stream)).startswith(b"retry")
    assert await anext(stream) == b": still here\n\n"
    await sessions.end(session)
    assert {one async for one in stream} <= {b": still here\n\n"}
    assert source.closed


async def test_a_browser_that_goes_leaves_nothing_open(sessions: Sessions, session: Session) -> None:
    streams, source = Streams(sessions.goes_on), Source()
    stream = streams.of(session, source.events())
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await stream.aclose()
    assert source.closed
    assert streams._open.total() == 0


async def test_the_number_of_streams_is_bounded(sessions: Sessions, session: Session) -> None:
    streams = Streams(sessions.goes_on)
    opened = [streams.of(session, Source().events()) for _ in range(MOST_OF_ONE)]
    for stream in opened:
        await anext(stream)
    with pytest.raises(HTTPException) as refused:
        streams.of(session, Source().events())
    assert refused.value.status_code == 429
    await opened[0].aclose()
    again = streams.of(session, Source().events())
    await anext(again)
    for stream in (again, *opened):
        await stream.aclose()
    assert streams._open.total() == 0
