"""How long silence is borne in mid-session, and that slow links are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from drivers.errors import MeterSilent
from drivers.psem import PsemClient, PsemOptions, Timing
from drivers.psem.replies import IdentifyReply
from tests.psem.lines import LONG, Line, Tables, clock, run

NETWORK = PsemOptions(timing=Timing(inter_character_s=2.0))


def silence_s(*, baud: int, options: PsemOptions | None = None, late_s: float = 0.0, standard: int = 0) -> float:
    """Return how long it takes until a meter that falls silent in mid-session is given up."""

    async def main() -> float:
        line = Line(Tables({1: b"first"}, reply=IdentifyReply(standard, 1, 0)), baud=baud)
        line.there.late = line.back.late = lambda: late_s
        client = PsemClient(line, options, clock=clock)
        async with client.session():
            for _ in range(10):
                await client.read_table(1)
            line.mute = True
            began = clock()
            with pytest.raises(MeterSilent, match="fallen silent"):
                await client.read_table(1)
            return clock() - began

    return run(main())


def test_on_a_serial_line() -> None:
    assert 15 < silence_s(baud=9600) < 25


def test_on_a_quick_network() -> None:
    assert 15 < silence_s(baud=0, options=NETWORK, late_s=0.05) < 32


def test_on_a_meter_that_may_take_longer() -> None:
    as_it_is = replace(NETWORK, timing_setup=False)
    assert 30 < silence_s(baud=0, options=as_it_is, late_s=0.05, standard=2) < 75


def test_where_longer_timers_were_agreed_on() -> None:
    assert 60 < silence_s(baud=0, options=NETWORK, late_s=0.05, standard=2) < 135


def test_on_a_network_that_takes_three_seconds_a_turn() -> None:
    assert 40 < silence_s(baud=0, options=NETWORK, late_s=1.5) < 85


def slow(seed: int, usual_s: float, at_times_s: float) -> Callable[[], float]:
    random = Random(seed)  # noqa: S311 - repeatable, not secret
    return lambda: random.uniform(0, at_times_s) if random.random() < 0.1 else random.uniform(0.2, usual_s)


@pytest.mark.parametrize("seed", range(6))
def test_a_slow_cellular_link_is_not_given_up(seed: int) -> None:
    """0.4 to 3 s a turn, and at times 8: no session is lost, and hardly a request repeated for nothing."""

    async def main() -> None:
        line = Line(Tables({64: LONG}), baud=0)
        line.there.late, line.back.late = slow(seed, 1.5, 4.0), slow(seed + 50, 1.5, 4.0)
        client = PsemClient(line, NETWORK, clock=clock)
        async with client.session():
            assert await client.read_table(64, size=len(LONG)) == LONG
        assert client.statistics.recoveries == 0
        assert client.statistics.retries <= 4

    run(main())


def test_a_dropout_of_fifteen_seconds_is_outlived() -> None:
    async def main() -> None:
        line = Line(Tables({64: LONG}), baud=0)
        line.there.late = line.back.late = lambda: 0.2
        client = PsemClient(line, NETWORK, clock=clock)
        async with client.session():
            assert await client.read_table(64, size=len(LONG)) == LONG
            line.mute = True
            line.loop.call_later(15, setattr, line, "mute", False)
            assert await client.read_table(64, size=len(LONG)) == LONG

    run(main())


def test_a_lost_octet_holds_a_known_line_up_only_for_a_moment() -> None:
    async def main() -> float:
        line = Line(Tables({64: LONG}), baud=9600)
        client = PsemClient(line, clock=clock)
        async with client.session():
            assert await client.read_table(64, size=len(LONG)) == LONG
            began = clock()
            assert await client.read_offset(64, 0, 200) == LONG[:200]
            clean_s = clock() - began
            whole = line.back.damage
            lost = [0]

            def lose_once(chunk: bytes) -> bytes:
                if len(chunk) > 100 and not lost[0]:
                    lost[0] += 1
                    return chunk[:100] + chunk[101:]
                return whole(chunk)

            line.back.damage = lose_once
            began = clock()
            assert await client.read_offset(64, 0, 200) == LONG[:200]
            return clock() - began - clean_s - 2 * 208 * 10 / 9600

    assert run(main()) < 0.3
