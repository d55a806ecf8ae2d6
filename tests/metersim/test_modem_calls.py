"""Calls over the simulated network: what becomes of them, how octets travel, and who answers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest

from drivers.errors import MrspError, UsageError
from drivers.transport.pins import Carrier
from metersim.modem import (
    AnswerWindow,
    CallFaults,
    Network,
    SitePlan,
    Terminal,
    parse_call_faults,
    parse_window,
    running_bank,
)
from metersim.modem.bank import FIRST_NUMBER
from metersim.modem.calling import Caller, CallPlan, parse_call_plan
from metersim.modem.trunk import Carriage, Trunk
from tests.metersim.modem_kit import (
    NOW,
    NUMBER,
    SETTLES_S,
    command,
    dial,
    hang_up,
    read_id,
    run,
    serving,
    site,
    told,
    until,
)
from tests.soak.virtual_loop import rest

SEED = Random(1)  # noqa: S311 - repeatable, not secret


def test_a_call_is_made_a_meter_read_and_the_line_given_back() -> None:
    async def main() -> None:
        async with running_bank([site()]) as bank:
            terminal = bank.terminal(0)
            assert await terminal.carrier() is Carrier.DOWN
            assert await dial(terminal) == "CONNECT 2400"
            assert await terminal.carrier() is Carrier.UP
            assert await read_id(terminal) == "M-1"
            await hang_up(terminal)
            assert await terminal.carrier() is Carrier.DOWN
            assert not bank.stations[0].engaged
            assert not bank.sites[NUMBER].engaged
            (call,) = bank.exchange.calls
            assert (call.rings, call.up, call.ended) == (1, True, True)
            assert await dial(terminal) == "CONNECT 2400"
            assert await read_id(terminal) == "M-1"

    run(main)


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ("busy", "BUSY"),
        ("no_answer", "NO ANSWER"),
        ("no_carrier", "NO CARRIER"),
        ("no_dialtone", "NO DIALTONE"),
        ("delayed", "DELAYED 00:01:00"),
        ("blacklisted", "BLACKLISTED"),
        ("error", "ERROR"),
    ],
)
def test_what_becomes_of_a_call(faults: str, said: str) -> None:
    async def main() -> None:
        async with running_bank([site()], network=Network(parse_call_faults([faults]))) as bank:
            terminal = bank.terminal(0)
            assert await dial(terminal) == said
            assert not bank.stations[0].engaged
            assert "OK" in await command(terminal, "AT")

    run(main)


def test_a_number_that_nobody_has() -> None:
    async def main() -> None:
        async with running_bank([]) as bank:
            assert await dial(bank.terminal(0)) == "NO CARRIER"

    run(main)


def test_a_line_takes_one_call_and_modems_do_not_disturb_each_other() -> None:
    async def main() -> None:
        async with running_bank([site(), site("5550101")], modems=3) as bank:
            first, second, third = (bank.terminal(number) for number in range(3))
            assert await dial(first) == "CONNECT 2400"
            assert await dial(second) == "BUSY"
            assert await dial(third, "5550101") == "CONNECT 2400"
            assert set(await asyncio.gather(read_id(first), read_id(third))) == {"M-1"}

    run(main)


def test_two_meters_on_one_number_are_told_apart_by_identity() -> None:
    async def main() -> None:
        plan = SitePlan(NUMBER, (serving("minimal", 1), serving("residential-tou", 2)))
        async with running_bank([plan]) as bank:
            terminal = bank.terminal(0)
            await dial(terminal)
            assert await read_id(terminal, 2, stay=True) == "87654321"
            assert await read_id(terminal, 1, stay=True) == "M-1"
            assert await read_id(terminal, 0) == "M-1"
            assert await until(terminal, "NO CARRIER", wait_s=10) == "NO CARRIER"  # a Disconnect ends the call

    run(main)


def test_the_carrier_is_lost_in_mid_read() -> None:
    async def main() -> None:
        async with running_bank([site()], network=Network(CallFaults(drop=1.0), seed=3)) as bank:
            terminal = bank.terminal(0)
            await dial(terminal)
            with pytest.raises(MrspError):
                await _read_on(terminal)
            assert await terminal.carrier() is Carrier.DOWN
            (call,) = bank.exchange.calls
            assert call.end == "dropped"

    run(main)


async def _read_on(terminal: Terminal) -> None:
    while True:
        await read_id(terminal, stay=True)


def test_noise_is_survived_and_error_correction_hides_it() -> None:
    async def main(*, corrects: bool) -> int:
        async with running_bank([site(corrects=corrects)], network=Network(CallFaults(noise=0.003))) as bank:
            terminal = bank.terminal(0)
            await dial(terminal)
            if corrects:
                await hang_up(terminal)
                assert "OK" in await command(terminal, "AT&F")
                assert "CONNECT 2400/ARQ" in await told(terminal, f"ATDT{NUMBER}", "CONNECT 2400/ARQ")
                await rest(SETTLES_S)
            damaged = 0
            for _ in range(5):
                try:
                    assert await read_id(terminal, stay=True) == "M-1"
                except MrspError:
                    damaged += 1
            return damaged

    run(lambda: main(corrects=False))
    assert run(lambda: main(corrects=True)) == 0


def test_a_call_that_comes_too_soon_after_the_carrier_is_not_heard() -> None:
    async def main() -> None:
        async with running_bank([site(trains_s=3.0)]) as bank:
            terminal = bank.terminal(0)
            await dial(terminal)
            await terminal.write(bytes.fromhex("ee00000000012013 10".replace(" ", "")))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):
                    await terminal.read()
            await rest(5)  # the modems have trained, and the meter's patience with the half message is over
            assert await read_id(terminal) == "M-1"

    run(main)


class FarEnd:
    """Where a trunk ends: what came out of it, and when."""

    def __init__(self) -> None:
        self.pieces: list[tuple[float, bytes]] = []
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._came = asyncio.Event()

    def take(self, piece: bytes) -> None:
        self.pieces.append((self._loop.time() - self._began, piece))
        self._came.set()

    @property
    def octets(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    async def all_of(self, octets: int) -> None:
        """Return when so many have come."""
        while len(self.octets) < octets:
            self._came.clear()
            await self._came.wait()


def test_octets_travel_at_the_speed_of_the_line() -> None:
    async def main() -> None:
        end = FarEnd()
        trunk = Trunk(Carriage(1200, latency_s=0.1), SEED, end.take)
        trunk.send(bytes(120))
        await rest(0.5)
        trunk.send(bytes(120))
        await end.all_of(240)
        assert end.pieces[-1][0] == pytest.approx(2.1)
        await rest(5)
        assert len(end.octets) == 240
        for at, _ in end.pieces:
            assert sum(len(piece) for when, piece in end.pieces if when <= at) <= (at - 0.1) * 120 + 1e-6

    run(main)


def test_bursts_pause_within_a_message_and_keep_the_order() -> None:
    async def main() -> None:
        end = FarEnd()
        trunk = Trunk(Carriage(9600, bursts_s=(0.1, 0.5)), SEED, end.take)
        message = bytes(range(256)) * 4
        trunk.send(message)
        await end.all_of(len(message))
        gaps = [later - sooner for (sooner, _), (later, _) in pairwise(end.pieces)]
        assert max(gaps) > 0.1
        assert max(gaps) < 1.0
        trunk.cut()
        trunk.send(b"x")
        await rest(1)
        assert end.octets == message

    run(main)


def test_a_modem_takes_no_more_than_its_buffer() -> None:
    async def main() -> None:
        end = FarEnd()
        Trunk(Carriage(1200), SEED, end.take).send(bytes(20_000))
        await end.all_of(8192)
        await rest(1000)
        assert len(end.octets) == 8192

    run(main)


def test_modems_that_have_no_speed_in_common_find_no_carrier() -> None:
    async def main() -> None:
        async with running_bank([site(rate=1200)]) as bank:
            terminal = bank.terminal(0)
            assert "OK" in await command(terminal, "AT+MS=V22B,0,2400,2400")
            assert await dial(terminal) == "NO CARRIER"
            assert "OK" in await command(terminal, "AT+MS=V22B,1,1200,2400")
            assert await dial(terminal) == "CONNECT 1200"

    run(main)


def test_a_line_passed_straight_through_wants_the_lines_speed() -> None:
    async def main() -> None:
        async with running_bank([site()]) as bank:
            terminal = bank.terminal(0, baud=9600)
            assert "OK" in await command(terminal, "AT&Q0")
            assert await dial(terminal) == "CONNECT 2400"
            with pytest.raises(MrspError):
                await read_id(terminal)

    run(main)


def test_outside_its_window_a_meter_lets_it_ring() -> None:
    window = AnswerWindow(NOW.time(), (NOW + timedelta(hours=1)).time(), rings_inside=1, rings_outside=0)
    early = AnswerWindow((NOW - timedelta(hours=9)).time(), (NOW - timedelta(hours=8)).time(), rings_outside=5)

    async def main() -> None:
        house = serving("residential-tou")  # five hours behind UTC
        plans = [SitePlan(NUMBER, (house,), window=window), SitePlan("5550101", (house,), window=early)]
        async with running_bank(plans) as bank:
            terminal = bank.terminal(0)
            assert await dial(terminal) == "NO ANSWER"
            assert await dial(terminal, "5550101") == "CONNECT 2400"
            assert bank.exchange.calls[-1].rings == 5

    run(main)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("02:00-04:30", "2026-11-21T02:00:00", "2026-11-21T04:30:00"),
        ("22:00-02:00,fri", "2026-11-21T01:00:00", "2026-11-20T01:00:00"),
        ("00:00-00:00,mon-fri,2,9", "2026-11-20T12:00:00", "2026-11-21T12:00:00"),
    ],
)
def test_windows(text: str, inside: str, outside: str) -> None:
    window = parse_window(text)
    at = type(NOW).fromisoformat
    assert window.rings(at(inside)) == window.rings_inside
    assert window.rings(at(outside)) == window.rings_outside


@pytest.mark.parametrize("text", ["", "02:00", "25:00-26:00", "02:00-03:00,xyz", "02:00-03:00,1,2,3"])
def test_no_windows(text: str) -> None:
    with pytest.raises(UsageError, match="answer window"):
        parse_window(text)


@pytest.mark.parametrize("text", ["busy:2", "busy:x", "lazy:0.1"])
def test_no_faults(text: str) -> None:
    with pytest.raises(UsageError):
        parse_call_faults([text])


def test_the_same_seed_gives_the_same_calls() -> None:
    async def main() -> list[str]:
        faults = CallFaults(busy=0.3, no_answer=0.2, drop=0.5)
        async with running_bank([site()], network=Network(faults, seed=7)) as bank:
            terminal = bank.terminal(0)
            said = []
            for _ in range(8):
                said.append(await dial(terminal))
                await hang_up(terminal)
            return said

    first = run(main)
    assert first == run(main)
    assert len(set(first)) > 1


def test_a_meter_calls_and_is_read() -> None:
    async def main() -> None:
        async with running_bank([site()]) as bank:
            terminal = bank.terminal(0)
            caller = Caller(bank.sites[NUMBER], CallPlan((str(FIRST_NUMBER),)))
            report = asyncio.create_task(caller.report())
            assert "RING" in await until(terminal, "RING")
            assert "OK" in await command(terminal, "AT\\N0S0=0")
            assert "CONNECT 2400" in await told(terminal, "ATA", "CONNECT 2400")
            await rest(SETTLES_S)
            assert await read_id(terminal) == "M-1"
            assert await report
            assert (caller.made, caller.through) == (1, 1)

    run(main)


def test_a_meter_that_nobody_answers_calls_again_and_gives_up() -> None:
    async def main() -> None:
        async with running_bank([site()]) as bank:
            terminal = bank.terminal(0)
            caller = Caller(bank.sites[NUMBER], CallPlan((str(FIRST_NUMBER), "1"), attempts=3))
            assert not await caller.report()
            assert caller.made == 3
            assert not bank.sites[NUMBER].engaged
            assert [call.number for call in bank.exchange.calls] == [str(FIRST_NUMBER), "1", str(FIRST_NUMBER)]
            assert "RING" in await until(terminal, "never", wait_s=1)
            assert "OK" in await command(terminal, "AT")

    run(main)


def test_dialling_while_it_rings_reaches_nobody() -> None:
    async def main() -> None:
        async with running_bank([site(), site("5550101")]) as bank:
            terminal = bank.terminal(0)
            caller = Caller(bank.sites[NUMBER], CallPlan((str(FIRST_NUMBER),), attempts=1))
            report = asyncio.create_task(caller.report())
            await until(terminal, "RING")
            assert "CONNECT" not in await dial(terminal, "5550101", wait_s=80)
            await report

    run(main)


def test_plans_of_calls() -> None:
    assert parse_call_plan([], ("1",)) is None
    plan = parse_call_plan(["15m"], ("1",))
    assert plan is not None
    assert plan.every == timedelta(minutes=15)
    plan = parse_call_plan(["2026-11-21T05:00:00Z", "2026-11-21T04:00:00Z"], ("1",))
    assert plan is not None
    assert [at.hour for at in plan.at] == [4, 5]
    for wrong in (["soon"], ["15m", "2026-11-21T05:00:00Z"], ["2026-11-21T05:00:00"]):
        with pytest.raises(UsageError, match="neither"):
            parse_call_plan(wrong, ("1",))
