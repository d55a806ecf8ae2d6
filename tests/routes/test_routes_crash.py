"""Killed at any instant, what was confirmed is there, whole; and what settles a stop is on the disk by then."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from agent.routes.book import RouteBook
from tests.routes.routes_kit import open_book, walked

REPOSITORY = Path(__file__).parents[2]
STOPS = 90


async def confirmed(victim: asyncio.subprocess.Process, words: int) -> list[int]:
    """Let a worker confirm so many stops, kill it, and return all that it had confirmed by then."""
    assert victim.stdin is not None
    assert victim.stdout is not None
    victim.stdin.write(b"go\n")
    worker = int(await victim.stdout.readline())
    said: list[int] = []
    while (word := (await victim.stdout.readline()).strip()) != b"buried":
        if word != b"end":
            said.append(int(word))
        if len(said) == words or word == b"end":
            os.kill(worker, signal.SIGKILL)
    return said


async def test_killed_at_random_moments_no_confirmed_stop_is_lost(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        await walked(book, STOPS)
    victim = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.routes.routes_victim",
        str(tmp_path),
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    said: list[int] = []
    for words in (1, 2, 3, 5, 8, 13, STOPS):
        said += await confirmed(victim, words)
        async with open_book(tmp_path) as book:
            await check(book, said)
    assert len(said) >= STOPS - 7  # a worker may have done one stop, and been killed before it could say so
    victim.terminate()
    await victim.communicate()


async def check(book: RouteBook, said: list[int]) -> None:
    """Everything that was confirmed is there, and nothing is there in part."""
    stops = (await book.route("R-1")).stops
    history = dict((await book.call(book.store.history, "R-1", book._now()))[1])
    done = {one.sequence for one in stops if one.state != "pending"}
    assert set(said) <= done
    for one in stops:
        acts = [act.what for act in history.get(one.stop_id, [])]
        found = (one.state, one.reading_id, one.codes, one.remark, one.photos, acts)
        whole = {
            0: ("skipped", None, (), "later", (), ["left it for later"]),
            1: ("read", f"r-{one.sequence}", (), None, (), ["read it"]),
            2: ("unread", None, ("locked",), "shut", ("p",), ["could not read it"]),
        }[one.sequence % 3]
        assert found == (whole if one.sequence in done else ("pending", None, (), None, (), []))


async def test_what_settles_a_stop_is_synced_and_drafts_spare_the_card(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        one, two, three = (await walked(book)).stops
        said: list[str] = []
        await book.call(book.store._database._db.set_trace_callback, said.append)

        def synced() -> bool:
            found = [line for line in said if line.startswith("PRAGMA synchronous")]
            said.clear()
            return found == ["PRAGMA synchronous = FULL"]

        await book.settle(one.stop_id, "ann", "r-1", "keyed")
        assert synced()
        await book.trouble(two.stop_id, "ann", 1, ("locked",))
        assert synced()
        await book.skip(three.stop_id, "ann", 1)
        assert synced()
        await book.note(three.stop_id, "ann", "x")
        assert synced()
        await book.out_of_route("R-1", "777", "ann")
        assert synced()
        await book.save_draft(three.stop_id, "ann", b"0123")
        assert not synced()
        await book.claim(three.stop_id, "ann", 2)
        assert not synced()
