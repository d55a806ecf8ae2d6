"""Timing setup: when other timers are asked for, what becomes of the answer, and what C12.21's own timers change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.psem import IdentifyReply, PsemClient, PsemOptions, ResponseCode, Timing
from drivers.psem.meter import MeterLimits
from drivers.psem.options import C12_21_TIMING
from drivers.psem.replies import Authentication, TimingReply
from drivers.psem.services import Negotiate, TimingSetup, Wait
from drivers.psem.timers import agreed_timing, counts_tries, keep_alive_s, proposal, usual_timing
from drivers.psem.wiring import LineKind, Wiring
from tests.psem.lines import Line, Tables, flipping, nothing, visit

C12_21 = IdentifyReply(2, 1, 0)
C12_18 = IdentifyReply(0, 1, 0)
MODEM = Wiring(LineKind.MODEM)
NETWORK = Wiring(LineKind.NETWORK)
CALL = PsemOptions(timing=C12_21_TIMING)


def asked(line: Line) -> list[TimingSetup]:
    return [request for request, _ in line.served() if isinstance(request, TimingSetup)]


# -- what is asked for


def test_a_call_to_a_meter_of_c12_21_needs_no_other_timers() -> None:
    assert proposal(CALL, LineKind.MODEM, C12_21, trouble=False) is None


def test_a_network_does() -> None:
    network = PsemOptions(timing=Timing(inter_character_s=2.0))
    assert proposal(network, LineKind.NETWORK, C12_21, trouble=False) == TimingSetup(60, 2, 8, 3)


def test_a_line_that_lost_a_session_does() -> None:
    assert proposal(CALL, LineKind.MODEM, C12_21, trouble=True) == TimingSetup(60, 2, 8, 5)


def test_what_the_profile_says_is_asked_for_in_whole_seconds() -> None:
    options = replace(CALL, timing=Timing(1.2, 4.0, 45.0, retries=4))
    assert proposal(options, LineKind.MODEM, C12_21, trouble=False) == TimingSetup(45, 2, 4, 4)


@pytest.mark.parametrize("kind", LineKind)
def test_a_probe_is_left_alone_and_so_is_a_meter_that_cannot_know(kind: LineKind) -> None:
    known = kind is not LineKind.PROBE
    assert (proposal(CALL, kind, C12_21, trouble=True) is not None) is known
    assert proposal(CALL, kind, C12_18, trouble=True) is None
    with_feature = IdentifyReply(0, 1, 0, (Authentication(1, 0),))  # speaks C12.21, and names C12.18
    assert (proposal(CALL, kind, with_feature, trouble=True) is not None) is known
    assert proposal(replace(CALL, timing_setup=False), kind, C12_21, trouble=True) is None


# -- what is answered


@given(*[st.integers(0, 255)] * 4)
def test_whatever_is_answered_nobody_waits_for_ever(traffic: int, inter: int, response: int, retries: int) -> None:
    timing = agreed_timing(C12_21_TIMING, TimingReply(traffic, inter, response, retries), tries=False)
    assert 1 <= timing.channel_traffic_s <= 120
    assert 1 <= timing.inter_character_s <= 10
    assert 1 <= timing.response_s <= 20
    assert 1 <= timing.retries <= 10


def test_the_answer_is_gone_by() -> None:
    timing = agreed_timing(C12_21_TIMING, TimingReply(60, 2, 8, 5), tries=False)
    assert timing == replace(C12_21_TIMING, channel_traffic_s=60, inter_character_s=2, response_s=8, retries=5)


def test_tries_are_one_more_than_retries() -> None:
    assert counts_tries(TimingSetup(30, 1, 4, 0), TimingReply(30, 1, 4, 4))
    assert not counts_tries(TimingSetup(30, 1, 4, 0), TimingReply(30, 1, 4, 0))
    assert not counts_tries(TimingSetup(30, 1, 4, 3), TimingReply(30, 1, 4, 4))
    assert agreed_timing(C12_21_TIMING, TimingReply(30, 1, 4, 1), tries=True).retries == 0


# -- on a line


def test_both_sides_use_what_was_agreed_on() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        link = client._session.exchange.link
        assert link._timing.response_s == line.meter._link._timing.response_s == 6
        assert client._session.timing.channel_traffic_s == 40

    limits = MeterLimits(c1221=True, longest=TimingReply(40, 10, 6, 10))
    line = visit(story, Tables({1: b"x"}, reply=C12_21), limits=limits, wiring=NETWORK)
    assert asked(line) == [TimingSetup(60, 2, 8, 3)]
    assert line.requests()[:3] == ["Identify", "TimingSetup", "Negotiate"]
    assert line.meter._link._timing == Timing()  # as before, once the session is over


def test_a_meter_that_refuses_keeps_its_timers_and_is_not_asked_again() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        line.meter.power_fail()
        assert await client.read_table(1) == b"x"
        assert client._session.timing.channel_traffic_s == 30

    limits = MeterLimits(c1221=True, refused=frozenset({0x71}))
    line = visit(story, Tables({1: b"x"}, reply=C12_21), limits=limits, wiring=NETWORK)
    assert line.requests().count("Identify") == 2
    assert [code for _, code in line.served()].count(ResponseCode.SNS) == 1


def test_a_meter_that_counts_tries_is_asked_again_for_one() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert client._session.timing.retries == 0

    options = PsemOptions(timing=Timing(retries=0))
    limits = MeterLimits(c1221=True, counts_tries=True)
    line = visit(story, Tables({1: b"x"}, reply=C12_21), limits=limits, options=options, wiring=NETWORK)
    assert [request.retries for request in asked(line)] == [0, 1]


def test_timing_setup_is_known_in_the_id_state_of_a_c12_21_meter_only() -> None:
    line = visit(nothing, Tables({1: b"x"}), wiring=NETWORK)
    assert asked(line) == []


def test_each_session_agrees_anew() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        line.meter.power_fail()
        await client.read_table(1)

    line = visit(story, Tables({1: b"x"}, reply=C12_21), wiring=NETWORK)
    assert len(asked(line)) == 2


# -- C12.21's own


def test_a_c12_21_meter_keeps_its_session_for_half_a_minute() -> None:
    assert usual_timing(PsemOptions(), C12_21).channel_traffic_s == 30
    assert usual_timing(PsemOptions(), C12_18).channel_traffic_s == 6


def test_keep_alives_come_in_time_for_whatever_the_meter_goes_by() -> None:
    assert keep_alive_s(C12_21_TIMING, LineKind.MODEM, C12_21) == 8
    assert keep_alive_s(C12_21_TIMING, LineKind.MODEM, C12_18) == 4  # an optical meter behind a modem of its own
    assert keep_alive_s(Timing(), LineKind.PROBE, C12_18) == 4
    assert keep_alive_s(Timing(channel_traffic_s=0.5), LineKind.PROBE, C12_18) == 0.5


def test_a_pause_on_a_call_keeps_the_session() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        await client.pause(100)
        await client.read_table(1)

    line = visit(story, Tables({1: b"x"}, reply=C12_21), options=CALL, wiring=MODEM)
    assert line.requests().count("Identify") == 1
    assert line.requests().count("Wait") == 12


def test_a_caller_who_thinks_holds_the_session() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        await client.hold()

    for reply, wiring, held in ((C12_21, MODEM, 1), (C12_18, MODEM, 0), (C12_21, Wiring(), 0)):
        line = visit(story, Tables({1: b"x"}, reply=reply), wiring=wiring)
        waits = [request for request, _ in line.served() if isinstance(request, Wait)]
        assert waits == [Wait(60)] * held


def test_a_call_uses_smaller_packets_once_it_damages_them_and_never_names_a_speed() -> None:
    octets = bytes(range(256)) * 20

    async def story(client: PsemClient, line: Line) -> None:
        line.there.damage, line.back.damage = flipping(0.004, 1), flipping(0.004, 2)
        assert await client.read_table(64, size=len(octets)) == octets
        line.there.damage = line.back.damage = lambda chunk: chunk

    options = replace(CALL, packet_size=512, recoveries=30)
    tables = Tables({64: octets}, reply=C12_21)
    line = visit(
        story, tables, options=options, wiring=MODEM, baud=2400, limits=MeterLimits(c1221=True, bauds=(9600, 2400))
    )
    offers = [request for request, _ in line.served() if isinstance(request, Negotiate)]
    assert offers[0].packet_size == 512
    assert min(offer.packet_size for offer in offers) <= 128
    assert not any(offer.baud_codes for offer in offers)
