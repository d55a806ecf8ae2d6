"""The meter's side: which service in which state, how it says no, when it drops a session (C12.18 §9, §11)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.psem.authentication import encipher
from drivers.psem.codes import ResponseCode
from drivers.psem.exchange import Exchange
from drivers.psem.meter import ALLOWED, Ended, MeterLimits, MeterSession, Served, SpeedChanged
from drivers.psem.options import PsemOptions
from drivers.psem.packet import Packet
from drivers.psem.replies import NegotiateReply, decode_table_data
from drivers.psem.services import (
    Authenticate,
    DefaultRead,
    Disconnect,
    FullRead,
    FullWrite,
    Identify,
    IndexRead,
    IndexWrite,
    Logoff,
    Logon,
    Negotiate,
    OffsetRead,
    OffsetWrite,
    Request,
    Security,
    Terminate,
    TimingSetup,
    Wait,
)
from drivers.psem.states import State
from drivers.secret import Secret
from tests.psem.lines import Line, Tables, clock, run
from tests.soak.virtual_loop import rest

OK, ERR, SNS, ISC, ONP, IAR, ISSS = (ResponseCode[name] for name in ("OK", "ERR", "SNS", "ISC", "ONP", "IAR", "ISSS"))
LOGON = Logon(2, b"READER    ")
SECURITY = Security(Secret(b"PASSWORD01".ljust(20, b"\0")))
ONE_OF_EACH: list[Request] = [
    Identify(),
    Negotiate(512, 8),
    Wait(5),
    LOGON,
    SECURITY,
    DefaultRead(),
    FullRead(1),
    IndexRead(1, (2,), 1),
    OffsetRead(1, 0, 2),
    FullWrite(7, b"x"),
    IndexWrite(7, (1,), b"x"),
    OffsetWrite(7, 0, b"x"),
    Logoff(),
    Terminate(),
    Disconnect(),
    TimingSetup(30, 1, 4, 3),
    Authenticate(Secret(b"\1" + encipher(Secret(b"00000000"), bytes.fromhex("3B1F0A7C55D2E490")))),
]
C12_21 = MeterLimits(c1221=True)
WAY: dict[State, list[Request]] = {
    State.BASE: [],
    State.ID: [Identify()],
    State.SESSION: [Identify(), LOGON],
}


class Talk:
    """Requests to a meter, answers from it, nothing clever in between."""

    def __init__(self, line: Line, options: PsemOptions | None = None) -> None:
        self.line = line
        self.exchange = Exchange(line, options or PsemOptions(), clock)

    async def __call__(self, *requests: Request) -> bytes:
        answer = b""
        for request in requests:
            answer = await self.raw(request.encode())
        return answer

    async def raw(self, message: bytes) -> bytes:
        return await self.exchange.request(message, "a request")

    async def negotiate(self, request: Negotiate) -> NegotiateReply:
        answer = await self(request)
        assert answer[0] == OK
        reply = NegotiateReply.decode(answer[1:])
        self.exchange.link.configure(packet_size=reply.packet_size, packets=reply.packets)
        return reply


def with_meter(
    story: Callable[[Talk, Tables], Awaitable[None]],
    *,
    limits: MeterLimits | None = None,
    handler: Tables | None = None,
    baud: int = 9600,
) -> Line:
    async def main() -> Line:
        tables = handler or Tables({1: b"0123456789"})
        line = Line(tables, limits=limits, baud=baud)
        await story(Talk(line), tables)
        return line

    line = run(main())
    assert line.collisions == 0
    return line


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("request_", ONE_OF_EACH, ids=lambda request: type(request).__name__)
def test_each_service_in_each_state(state: State, request_: Request) -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(*WAY[state])
        assert talk.line.meter.state is state
        answer = await talk(request_)
        if type(request_) in ALLOWED[state]:
            assert answer[0] == OK
        else:
            assert answer == bytes((ISSS,))
            assert talk.line.meter.state is state

    with_meter(story, limits=C12_21, handler=Tables({1: b"0123456789"}, keys={1: b"00000000"}))


def test_the_states_that_services_lead_to() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        steps: list[tuple[Request, State]] = [
            (Identify(), State.ID),
            (LOGON, State.SESSION),
            (Logoff(), State.ID),
            (LOGON, State.SESSION),
            (Terminate(), State.BASE),
            (Identify(), State.ID),
            (Disconnect(), State.BASE),
        ]
        for request, state in steps:
            assert (await talk(request))[0] == OK
            await talk.line.delivered()  # our ACK
            assert talk.line.meter.state is state
            if state is State.BASE:
                talk.exchange.link.new_session()
        assert tables.logoffs == 3

    line = with_meter(story, limits=C12_21)
    ends = [event for _, event in line.happened if isinstance(event, Ended)]
    assert ends == [Ended("Terminate"), Ended("Disconnect", hang_up=True)]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("request_", [Authenticate(Secret(b"x")), TimingSetup(1, 1, 1, 1), Disconnect()])
def test_services_of_c12_21_are_refused(state: State, request_: Request) -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(*WAY[state])
        assert (await talk(request_)) == bytes((SNS,))

    with_meter(story)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"\x23", SNS),
        (b"\x30\0", ERR),
        (b"\x3f\0\1\0\0\0\0", ERR),
        (b"\x40\0\7\0\1x\0", ERR),  # wrong checksum
        (b"\x50\0\2", ERR),
        (b"\x6c\0\0\0", SNS),
        (b"\0", SNS),
    ],
)
def test_requests_that_are_none(message: bytes, code: ResponseCode) -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(*WAY[State.SESSION])
        assert await talk.raw(message) == bytes((code,))
        assert talk.line.meter.state is State.SESSION

    line = with_meter(story)
    assert Served(None, code, 1) in [event for _, event in line.happened]


def test_services_can_be_switched_off() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(Identify())
        for request in (Negotiate(256, 4), Negotiate(256, 4, (6,)), Wait(3)):
            assert await talk(request) == bytes((SNS,))
        await talk(LOGON)
        assert await talk(OffsetRead(1, 0, 2)) == bytes((SNS,))
        assert (await talk(FullRead(1)))[0] == OK

    with_meter(story, limits=MeterLimits(refused=frozenset({0x60, 0x70, 0x3F})))


def test_identify_again_can_be_refused() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(Identify())
        assert await talk(Identify()) == bytes((ISSS,))

    with_meter(story, limits=MeterLimits(identify_again=False))


def test_a_client_that_starts_afresh_repeats_its_first_octets() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        for _ in range(3):
            assert (await Talk(talk.line)(Identify()))[0] == OK

    with_meter(story)


def test_reads_reach_the_handler_and_come_back_with_count_and_checksum() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(Identify(), LOGON)
        reads: list[tuple[Request, bytes]] = [
            (FullRead(1), b"0123456789"),
            (OffsetRead(1, 3, 4), b"3456"),
            (IndexRead(1, (2, 3), 4), b"\1\2\3\4"),
            (DefaultRead(), b"default"),
        ]
        for request, data in reads:
            answer = await talk(request)
            assert answer[0] == OK
            assert decode_table_data(answer[1:], "read") == data
        for request in (FullRead(9), OffsetRead(1, 8, 3)):
            assert await talk(request) == bytes((IAR,))
        await talk(FullWrite(7, b"ab"), OffsetWrite(7, 5, b"c"), IndexWrite(7, (1,), b"d"))
        assert tables.written == [(7, None, b"ab"), (7, 5, b"c"), (7, 1, b"d")]

    with_meter(story)


def test_security() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(Identify(), LOGON)
        assert await talk(FullRead(1)) == bytes((ISC,))
        assert await talk(Security(Secret(b"wrong".ljust(20)))) == bytes((ERR,))
        assert await talk(SECURITY) == bytes((OK,))
        assert (await talk(FullRead(1)))[0] == OK
        await talk(Logoff(), LOGON)
        assert await talk(FullRead(1)) == bytes((ISC,))

    with_meter(story, handler=Tables({1: b"x"}, password=b"PASSWORD01"))


# -- negotiated values


@pytest.mark.parametrize(
    ("asked", "agreed"),
    [
        (Negotiate(64, 1), NegotiateReply(64, 1, 6)),
        (Negotiate(8192, 255), NegotiateReply(512, 8, 6)),
        (Negotiate(128, 4, (6,)), NegotiateReply(128, 4, 6)),
        (Negotiate(128, 4, (9,)), NegotiateReply(128, 4, 6)),  # 28800: not served
    ],
)
def test_negotiate(asked: Negotiate, agreed: NegotiateReply) -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(Identify())
        assert await talk.negotiate(asked) == agreed
        most = agreed.packets * (agreed.packet_size - 8) - 4
        tables.tables[2] = bytes(most)
        tables.tables[3] = bytes(most + 1)
        await talk(LOGON)
        assert len(await talk(FullRead(2))) == most + 4
        assert await talk(FullRead(3)) == bytes((ONP,))

    with_meter(story, limits=MeterLimits(packet_size=512, packets=8))


@pytest.mark.parametrize("asked", [Negotiate(63, 1), Negotiate(64, 0)])
def test_values_that_cannot_be_negotiated(asked: Negotiate) -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(Identify())
        assert await talk(asked) == bytes((ERR,))

    with_meter(story)


def test_wait_for_no_time_is_refused_and_keeps_the_session() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(Identify())
        assert await talk(Wait(0)) == bytes((ERR,))
        assert await talk(Wait(1)) == bytes((OK,))

    with_meter(story)


def test_negotiated_values_survive_logoff_and_not_terminate() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        tables.tables[2] = bytes(200)
        await talk(Identify())
        await talk.negotiate(Negotiate(256, 1))
        await talk(LOGON, Logoff(), LOGON)
        assert len(await talk(FullRead(2))) == 204
        await talk(Terminate())
        talk.exchange.link.new_session()
        await talk(Identify(), LOGON)
        assert await talk(FullRead(2)) == bytes((ONP,))

    with_meter(story)


def test_a_request_of_more_packets_than_negotiated() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(Identify(), LOGON)
        talk.exchange.link.configure(packet_size=64, packets=5)
        assert await talk(FullWrite(7, bytes(100))) == bytes((ERR,))
        assert tables.written == []

    with_meter(story)


def test_without_negotiate_fifty_two_octets_can_be_read() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        tables.tables = {1: bytes(52), 2: bytes(53)}
        await talk(Identify(), LOGON)
        assert len(await talk(FullRead(1))) == 56
        assert await talk(FullRead(2)) == bytes((ResponseCode.RNO,))

    with_meter(story, limits=MeterLimits(too_long=ResponseCode.RNO))


def test_the_speed_changes_after_the_acknowledgement() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(Identify())
        reply = await talk.negotiate(Negotiate(256, 4, (0x0A, 8, 6)))
        assert reply.baud_code == 8
        assert talk.line.meter.baud == 9600
        await talk.exchange.set_baud(19200)
        assert (await talk(LOGON)) == bytes((OK,))
        assert talk.line.meter.baud == 19200
        await talk(Terminate())
        await talk.line.delivered()
        assert talk.line.meter.baud == 9600

    line = with_meter(story, limits=MeterLimits(bauds=(9600, 19200)))
    assert [event.baud for _, event in line.happened if isinstance(event, SpeedChanged)] == [19200, 9600]


def test_a_line_without_a_speed_answers_externally_defined() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(Identify())
        assert (await talk.negotiate(Negotiate(256, 4, (8,)))).baud_code == 0

    with_meter(story, baud=0)


# -- time


@pytest.mark.parametrize("state", [State.ID, State.SESSION])
def test_the_channel_traffic_time_out_leads_to_base(state: State) -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(*WAY[state])
        await rest(5.9)
        assert talk.line.meter.state is state
        await rest(0.2)
        assert talk.line.meter.state is State.BASE

    line = with_meter(story)
    assert [event for _, event in line.happened if isinstance(event, Ended)] == [Ended("channel traffic time-out")]


def test_wait_keeps_the_session_once() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(Identify(), Wait(60))
        await rest(55)
        await talk(LOGON)
        await rest(7)
        assert talk.line.meter.state is State.BASE

    line = with_meter(story)
    assert [(request, code) for request, code in line.served()][-1] == (LOGON, OK)


def test_what_follows_a_wait_is_a_session_as_before() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(Identify(), Wait(60))
        await rest(55)
        assert await talk(LOGON) == bytes((OK,))

    with_meter(story)


def test_a_client_that_never_acknowledges_loses_its_session() -> None:
    now = 0.0
    meter = MeterSession(Tables(), now)
    meter.feed(Packet(b"\x20").to_bytes(), now)
    events = []
    sent = []
    while (deadline := meter.deadline()) is not None:
        now = max(now, deadline)
        sent.append(meter.take_output(now))
        events += meter.tick(now)
    assert [output for output in sent if output] == [b"\x06" + Packet(b"\0\0\1\0\0").to_bytes()] + [
        Packet(b"\0\0\1\0\0").to_bytes()
    ] * 3
    assert events == [Ended("the client does not acknowledge")]
    assert meter.state is State.BASE


def test_power_failure() -> None:
    async def story(talk: Talk, tables: Tables) -> None:
        await talk(*WAY[State.SESSION])
        assert talk.line.meter.power_fail() == [Ended("power failed")]
        assert talk.line.meter.power_fail() == []
        assert tables.logoffs == 1

    with_meter(story)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(min_size=1, max_size=30),
            st.builds(Packet, st.binary(min_size=1, max_size=30), toggle=st.booleans()).map(Packet.to_bytes),
            st.sampled_from(ONE_OF_EACH).map(lambda request: Packet(request.encode()).to_bytes()),
        ),
        max_size=30,
    ),
    st.lists(st.floats(0, 3), max_size=30),
)
def test_nothing_that_comes_in_breaks_the_meter(chunks: list[bytes], pauses: list[float]) -> None:
    now = 0.0
    meter = MeterSession(Tables({1: bytes(3000)}), now)
    for chunk, pause in zip(chunks, pauses, strict=False):
        meter.feed(chunk, now)
        now += pause
        meter.take_output(now)
        meter.tick(now)
    while (deadline := meter.deadline()) is not None:
        now = max(now, deadline)
        meter.take_output(now)
        meter.tick(now)
    assert meter.state is State.BASE
    assert meter.feed(Packet(b"\x20").to_bytes(), now + 1) == [Served(Identify(), OK, 5)]


def test_a_meter_that_shares_its_line_asks_only_in_its_own_session_for_what_came_damaged() -> None:
    meter = MeterSession(Tables({1: b"x"}), 0.0, options=PsemOptions(identity=2), hears=frozenset((2,)))

    def said(octets: bytes, at: float) -> bytes:
        meter.feed(octets, at)
        meter.tick(at + 5)
        return meter.take_output(at + 5.1)

    damaged = Packet(LOGON.encode(), identity=2).to_bytes()[:-1] + b"\0"
    assert said(damaged, 0) == b""
    assert said(Packet(Identify().encode(), identity=1).to_bytes(), 10) == b""
    assert said(Packet(Identify().encode(), identity=2).to_bytes(), 20)[:3] == bytes((6, 0xEE, 2))
    assert said(b"\6" + damaged, 21) == b"\x15"
