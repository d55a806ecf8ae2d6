"""Killed between any two steps, a route of the MDSP is loaded once, answered once, and its result sent once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.requests.requests_kit import Agent, Fuse, Killed, Place, cancel, signed, with_route
from tests.routes.routes_kit import route, stop


def walk(number: int, **more: Any) -> dict[str, Any]:
    return route(day="2026-11-23", route_id=f"R-{number}", orders=[stop(number)], **more)


TOKENS = (
    signed(with_route(1, walk(1))),
    signed(with_route(2, walk(2))),
    signed(cancel(3, "T-2")),
    signed(with_route(5, walk(5))),
)
EXPECTED = {
    ("message-0001", "accepted"): 1,
    ("message-0002", "accepted"): 1,
    ("message-0002", "cancelled"): 1,
    ("message-0003", "done"): 1,
    ("message-0005", "accepted"): 1,
    ("message-0005", "done"): 1,
}


async def cut_short(place: Place, fuse: Fuse) -> bool:
    """Let an agent work until the fuse blows; return whether it did."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        async with place.agent() as agent:
            steps = (agent.book, "call"), (await agent.walked(), "call"), (agent.spool, "add")
            fuse.build_in(monkeypatch, *steps)
            try:
                await work(agent, place)
            except Killed:
                return True
            finally:
                fuse.left = -1
    return False


async def work(agent: Agent, place: Place) -> None:
    """Take what the MDSP sends (again), walk R-5, wait until its result goes."""
    await agent.take(*TOKENS)
    await agent.handler.carry_on()
    book = await agent.walked()
    (only,) = (await book.route("R-5")).stops
    if only.state == "pending":
        await book.settle(only.stop_id, "ann", "r-5", "interrogated")
    place.later(minutes=31)
    await agent.handler.carry_on()


async def test_killed_before_any_step_a_route_is_answered_and_reported_once(tmp_path: Path, place: Place) -> None:
    at, blew = 0, True
    while blew:
        at += 1
        directory = tmp_path / str(at)
        directory.mkdir()
        (directory / "requests.sqlite").write_bytes((tmp_path / "requests.sqlite").read_bytes())
        (directory / "requests.sqlite").chmod(0o600)
        there = Place(directory, field_work=True)
        blew = await cut_short(there, Fuse(at, after=False))
        async with there.agent() as agent:
            await work(agent, there)
            assert Counter((one["jti"], one["outcome"]) for one in await agent.answers()) == EXPECTED
            (report,) = await agent.documents("report")
            (done,) = [one for one in await agent.answers() if one["jti"] == "message-0005" and "report_id" in one]
            assert (report["report_id"], report["transaction_id"]) == (done["report_id"], "T-5")
            assert sorted(one.route_id for one in await (await agent.walked()).routes()) == ["R-1", "R-5"]
    assert at > 15
