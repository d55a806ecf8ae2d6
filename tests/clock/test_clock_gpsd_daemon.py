"""A real gpsd, fed by a simulated receiver on a pty: what it makes of good and bad ones, and what we make of it."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest

from agent.clock import ClockProof, ClockSettings, NoTime, SystemClock, TimeSample, prove, read_instant
from agent.clock.explain import clock_text
from agent.clock.gnss import ask
from agent.clock.gpsd import WATCH
from metersim.gnss import GnssReceiver, Reception
from metersim.ntp import Behaviour, NtpServer
from tests.clock.gpsd_kit import GPSD, gpsd_with

CLOCK = SystemClock()
QUICK = 0.2  # seconds; a receiver of five fixes a second

pytestmark = [pytest.mark.system, pytest.mark.skipif(GPSD is None, reason="gpsd is not installed")]


async def heard_from(reception: Reception, timeout_s: float) -> tuple[Reception, GnssReceiver, TimeSample | NoTime]:
    """Ask a gpsd with such a receiver for the time."""
    async with gpsd_with(reception) as (server, receiver):
        return reception, receiver, await ask(server, CLOCK, timeout_s)


async def test_receivers_with_a_fix() -> None:
    """All at once, each with a gpsd of its own: a receiver takes its time."""
    receptions = [
        Reception(period_s=QUICK),
        Reception(period_s=QUICK, fix=2),
        Reception(period_s=QUICK, year_in_full=False),
        Reception(period_s=QUICK, delay_s=0.19),
        Reception(period_s=QUICK, fix_after=4),
        Reception(),
    ]
    for reception, receiver, heard in await asyncio.gather(*(heard_from(one, 50) for one in receptions)):
        assert isinstance(heard, TimeSample), (reception, heard)
        assert heard.low_s <= 0 <= heard.high_s, f"it tells the time of this very box: {reception}"
        assert f"{receiver.path}, 3 fixes" in heard.detail


async def test_proves_the_clock_and_says_by_what() -> None:
    async with gpsd_with(Reception(period_s=QUICK)) as (server, _):
        proof = await prove(ClockSettings.asking(gpsd=str(server)), CLOCK)
    now = read_instant(CLOCK)
    assert (proof.synchronized, proof.source) == (True, "gnss")
    assert proof.permits("interval", now).allowed
    text = clock_text(proof, now)
    assert "by gnss (reference: GNSS)" in text
    assert f"gpsd {server} makes our clock" in text


async def test_no_fix() -> None:
    async with gpsd_with(Reception(period_s=QUICK, fix=1)) as (server, receiver):
        proof = await prove(ClockSettings(sources=("gnss",), gpsd=str(server), gnss_timeout_s=2), CLOCK)
    assert (proof.synchronized, proof.source) == (False, "none")
    assert proof.outcomes == (NoTime("gnss", f"gpsd {server}", f"{receiver.path} has no fix (within 2 s)"),)
    assert "antenna under open sky" in clock_text(proof, read_instant(CLOCK))


async def test_a_time_that_is_wrong_shows() -> None:
    async with gpsd_with(Reception(period_s=QUICK, offset_s=90)) as (server, _):
        proof = await prove(ClockSettings.asking(gpsd=str(server)), CLOCK)
    assert proof.offset_s is not None
    assert abs(proof.offset_s + 90) < 5
    assert not proof.permits("interval", read_instant(CLOCK)).allowed


async def test_a_week_counter_that_has_rolled_over_never_misleads() -> None:
    """gpsd itself corrects some of them, by what it knows of leap seconds; what it does not, is refused here."""

    async def proven(weeks: int, *, in_full: bool) -> tuple[int, ClockProof]:
        reception = Reception(period_s=QUICK, weeks=weeks, year_in_full=in_full)
        async with gpsd_with(reception) as (server, _):
            settings = ClockSettings(sources=("gnss",), gpsd=str(server), gnss_timeout_s=2)
            return weeks, await prove(settings, CLOCK)

    cases = product((1024, -1024, -2048), (True, False))
    for weeks, proof in await asyncio.gather(*(proven(weeks, in_full=in_full) for weeks, in_full in cases)):
        if proof.tells_time:
            assert proof.synchronized, "corrected"
        else:
            assert isinstance(proof.outcomes[0], NoTime)
            assert "rolled over" in proof.outcomes[0].reason
        assert weeks < 0 or not proof.tells_time


async def test_gpsd_itself_ends_midway() -> None:
    async with gpsd_with(Reception(period_s=QUICK, fix=1)) as (server, _):
        question = asyncio.create_task(ask(server, CLOCK, 50))
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(WATCH)
        while b'"TPV"' not in await reader.readline():
            pass
    heard = await question
    writer.close()
    assert isinstance(heard, NoTime)
    assert "ended the connection" in heard.reason or "the connection failed" in heard.reason


async def test_receivers_that_stop_telling_time() -> None:
    receptions = [
        Reception(period_s=QUICK, silent_after=1),
        Reception(period_s=QUICK, frozen_after=1),
        Reception(period_s=QUICK, damaged=True),
        Reception(period_s=QUICK, lost_after=1),
        Reception(period_s=QUICK, dies_after=2),  # too few to believe, and the question ends all the same
    ]
    for reception, _, heard in await asyncio.gather(*(heard_from(one, 2) for one in receptions)):
        assert isinstance(heard, NoTime), (reception, heard)


async def test_one_liar_among_receiver_and_two_servers() -> None:
    servers = [NtpServer(), NtpServer(Behaviour(offset_s=-90))]
    names = ["{}:{}".format(*(await server.start())) for server in servers]
    async with gpsd_with(Reception(period_s=QUICK)) as (gpsd, _):
        proof = await prove(ClockSettings.asking(names, str(gpsd)), CLOCK)
    for server in servers:
        server.close()
    assert proof.synchronized, proof.reasons
    assert proof.contradicted == (names[1],)
    assert proof.source == "ntp", "the surer of the two that agree"
