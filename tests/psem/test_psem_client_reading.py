"""The client reads tables: in pieces that fit, whole, and again where an answer falls short."""

from __future__ import annotations

import pytest

from drivers.errors import DataError, MeterRefused
from drivers.psem import PsemClient, ResponseCode
from drivers.psem.meter import MeterLimits
from drivers.psem.replies import BadTableData
from drivers.psem.services import IndexRead, OffsetRead
from tests.psem.lines import LEFT, LONG, Line, Tables, clock, run, visit

SNS, IAR, RNO, ONP = (ResponseCode[name] for name in ("SNS", "IAR", "RNO", "ONP"))


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
        assert await client.read_table(64, size=4000) == LONG[:4000]

    line = visit(story, Tables({64: LONG[:4000]}, says={0x30: [code]}))
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
