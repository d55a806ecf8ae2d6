"""Questions at a terminal: what is shown, what is taken for an answer, and that leaving leaves nothing behind."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import sys
from collections.abc import Iterator

import pytest

from agent.cli.ask import TerminalAsk, ask_on_terminal
from drivers.person import Answer, Question

NAMEPLATE = Question("nameplate", "type the number", because="it differs", example="00123456")


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (b"00123456\n", Answer("00123456")),
        (b"  77 \r\n", Answer("77")),
        (b"\n", Answer(None)),
        (b"# glass is broken\n", Answer(None, "glass is broken")),
        (b"12 # first digit unsure\n", Answer("12", "first digit unsure")),
        (b"\xff\n", Answer("\N{REPLACEMENT CHARACTER}")),
    ],
)
async def test_a_line_is_an_answer(ends: tuple[int, int], typed: bytes, answer: Answer) -> None:
    shown = io.StringIO()
    os.write(ends[1], typed)
    assert await TerminalAsk(ends[0], shown)(NAMEPLATE) == answer
    assert shown.getvalue() == "it differs\ntype the number (like 00123456; empty: cannot tell): "


async def test_answers_typed_ahead_are_kept_apart(ends: tuple[int, int]) -> None:
    ask = TerminalAsk(ends[0], io.StringIO())
    os.write(ends[1], b"one\ntwo\nthr")
    assert [(await ask(NAMEPLATE)).text for _ in range(2)] == ["one", "two"]
    os.write(ends[1], b"ee\n")
    assert (await ask(NAMEPLATE)).text == "three"


async def test_a_terminal_that_goes_away_answers_nothing(ends: tuple[int, int]) -> None:
    os.close(ends[1])
    assert await TerminalAsk(ends[0], io.StringIO())(NAMEPLATE) == Answer(None)


async def test_a_hung_up_pty_answers_nothing() -> None:
    master, slave = pty.openpty()
    os.close(master)
    try:
        assert await TerminalAsk(slave, io.StringIO())(NAMEPLATE) == Answer(None)
    finally:
        os.close(slave)


async def test_leaving_while_waiting_leaves_nothing_behind(ends: tuple[int, int]) -> None:
    ask = TerminalAsk(ends[0], io.StringIO())
    waiting = asyncio.ensure_future(ask(NAMEPLATE))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not asyncio.get_running_loop().remove_reader(ends[0])


async def test_what_a_terminal_obeys_is_written_out(ends: tuple[int, int]) -> None:
    shown = io.StringIO()
    os.write(ends[1], b"x\n")
    await TerminalAsk(ends[0], shown)(Question("remark", "evil \x1b[2J"))
    assert "\x1b" not in shown.getvalue()


def test_nobody_is_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert ask_on_terminal() is None
