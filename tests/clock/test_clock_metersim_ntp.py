"""`metersim ntp` itself: its options, its first line, and what it ignores."""

from __future__ import annotations

import argparse
import asyncio
import io

import pytest

from agent.clock import NoTime, SystemClock, TimeSample
from agent.clock.ntp import Asking, ask
from agent.clock.settings import parse_server
from metersim.ntp import Behaviour, NtpServer, add_arguments, behaviour_of, serve


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_the_defaults_are_a_good_server() -> None:
    assert behaviour_of(options()) == Behaviour()


def test_every_option_arrives() -> None:
    words = (
        "--offset -90.5 --drift-ppm 40 --jump 1 --stratum 2 --leap 3 --reference GPS --kiss RATE --kiss-after 3 "
        "--mode 5 --wrong-origin --other-port --short --silent --lose 0.5 --root-delay 1 --root-dispersion 2 --held 3 "
        "--offset-after 4 --smear --unreachable"
    )
    assert behaviour_of(options(*words.split())) == Behaviour(
        -90.5, 40, 1, 2, 3, "GPS", "RATE", 3, 5, True, True, True, True, 0.5, 1, 2, 3, 4, True, True
    )


@pytest.mark.parametrize("words", ["--kiss TOOLONG", "--leap 4", "--stratum 256", "--reference é"])
def test_bad_options_are_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(*words.split())
    assert "error" in capsys.readouterr().err


class FirstLine(io.StringIO):
    """Tells when the address is written."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = asyncio.Event()

    def flush(self) -> None:
        self.flushed.set()


async def test_serves_until_cancelled_and_says_where_first() -> None:
    out = FirstLine()
    task = asyncio.create_task(serve(options("--offset", "90"), out))
    await out.flushed.wait()
    first, rest = out.getvalue().split("\n", 1)
    heard = await ask(parse_server(first), SystemClock(), Asking(timeout_s=10))
    assert isinstance(heard, TimeSample)
    assert abs(heard.offset_s + 90) < 1
    assert not rest
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(await ask(parse_server(first), SystemClock(), Asking(timeout_s=10)), NoTime)


def test_drift_and_jump_accumulate() -> None:
    server = NtpServer(Behaviour(drift_ppm=1_000, jump_s=2))
    question = bytes([0x23]) + bytes(47)
    first, second = server.answer(question, 0), server.answer(question, 1_000_000_000_000)
    shown = [int.from_bytes(octets[40:44], "big") for octets in (first, second)]
    assert shown[1] - shown[0] == 1_003  # 1,000 s, of which it makes 1,001, and a jump of 2


async def test_nobody_listens_at_an_unreachable_address() -> None:
    server = NtpServer(Behaviour(unreachable=True))
    host, port = await server.start()
    heard = await ask(parse_server(f"{host}:{port}"), SystemClock(), Asking(timeout_s=10))
    server.close()
    assert isinstance(heard, NoTime)
    assert heard.reason == "Connection refused"


def test_a_liar_may_be_honest_at_first() -> None:
    server = NtpServer(Behaviour(offset_s=90, offset_after=2))
    question = bytes([0x23]) + bytes(47)
    shown = [int.from_bytes(server.answer(question, 0)[40:44], "big") for _ in range(4)]
    assert [second - shown[0] for second in shown] == [0, 0, 90, 90]


def test_what_is_no_question_is_ignored() -> None:
    server = NtpServer()
    for octets in (b"", bytes(48), bytes([0x24]) + bytes(47), bytes([0x23]) + bytes(46)):
        server.datagram_received(octets, ("127.0.0.1", 1))
    assert server.asked == 0


def test_an_address_needs_a_start() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        _ = NtpServer().address
