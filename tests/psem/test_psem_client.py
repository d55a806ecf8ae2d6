"""The client: its services, its manners with refusals, and how it leaves the meter."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from drivers.errors import (
    DataError,
    LineLost,
    LineTooBad,
    MeterProtocolError,
    MeterRefused,
    MeterSilent,
    UsageError,
)
from drivers.psem import PsemClient, PsemOptions, ResponseCode, State, Timing
from drivers.psem.meter import MeterEvent, MeterLimits
from drivers.psem.packet import Packet
from drivers.psem.replies import BadTableData, IdentifyReply
from drivers.psem.services import Identify, IndexRead, Logon, Negotiate, OffsetRead, Security, Wait
from drivers.secret import Secret
from tests.psem.lines import PASSWORD, Direction, Line, Tables, clock, losing, run, untouched

BSY, DNR, DLK, SNS, IAR, ISC, ISSS, ERR, RNO, ONP = (
    ResponseCode[name] for name in ("BSY", "DNR", "DLK", "SNS", "IAR", "ISC", "ISSS", "ERR", "RNO", "ONP")
)
LONG = bytes(n * 7 % 251 for n in range(5000))
LEFT = ["Logoff", "Terminate"]


def visit(
    story: Callable[[PsemClient, Line], Awaitable[None]],
    handler: Tables | None = None,
    *,
    options: PsemOptions | None = None,
    limits: MeterLimits | None = None,
    password: Secret | None = None,
    baud: int = 9600,
) -> Line:
    """A whole session with `story` inside; returns the line, to see what happened on it."""

    async def main() -> Line:
        line = Line(handler or Tables({1: b"first", 64: LONG}), options=options, limits=limits, baud=baud)
        client = PsemClient(line, options, clock=clock)
        try:
            async with client.session(password) as session:
                assert session is client
                await story(client, line)
        finally:
            await asyncio.sleep(1)  # the last ACK arrives
            assert client.state is State.BASE
            assert line.collisions == 0
        assert line.meter.state is State.BASE
        return line

    return run(main())


async def nothing(client: PsemClient, line: Line) -> None:
    """A session in which nothing is asked."""


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
                await asyncio.sleep(0.7)

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


# -- busy, locked, wrong state


def test_a_busy_meter_is_waited_for() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        began = clock()
        assert await client.read_table(1) == b"first"
        assert 6 < clock() - began < 7

    says = {0x20: [BSY], 0x50: [DNR], 0x30: [BSY, DNR, BSY, BSY, DNR, BSY]}
    line = visit(story, Tables({1: b"first"}, says=says))
    assert line.requests().count("Identify") == 2


def test_a_meter_that_stays_busy() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        with pytest.raises(MeterRefused) as caught:
            await client.read_table(1)
        assert caught.value.code == BSY

    line = visit(story, Tables({1: b"first"}, says={0x30: [BSY] * 99}), options=PsemOptions(busy_retries=4))
    assert line.requests().count("FullRead") == 5


def test_long_waits_for_a_busy_meter_keep_the_session() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert await client.read_table(1) == b"first"

    handler = Tables({1: b"first"}, says={0x30: [BSY]})
    line = visit(story, handler, options=PsemOptions(busy_wait_s=20.0))
    assert line.requests().count("Identify") == 1
    assert line.requests().count("Wait") == 4


def test_keeping_alive_a_meter_without_wait() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert not await client.wait(30)
        assert not await client.wait(30)
        await client.pause(20)
        assert await client.read_table(1) == b"first"

    line = visit(story, limits=MeterLimits(refused=frozenset({0x70})))
    assert line.requests().count("NoneType") == 1
    assert line.requests().count("OffsetRead") == 4
    assert line.requests().count("Identify") == 1


def test_wait() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert await client.wait(60)
        await asyncio.sleep(50)
        assert await client.read_table(1) == b"first"

    line = visit(story)
    assert (Wait(60), ResponseCode.OK) in line.served()
    assert line.requests().count("Identify") == 1


def test_locked_data_are_waited_for_shortly() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert await client.read_table(1) == b"first"
        handler.says[0x30] = [DLK] * 9
        with pytest.raises(MeterRefused) as caught:
            await client.read_table(1)
        assert caught.value.code == DLK

    handler = Tables({1: b"first"}, says={0x30: [DLK, DLK]})
    line = visit(story, handler)
    assert line.requests().count("FullRead") == 3 + 4


def test_a_meter_that_lost_the_session_is_logged_on_again() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        line.meter.power_fail()
        assert await client.read_table(1) == b"first"
        assert client.statistics.recoveries == 1

    handler = Tables({1: b"first"}, password=b"PASSWORD01")
    line = visit(story, handler, password=PASSWORD)
    assert line.requests().count("Logon") == 2
    assert len(handler.passwords) == 2


def test_a_meter_that_always_says_wrong_state() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        with pytest.raises(MeterRefused) as caught:
            await client.read_table(1)
        assert caught.value.code == ISSS

    line = visit(story, Tables({1: b"first"}, says={0x30: [ISSS] * 99}))
    assert line.requests().count("Logon") == 3


# -- reading


def test_reads_in_pieces_that_fit() -> None:
    told: list[int] = []

    async def story(client: PsemClient, line: Line) -> None:
        assert await client.read_offset(64, 100, 4500, granule=100, on_bytes=told.append) == LONG[100:4600]

    line = visit(story, limits=MeterLimits(packet_size=512, packets=3))
    reads = [request for request, _ in line.served() if isinstance(request, OffsetRead)]
    assert [read.count for read in reads] == [1500, 1500, 1500]
    assert told[-1] == 4500
    assert told == sorted(told)
    assert len(told) > 6  # also between pieces


@pytest.mark.parametrize("max_read", [1, 7, 100, 5000])
@pytest.mark.parametrize("granule", [1, 46, 6000])
def test_any_piece_size_gives_the_same_octets(max_read: int, granule: int) -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert await client.read_offset(64, 0, 300, granule=granule, max_read=max_read) == LONG[:300]

    line = visit(story)
    assert all(read.count <= max_read for read, _ in line.served() if isinstance(read, OffsetRead))


def test_a_table_too_large_for_one_answer() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert await client.read_table(64, size=len(LONG)) == LONG

    line = visit(story, limits=MeterLimits(packet_size=128, packets=4))
    assert "FullRead" not in line.requests()
    ends = [read.offset + read.count for read, _ in line.served() if isinstance(read, OffsetRead)]
    assert max(ends) == len(LONG)


@pytest.mark.parametrize("code", [ONP, IAR, RNO, ResponseCode.RSTL])
def test_a_full_read_refused_is_done_in_pieces_if_the_size_is_known(code: ResponseCode) -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert await client.read_table(64, size=len(LONG)) == LONG

    line = visit(story, Tables({64: LONG}, says={0x30: [code]}))
    assert line.requests()[3:5] == ["FullRead", "OffsetRead"]


def test_a_table_of_unknown_size_that_does_not_exist() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        with pytest.raises(MeterRefused) as caught:
            await client.read_table(99)
        assert caught.value.code == IAR

    assert visit(story).requests().count("FullRead") == 1


def test_a_meter_that_serves_only_short_partial_reads() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert await client.read_offset(64, 0, 1000) == LONG[:1000]

    visit(story, Tables({64: LONG}, largest=120))


@pytest.mark.parametrize("short", [1, 10])
def test_short_answers_are_continued(short: int) -> None:
    def read(table: int, offset: int, count: int) -> bytes:
        return LONG[offset : offset + short]

    async def story(client: PsemClient, line: Line) -> None:
        assert await client.read_offset(64, 5, 30) == LONG[5:35]

    visit(story, Tables(reader=read))


def test_a_table_that_ends_before() -> None:
    def read(table: int, offset: int, count: int) -> bytes:
        return LONG[:20][offset : offset + count]

    async def story(client: PsemClient, line: Line) -> None:
        with pytest.raises(DataError, match="ends after octet 20"):
            await client.read_offset(64, 0, 30)

    visit(story, Tables(reader=read))


def test_more_than_was_asked_for_is_refused() -> None:
    def read(table: int, offset: int, count: int) -> bytes:
        return bytes(count + 1)

    async def story(client: PsemClient, line: Line) -> None:
        with pytest.raises(DataError, match="31 octets where 30"):
            await client.read_offset(64, 0, 30)

    visit(story, Tables(reader=read))


def test_a_meter_without_reads_by_offset() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        for _ in range(2):
            assert await client.read_offset(64, 7, 100) == LONG[7:107]

    line = visit(story, Tables({64: LONG}, offsets=False))
    assert line.requests().count("OffsetRead") == 1
    assert line.requests().count("FullRead") == 2


def test_a_span_past_the_end_of_a_table_read_whole() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        with pytest.raises(DataError, match="the table has 50 octets"):
            await client.read_offset(64, 7, 100)

    visit(story, Tables({64: LONG[:50]}, offsets=False))


def test_neither_offset_nor_whole() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        with pytest.raises(MeterRefused) as caught:
            await client.read_table(64, size=300)
        assert caught.value.code == SNS

    handler = Tables({64: LONG[:300]}, offsets=False, says={0x30: [ONP] * 9})
    line = visit(story, handler)
    assert len(line.requests()) < 12


def test_rno_without_a_known_size_negotiates_again() -> None:
    async def main() -> Line:
        handler = Tables({64: LONG}, says={0x30: [RNO]})
        line = Line(handler, limits=MeterLimits(packet_size=128, packets=2))
        client = PsemClient(line, clock=clock)
        async with client.session():
            line.meter.limits = MeterLimits()
            assert await client.read_table(64) == LONG
        return line

    middle = ["FullRead", "Logoff", "Negotiate", "Logon", "FullRead"]
    assert run(main()).requests() == ["Identify", "Negotiate", "Logon", *middle, *LEFT]


def test_rno_when_nothing_more_can_be_negotiated() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        with pytest.raises(MeterRefused) as caught:
            await client.read_table(64)
        assert caught.value.code == RNO

    visit(story, limits=MeterLimits(packets=2, too_long=RNO))


def test_reads_by_index_and_of_the_default_set() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert await client.read_index(23, [1, 3], 2) == b"\x17\1\3\2"
        assert await client.read_default_set() == b"default"

    assert (IndexRead(23, (1, 3), 2), ResponseCode.OK) in visit(story).served()


@pytest.mark.parametrize("wrong", [1, 2, 99])
def test_a_wrong_table_checksum_is_read_again(wrong: int) -> None:
    async def story(client: PsemClient, line: Line) -> None:
        left = wrong
        honest = line.meter._tables

        def spoil(request: object) -> bytes | ResponseCode:
            nonlocal left
            answer = honest(request)  # type: ignore[arg-type]
            if isinstance(answer, bytes) and left:
                left -= 1
                return answer[:-1] + bytes((answer[-1] ^ 0xFF,))
            return answer

        line.meter._tables = spoil  # type: ignore[method-assign]
        if wrong < 3:
            assert await client.read_table(1) == b"first"
        else:
            with pytest.raises(BadTableData):
                await client.read_table(1)

    line = visit(story)
    assert line.requests().count("FullRead") == min(wrong + 1, 3)


# -- writing


def test_writes() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        await client.write_table(7, b"\x09\0\x5a\1")
        await client.write_offset(13, 5, b"abc")
        await client.write_index(13, [2], b"d")

    handler = Tables(says={0x40: [BSY]})
    visit(story, handler)
    assert handler.written == [(7, None, b"\x09\0\x5a\1"), (13, 5, b"abc"), (13, 2, b"d")]


def test_a_long_write_goes_out_in_several_packets() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        await client.write_table(2098, LONG[:900])

    handler = Tables()
    visit(story, handler, limits=MeterLimits(packet_size=64))
    assert handler.written == [(2098, None, LONG[:900])]


def test_a_write_that_does_not_fit() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        with pytest.raises(UsageError, match="do not fit"):
            await client.write_table(7, bytes(500))

    assert len(visit(story, limits=MeterLimits(packet_size=64, packets=4)).requests()) == 5


def test_a_write_refused_for_a_lost_session_is_done_again() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        line.meter.power_fail()
        await client.write_table(7, b"x")

    handler = Tables()
    visit(story, handler)
    assert handler.written == [(7, None, b"x")]


def test_a_write_without_an_answer_is_not_repeated() -> None:
    handler = Tables()

    async def main() -> None:
        line = Line(handler)
        async with PsemClient(line, clock=clock).session() as client:
            line.back.damage = losing(1.0, 0)
            with pytest.raises(MeterSilent):
                await client.write_table(7, b"x")
            line.back.damage = untouched

    run(main())
    assert handler.written == [(7, None, b"x")]


def test_the_late_answer_to_a_write_is_not_taken_for_the_next_one() -> None:
    handler = Tables()

    async def main() -> Line:
        line = Line(handler)
        async with PsemClient(line, clock=clock).session() as client:
            line.back.late = lambda: 9.0
            with pytest.raises((MeterSilent, LineTooBad)):
                await client.write_table(7, b"first")
            line.back.late = lambda: 0.0
            handler.says[0x40] = [ERR]
            with pytest.raises(MeterRefused):
                await client.write_table(7, b"second")
        return line

    assert run(main()).requests().count("Logon") == 2
    assert handler.written == [(7, None, b"first")]


def test_a_slow_write_gets_the_time_it_needs() -> None:
    async def main() -> list[float]:
        line = Line(Tables())
        async with PsemClient(line, clock=clock).session() as client:
            line.mute = True
            began = clock()
            with pytest.raises(MeterSilent):
                await client.write_table(7, b"x", response_s=10.0)
            line.mute = False
            return [began, clock()]

    began, ended = run(main())
    assert 40 < ended - began < 41


# -- leaving


class Stop(Exception):
    pass


def test_an_error_inside_leaves_the_meter_logged_off_and_is_not_masked() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        await client.read_table(1)
        raise Stop

    with pytest.raises(Stop):
        visit(story)


async def cancelled_at(line: Line, client: PsemClient, seconds: float, times: int = 1) -> None:
    async def work() -> None:
        async with client.session():
            while True:
                await client.read_table(64)

    task = asyncio.create_task(work())
    await asyncio.sleep(seconds)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0.2)
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("seconds", [0.005, 0.011, 0.02, 0.03, 0.05, 0.1, 0.2, 0.9, 1.3, 2.17, 3.0, 9.9])
@pytest.mark.parametrize("times", [1, 3])
def test_cancellation_at_any_time_leaves_the_meter_in_base(seconds: float, times: int) -> None:
    async def main() -> Line:
        line = Line(Tables({64: LONG}))
        client = PsemClient(line, clock=clock)
        began = clock()
        await cancelled_at(line, client, seconds, times)
        assert clock() - began < seconds + 8
        await asyncio.sleep(0.5)
        assert line.meter.state is State.BASE
        assert line.meter.statistics.packets_received
        return line

    line = run(main())
    assert line.requests()[-1] == "Terminate"


def test_a_deadline_around_a_session_ends_as_one() -> None:
    async def main() -> Line:
        line = Line(Tables({64: LONG}))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3), PsemClient(line, clock=clock).session() as client:
                await client.read_table(64)
        return line

    assert run(main()).requests()[-2:] == LEFT


@pytest.mark.parametrize(("response_s", "most_s"), [(2.0, 8.0), (30.0, 16.0)])
def test_leaving_a_dead_meter_takes_bounded_time(response_s: float, most_s: float) -> None:
    async def main() -> float:
        line = Line(Tables({1: b"first"}))
        options = PsemOptions(timing=Timing(response_s=response_s))
        async with PsemClient(line, options, clock=clock).session() as client:
            await client.read_table(1)
            line.mute = True
            began = clock()
        return clock() - began

    assert run(main()) <= most_s + 0.1


def test_a_lost_line_is_reported_and_leaving_it_is_quiet() -> None:
    async def main() -> None:
        line = Line(Tables({64: LONG}))
        line.loop.call_later(1, line.pull_the_plug)
        with pytest.raises(LineLost):
            async with PsemClient(line, clock=clock).session() as client:
                await client.read_table(64)

    run(main())


def test_a_meter_that_does_not_know_logoff_is_terminated_all_the_same() -> None:
    line = visit(nothing, limits=MeterLimits(refused=frozenset({0x52})))
    assert line.requests()[-2:] == ["NoneType", "Terminate"]


def test_after_a_broken_session_the_next_identify_waits() -> None:
    async def main() -> list[float]:
        line = Line(Tables({1: b"first"}))
        client = PsemClient(line, clock=clock)
        async with client.session():
            line.mute = True
        broke = clock()
        line.mute = False
        async with client.session():
            assert await client.read_table(1) == b"first"
        return [at - broke for at in line.identified_at()[1:]]

    (after,) = run(main())
    assert after >= 6


def test_the_meter_is_never_hammered_with_identify() -> None:
    """A meter that dies in every session: fresh sessions are few, and far apart unless it agreed to the end."""

    async def main() -> Line:
        line = Line(Tables({1: b"first"}))
        honest = line.meter._tables

        def die(request: object) -> bytes | ResponseCode:
            line.meter.power_fail()
            line.mute = True
            line.loop.call_later(9, setattr, line, "mute", False)
            return honest(request)  # type: ignore[arg-type]

        line.meter._tables = die  # type: ignore[method-assign]
        with pytest.raises((MeterSilent, LineTooBad)):
            async with PsemClient(line, clock=clock).session() as client:
                await client.read_table(1)
        return line

    at = run(main()).identified_at()
    assert 2 <= len(at) <= 6
    assert all(later - sooner > 7 for sooner, later in itertools.pairwise(at))


def test_timers_of_a_profile_reach_the_link() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        began = clock()
        await client.read_table(1)
        assert clock() - began > 0.12

    visit(story, options=PsemOptions(timing=Timing(turnaround_s=0.06)))


def test_a_meter_slow_to_answer_is_asked_again_and_answers_once() -> None:
    async def main() -> Line:
        line = Line(Tables({1: b"first"}), back=Direction(late=iter([0.0] * 6 + [2.5] + [0.0] * 99).__next__))
        async with PsemClient(line, clock=clock).session() as client:
            assert await client.read_table(1) == b"first"
            assert await client.read_table(1) == b"first"
        return line

    line = run(main())
    assert (Identify(), ResponseCode.OK) in line.served()
    assert isinstance(line.served()[2][0], Logon)
