"""A store behind a thread of its own: nothing is halved or left open, whoever goes away while it works."""

from __future__ import annotations

import asyncio
import threading
from typing import Self

import pytest

from agent.own_thread import OwnThread
from agent.state_book import StateBook, opened

NAME = "notes-of-this-test"


class Store:
    """Notes down on which thread what was done to it."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self._set_down("open")

    def write(self, words: str, *, twice: bool = False) -> int:
        for _ in range(1 + twice):
            self._set_down(words)
        return len(self.done)

    def close(self) -> None:
        self._set_down("close")

    def _set_down(self, what: str) -> None:
        self.done.append((what, threading.current_thread().name))

    @property
    def words(self) -> list[str]:
        return [words for words, _thread in self.done]


class Refused(Store):
    """Cannot be opened, where `number` is none."""

    def __init__(self, number: str) -> None:
        super().__init__()
        self.number = int(number)


class Held:
    """A call that has begun, and goes on when it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._free = threading.Event()

    def wait(self) -> None:
        self._loop.call_soon_threadsafe(self.begun.set)
        assert self._free.wait(10)

    def let_go(self) -> None:
        self._free.set()


class NoteBook(StateBook[Store]):
    @classmethod
    async def open(cls) -> Self:
        return cls(*await opened(NAME, Store))


async def the_thread_ends() -> None:
    """Wait until no thread of a book is left."""
    for thread in threading.enumerate():
        if thread.name.startswith(NAME):
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()


async def test_everything_is_done_on_one_thread_that_is_not_the_callers() -> None:
    async with await NoteBook.open() as book:
        store = book.store
        assert await book.call(store.write, "a", twice=True) == 3
        assert sorted(await asyncio.gather(*(book.call(store.write, "b") for _ in range(5)))) == [4, 5, 6, 7, 8]
    assert store.words == ["open", "a", "a", *["b"] * 5, "close"]
    assert {thread for _words, thread in store.done} == {f"{NAME}_0"}
    await the_thread_ends()


async def test_what_a_call_raises_is_raised_and_the_next_is_made() -> None:
    async with await NoteBook.open() as book:
        with pytest.raises(ValueError, match="invalid literal"):
            await book.call(int, "x")
        assert await book.call(int, "12") == 12


async def test_a_store_that_cannot_be_opened_leaves_no_thread() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await opened(NAME, lambda: Refused("x"))
    await the_thread_ends()


async def test_a_store_that_nobody_waits_for_any_more_is_closed() -> None:
    held, made = Held(), []

    def slowly() -> Store:
        held.wait()
        made.append(Store())
        return made[0]

    opening = asyncio.create_task(opened(NAME, slowly))
    await held.begun.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    held.let_go()
    await the_thread_ends()
    assert made[0].done == [("open", f"{NAME}_0"), ("close", f"{NAME}_0")]


async def test_a_call_that_has_begun_is_ended_though_its_caller_goes() -> None:
    async with await NoteBook.open() as book:
        held = Held()

        def slowly() -> None:
            held.wait()
            book.store.write("slowly")

        calling = asyncio.create_task(book.call(slowly))
        await held.begun.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        next_one = asyncio.create_task(book.call(book.store.write, "next"))
        held.let_go()
        assert await next_one == 3
        assert book.store.words == ["open", "slowly", "next"]


async def test_closing_waits_for_what_is_under_way_also_where_the_one_who_closes_goes() -> None:
    closing = asyncio.Event()

    class Telling(NoteBook):
        async def close(self) -> None:
            closing.set()
            await super().close()

    async def leave(book: Telling) -> None:
        async with book:
            pass

    book, held = await Telling.open(), Held()
    waiting = asyncio.create_task(book.call(held.wait))
    await held.begun.wait()
    leaving = asyncio.create_task(leave(book))
    await closing.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert book.store.words == ["open"]
    held.let_go()
    await waiting
    await the_thread_ends()
    assert book.store.words == ["open", "close"]


async def test_a_store_that_does_not_close_leaves_no_thread() -> None:
    class Stuck(Store):
        def close(self) -> None:
            raise OSError("the disk")

    thread = OwnThread(NAME)
    store = await thread.open(Stuck)
    with pytest.raises(OSError, match="the disk"):
        await thread.close(store)
    await the_thread_ends()
