"""A route is taken back while nothing was done in it; who loaded it sees how far it is; one book serves all who ask."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from agent.config import load_config
from agent.errors import LocalTrouble
from agent.routes.book import ROUTES_FILE, Changed, NoSuchRoute, RouteBegun, RouteBook
from agent.routes.one_book import OneBook, route_book_of
from tests.routes.routes_kit import NOW, Now, octets, open_book, route, walked


async def test_a_route_is_taken_back_until_something_was_done_in_it(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        digest = (await walked(book)).summary.digest
        changes = book.changes()
        assert not await book.withdraw("R-1", "another")
        assert not await book.withdraw("R-2", digest)
        assert await book.withdraw("R-1", digest)
        assert await anext(changes) == Changed("R-1")
        assert await book.routes() == ()
        assert not await book.withdraw("R-1", digest)
        again = await walked(book)
        assert again.summary.digest == digest
        await book.claim(again.stops[0].stop_id, "ann", 1)
        with pytest.raises(RouteBegun, match=r"R-1 cannot be taken back: 1 of its 3 stops have been begun"):
            await book.withdraw("R-1", digest)
        assert len((await book.route("R-1")).stops) == 3


async def test_how_far_a_route_is_and_when_something_was_done_last(tmp_path: Path) -> None:
    now = Now()
    async with open_book(tmp_path, now) as book:
        view = await walked(book, 2)
        digest = view.summary.digest
        now.after(minutes=5)
        found = await book.progress("R-1", digest)
        assert found is not None
        assert (found[0].progress.left, found[1]) == (2, NOW)
        await book.settle(view.stops[0].stop_id, "ann", "r-1", "keyed")
        now.after(minutes=5)
        found = await book.progress("R-1", digest)
        assert found is not None
        assert (found[0].progress.left, found[1]) == (1, NOW + timedelta(minutes=5))
        assert (await book.result("R-1", digest)).stops[0].reading_id == "r-1"


async def test_another_route_in_its_place_is_not_taken_for_it(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        first = (await walked(book)).summary.digest
        second = (await walked(book, 4)).summary.digest
        assert await book.progress("R-1", first) is None
        assert not await book.withdraw("R-1", first)
        with pytest.raises(NoSuchRoute, match="another route"):
            await book.result("R-1", first)
        assert (await book.result("R-1", second)).total == 4


async def test_one_book_is_opened_once_and_again_after_trouble(tmp_path: Path) -> None:
    made: list[RouteBook] = []
    full = True

    async def make() -> RouteBook:
        if full:
            raise LocalTrouble("the disk is full")
        made.append(await RouteBook.open(tmp_path / ROUTES_FILE))
        return made[-1]

    async with OneBook(make) as one:
        with pytest.raises(LocalTrouble, match="full"):
            await one.opened()
        full = False
        first, second = await asyncio.gather(one.opened(), one.opened())
        assert [first, second] == made * 2
        watch = first.changes()
    assert [changed async for changed in watch] == []  # it is closed
    async with OneBook(make):
        assert len(made) == 1


async def test_the_code_sets_of_the_configuration_are_known(tmp_path: Path) -> None:
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "acme.toml").write_text('name = "acme"\ntitle = "Acme"\nbased_on = "mrsp-field"\n')
    (tmp_path / "mrsp.toml").write_text(
        '[agent]\nagent_id = "gw-0001"\nstate_directory = "."\ncode_set_directories = ["codes"]\n'
    )
    async with route_book_of(load_config(tmp_path / "mrsp.toml"), Now()) as one:
        view = await (await one.opened()).load(octets(route(codes="acme")), "json", "dispatch")
        assert view.codes.name == "acme"
