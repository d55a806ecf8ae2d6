"""Killed before or after any step, or for real at any moment: what was taken is answered once and read once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.requests.requests_kit import Fuse, Killed, Place, cancel, said, signed

REPOSITORY = Path(__file__).parents[2]
TOKENS = (
    signed(said(1)),
    signed(said(2, action="final")),
    signed(said(3, meter_id="unknown")),
    signed(said(4, transaction_id="T-1")),
    signed(cancel(5, "T-2")),
)
#: What the MDSP has when all is over: message, outcome, how often. T-2 may be over before it is cancelled.
EXPECTED = {
    ("message-0001", "accepted"): 1,
    ("message-0001", "done"): 1,
    ("message-0002", "accepted"): 1,
    ("message-0002", "cancelled"): 1,
    ("message-0003", "refused"): 1,
    ("message-0004", "accepted"): 1,
    ("message-0005", "done"): 1,
}


async def live(place: Place, fuse: Fuse | None) -> bool:
    """Live one life of the agent: take what the MDSP sends (again) and carry it out; return whether it went well."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        async with place.agent() as agent:
            if fuse is not None:
                schedule = place.schedule
                steps = (agent.book, "call"), (schedule, "ask"), (schedule, "withdraw"), (agent.spool, "add")
                fuse.build_in(monkeypatch, *steps)
            try:
                for token in TOKENS:
                    await agent.take(token)
                    await agent.handler.carry_on()
                if "T-1" in place.schedule.asked and ("m1", place.schedule.asked["T-1"].requested_at) not in (
                    place.schedule.rows
                ):
                    place.schedule.over("T-1", "done", reading_id="r-1")
                await agent.handler.carry_on()
            except Killed:
                return False
            finally:
                if fuse is not None:
                    fuse.left = -1
    return True


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_any_step_everything_is_answered_once(tmp_path: Path, place: Place, after: bool) -> None:
    at, ended = 0, False
    while not ended:
        at += 1
        directory = tmp_path / str(at)
        directory.mkdir()
        (directory / "requests.sqlite").write_bytes((tmp_path / "requests.sqlite").read_bytes())
        (directory / "requests.sqlite").chmod(0o600)
        there = Place(directory)
        ended = await live(there, Fuse(at, after=after))
        assert await live(there, None)
        async with there.agent() as agent:
            found = Counter((one["jti"], one["outcome"]) for one in await agent.answers())
        assert {name: count for name, count in found.items() if name[0] != "message-0004"} == {
            name: count for name, count in EXPECTED.items() if name[0] != "message-0004"
        }
        assert sum(count for name, count in found.items() if name[0] == "message-0004") == 1
        assert sorted(there.schedule.asked) == ["T-1", "T-2"]
    assert at > 20


async def test_killed_for_real_at_random_moments_nothing_is_answered_twice(place: Place) -> None:
    """A forked worker takes the same messages over and over, and is killed after some of its words."""
    victim = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.requests.requests_victim",
        str(place.directory),
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert victim.stdin is not None
    assert victim.stdout is not None
    for words in (1, 2, 3, 4, 5, 6, 8, 10, 13, 17):
        victim.stdin.write(b"\n".join(TOKENS) + b"\n\n")
        worker = int(await victim.stdout.readline())
        for _ in range(words):
            if (await victim.stdout.readline()).strip() == b"end":
                break
        os.kill(worker, signal.SIGKILL)
        while (await victim.stdout.readline()).strip() != b"buried":
            pass
    victim.stdin.close()
    await victim.wait()
    async with place.agent() as agent:
        found = Counter((one["jti"], one["outcome"]) for one in await agent.answers())
        assert (await agent.spool.verify()).sound
    assert set(found.values()) == {1}
    assert {jti for jti, _ in found} == {f"message-{number:04d}" for number in range(1, 6)}
