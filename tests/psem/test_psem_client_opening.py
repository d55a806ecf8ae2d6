"""The client opens a session: services in order, identify, what is negotiated, the password."""

from __future__ import annotations

import asyncio

import pytest

from drivers.errors import LineTooBad, MeterProtocolError, MeterRefused, MeterSilent, UsageError
from drivers.psem import PsemClient, PsemOptions, ResponseCode, State
from drivers.psem.meter import MeterEvent, MeterLimits
from drivers.psem.packet import Packet
from drivers.psem.replies import IdentifyReply
from drivers.psem.services import Negotiate, Security
from drivers.secret import Secret
from tests.psem.lines import LEFT, LONG, PASSWORD, Line, Tables, clock, nothing, run, visit
from tests.soak.virtual_loop import rest

ISC, ISSS, ERR = (ResponseCode[name] for name in ("ISC", "ISSS", "ERR"))


# -- a session


def test_a_session_from_identify_to_terminate() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert client.identity == IdentifyReply(0, 1, 0)
        assert client.state is State.SESSION
        assert await client.read_table(1) == b"first"
        assert client.statistics.packet_size == 1024

    handler = Tables({1: b"first"}, password=b"PASSWORD01")
    options = PsemOptions(user="READER", user_id=2)
    line = visit(story, handler, options=options, password=PASSWORD)
    assert line.requests() == ["Identify", "Negotiate", "Logon", "Security", "FullRead", *LEFT]
    assert handler.users == [(2, b"READER    ")]
    assert handler.passwords == [b"PASSWORD01".ljust(20, b"\0")]


def test_only_the_packets_with_the_password_are_secret() -> None:
    line = visit(nothing, Tables({}, password=b"PASSWORD01"), password=PASSWORD)
    assert len(line.secrets) == 1
    assert b"PASSWORD01" in line.secrets[0]
    assert not any(b"PASSWORD01" in chunk for chunk in line.sent if chunk not in line.secrets)


def test_the_services_one_by_one() -> None:
    async def main() -> Line:
        line = Line(Tables({1: b"first"}))
        async with PsemClient(line, clock=clock) as client:
            assert (await client.identify()).version == 1
            reply = await client.negotiate()
            assert reply is not None
            assert reply.packet_size == 1024
            await client.logon()
            assert await client.read_table(1) == b"first"
            await client.logoff()
            await client.terminate()
        return line

    line = run(main())
    assert line.requests() == ["Identify", "Negotiate", "Logon", "FullRead", *LEFT]


def test_leaving_without_a_session_sends_nothing() -> None:
    async def main() -> list[bytes]:
        line = Line(Tables())
        async with PsemClient(line, clock=clock):
            pass
        return line.sent

    assert run(main()) == []


def test_two_sessions_in_a_row() -> None:
    async def main() -> Line:
        line = Line(Tables({1: b"first"}))
        client = PsemClient(line, clock=clock)
        for _ in range(2):
            async with client.session():
                assert await client.read_table(1) == b"first"
        return line

    assert run(main()).requests() == ["Identify", "Negotiate", "Logon", "FullRead", *LEFT] * 2


def test_options_of_the_opening() -> None:
    handler = Tables()
    options = PsemOptions(
        negotiate=False,
        wake_up=True,
        logoff=False,
        user_padding="nul",
        password_padding="space",  # noqa: S106 - not a password
    )
    line = visit(nothing, handler, options=options, password=Secret(b"x"))
    assert line.requests() == ["Identify", "Logon", "Security", "Terminate"]
    assert line.sent[0] == b"\x55"
    assert handler.users == [(0, bytes(10))]
    assert handler.passwords == [b"x" + b" " * 19]


def test_the_identity_octet_is_an_option() -> None:
    line = visit(nothing, options=PsemOptions(identity=5))
    assert line.sent[0] == bytes.fromhex("EE 05 00 00 00 01 20 94 04")


@pytest.mark.parametrize("password", [Secret(b"x" * 21)])
def test_credentials_that_do_not_fit_are_refused_before_anything_is_sent(password: Secret) -> None:
    async def main() -> list[bytes]:
        line = Line(Tables())
        with pytest.raises(UsageError):
            async with PsemClient(line, clock=clock).session(password):
                pass
        return line.sent

    assert run(main()) == []


# -- identify


def test_a_silent_line() -> None:
    async def main() -> tuple[float, list[bytes]]:
        line = Line(Tables())
        line.mute = True
        began = clock()
        with pytest.raises(MeterSilent) as caught:
            async with PsemClient(line, clock=clock).session():
                pass
        assert "180°" in caught.value.advice
        assert "IEC" in caught.value.advice
        return clock() - began, line.sent

    seconds, sent = run(main())
    assert sent == [bytes.fromhex("EE 00 00 00 00 01 20 13 10")] * 4
    assert seconds < 10


def test_a_wrong_baud_rate() -> None:
    async def main() -> None:
        line = Line(Tables())
        client = PsemClient(line, clock=clock)

        async def babble() -> None:
            while True:
                line.say(b"\xa5\x5a\xff" * 5)
                await rest(0.7)

        line.deaf = True
        task = asyncio.create_task(babble())
        with pytest.raises(LineTooBad) as caught:
            async with client.session():
                pass
        task.cancel()
        assert "baud" in caught.value.advice
        assert len([chunk for chunk in line.sent if len(chunk) > 1]) < 20

    run(main())


def test_a_leftover_of_a_former_session_is_no_identity() -> None:
    async def main() -> IdentifyReply | None:
        line = Line(Tables())
        client = PsemClient(line, clock=clock)
        line.say(Packet(b"\0", toggle=True).to_bytes(), after=0.005)
        async with client.session():
            return client.identity

    assert run(main()) == IdentifyReply(0, 1, 0)


def test_somebody_elses_session_is_terminated_first() -> None:
    line = visit(nothing, Tables(says={0x20: [ISSS]}))
    assert line.requests()[:3] == ["Identify", "NoneType", "Identify"]  # in Base, Terminate is no service


def test_a_meter_that_keeps_refusing_identify() -> None:
    with pytest.raises(MeterRefused) as caught:
        visit(nothing, Tables(says={0x20: [ERR]}))
    assert caught.value.code == ERR


@pytest.mark.parametrize("reply", [b"\0\0\1", b"\x51\0\0\0\0"])
def test_nonsense_instead_of_an_identity(reply: bytes) -> None:
    async def main() -> int:
        line = Line(Tables())

        def answer(data: bytes, packets: int, now: float) -> list[MeterEvent]:
            line.meter._link.send_message(reply, now, wants_reply=False)
            return []

        line.meter._answer = answer  # type: ignore[method-assign]
        with pytest.raises(MeterProtocolError):
            async with PsemClient(line, clock=clock).session():
                pass
        return len(line.sent)

    assert run(main()) < 40


# -- negotiate


def test_a_meter_that_does_not_negotiate() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert await client.read_table(64, size=200) == LONG[:200]
        assert client.statistics.packet_size == 64

    line = visit(story, Tables({64: LONG[:200]}), limits=MeterLimits(refused=frozenset({0x60})))
    assert line.requests() == ["Identify", "NoneType", "Logon", *["OffsetRead"] * 4, *LEFT]


def test_a_meter_that_wants_to_hear_a_speed() -> None:
    async def main() -> Line:
        line = Line(Tables())
        honest = line.meter._negotiate
        line.meter._negotiate = lambda request: honest(request) if request.baud_codes else ERR  # type: ignore[method-assign]
        async with PsemClient(line, clock=clock).session():
            pass
        return line

    negotiated = [request for request, _ in run(main()).served() if isinstance(request, Negotiate)]
    assert negotiated == [Negotiate(1024, 255), Negotiate(1024, 255, (6,))]


def test_speeds_are_offered_preferred_first_and_left_at_the_end() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert line.baud == 19200
        assert await client.read_table(64) == LONG

    line = visit(story, options=PsemOptions(bauds=(57600, 19200)), limits=MeterLimits(bauds=(9600, 19200)))
    assert line.served()[1][0] == Negotiate(1024, 255, (0x0A, 8, 6))
    assert line.bauds == [19200, 9600]


def test_a_meter_that_is_lost_at_the_new_speed() -> None:
    async def main() -> Line:
        line = Line(Tables({1: b"first"}), limits=MeterLimits(bauds=(9600, 19200)))

        def stay(baud: int) -> list[MeterEvent]:
            return []

        line.meter._change_speed = stay  # type: ignore[method-assign]
        client = PsemClient(line, PsemOptions(bauds=(19200,)), clock=clock)
        async with client.session():
            assert await client.read_table(1) == b"first"
        return line

    line = run(main())
    assert line.bauds == [19200, 9600]
    assert line.requests()[-3:] == ["FullRead", *LEFT]
    first, second = line.identified_at()
    assert second - first > 6


@pytest.mark.parametrize("excluded", [False, True])
def test_packet_sizes_with_and_without_overhead(excluded: bool) -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert await client.read_table(64) == LONG
        assert await client.read_offset(64, 10, 4000) == LONG[10:4010]

    line = visit(story, options=PsemOptions(size_excludes_overhead=excluded, packet_size=256))
    request = line.served()[1][0]
    assert isinstance(request, Negotiate)
    assert request.packet_size == (248 if excluded else 256)


# -- the password


def test_a_wrong_password_is_shown_once() -> None:
    handler = Tables({1: b"first"}, password=b"PASSWORD01")

    async def main() -> Line:
        line = Line(handler)
        client = PsemClient(line, clock=clock)
        for _ in range(2):
            with pytest.raises(MeterRefused) as caught:
                async with client.session(Secret(b"wrong")):
                    pass
            assert caught.value.code == ERR
            assert "not tried again" in caught.value.advice
            assert "wrong" not in caught.value.message.replace("the password is wrong", "")
        return line

    line = run(main())
    assert handler.passwords == [b"wrong".ljust(20, b"\0")]
    assert line.requests().count("Terminate") == 2


def test_another_password_may_be_tried() -> None:
    handler = Tables({1: b"first"}, password=b"PASSWORD01")

    async def main() -> bytes:
        client = PsemClient(Line(handler), clock=clock)
        with pytest.raises(MeterRefused):
            async with client.session(Secret(b"wrong")):
                pass
        async with client.session(PASSWORD):
            return await client.read_table(1)

    assert run(main()) == b"first"


def test_a_password_that_is_never_answered_is_shown_twice_at_most() -> None:
    async def main() -> int:
        handler = Tables(password=b"PASSWORD01")
        line = Line(handler)
        honest = line.meter._serve

        def sulk(request: object, now: float) -> bytes | ResponseCode:
            if isinstance(request, Security):
                line.mute = True
                line.loop.call_later(30, setattr, line, "mute", False)
            return honest(request, now)  # type: ignore[arg-type]

        line.meter._serve = sulk  # type: ignore[method-assign]
        with pytest.raises(MeterSilent):
            async with PsemClient(line, clock=clock).session(PASSWORD):
                pass
        return len(handler.passwords)

    assert run(main()) <= 2


def test_a_missing_password_is_reported_as_such() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        with pytest.raises(MeterRefused) as caught:
            await client.read_table(1)
        assert caught.value.code == ISC
        assert "password" in caught.value.advice

    line = visit(story, Tables({1: b"first"}, password=b"PASSWORD01"))
    assert line.requests().count("FullRead") == 1
