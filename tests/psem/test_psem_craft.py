"""Packets and speeds: as much as the line carries, less where it is bad, more again where it gets better."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import pytest

from drivers.memory import LineMemory
from drivers.psem import PsemClient, PsemOptions, ResponseCode, SessionStatistics
from drivers.psem.meter import MeterLimits
from drivers.psem.negotiation import Offer, Terms
from drivers.psem.packet import LARGEST_SIZE
from drivers.psem.services import Negotiate
from tests.psem.lines import Damage, Direction, Line, Tables, clock, flipping, losing, run

PROFILE = random.Random(64).randbytes(60_000)  # noqa: S311 - repeatable, not secret
SPEEDS = MeterLimits(bauds=(9600, 19200, 57600))


def until(seconds: float, damage: Damage) -> Damage:
    """Damage for so many seconds of the session, none afterwards."""
    return lambda chunk: damage(chunk) if clock() < 1000.0 + seconds else chunk


class Read:
    """One read of `octets` from the profile, and what it took."""

    def __init__(
        self,
        octets: int,
        *,
        damage: Callable[[], Damage] | None = None,
        options: PsemOptions | None = None,
        limits: MeterLimits | None = None,
        remembered: LineMemory | None = None,
        fastest: int = 0,
        baud: int = 9600,
        prepare: Callable[[Line], None] = lambda _line: None,
    ) -> None:
        async def main() -> None:
            ways = [Direction(damage()) if damage else Direction() for _ in range(2)]
            self.line = line = Line(Tables({64: PROFILE}), limits=limits, there=ways[0], back=ways[1], baud=baud)
            prepare(line)
            client = PsemClient(line, options, clock=clock, remembered=remembered, fastest_baud=fastest)
            async with client.session():
                began = clock()
                assert await client.read_offset(64, 0, octets) == PROFILE[:octets]
                self.seconds = clock() - began
                self.memory = client.line_memory()
                self.remarks = client.remarks()
            self.statistics: SessionStatistics = client.statistics

        run(main())
        self.negotiated = [asked for asked, _ in self.line.served() if isinstance(asked, Negotiate)]
        self.sizes = [asked.packet_size for asked in self.negotiated]


# -- packets


def test_a_good_line_is_left_alone() -> None:
    read = Read(60_000)
    assert read.sizes == [1024]
    assert read.remarks == ()
    assert read.memory.packet_size == 1024
    assert read.memory.packets == 255
    assert read.memory.negotiates is True


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [flipping, losing])
def test_small_packets_on_a_bad_line(kind: Callable[[float, int], Damage], seed: int) -> None:
    read = Read(15_000, damage=lambda: kind(0.002, seed))
    assert read.statistics.packet_size <= 128
    assert read.memory.packet_size == read.sizes[-1]
    assert any("damaged" in remark for remark in read.remarks)


@pytest.mark.parametrize("seed", range(4))
def test_large_packets_again_when_the_line_is_good_again(seed: int) -> None:
    read = Read(60_000, damage=lambda: until(20, flipping(0.003, seed)))
    assert min(read.sizes) <= 128
    assert read.sizes[-1] >= 256, "what 512 would save of the rest is less than asking for it costs"
    assert len(read.sizes) <= 8


@pytest.mark.parametrize(("rate", "most_s"), [(0.0003, 21), (0.001, 38), (0.003, 62)])
@pytest.mark.parametrize("kind", [flipping, losing])
def test_how_long_a_long_profile_takes(kind: Callable[[float, int], Damage], rate: float, most_s: float) -> None:
    """15,000 octets need 15.6 s at 9600 baud; without any adapting this took 51, and 69 to 99 s at 0.3 %."""
    seconds = [Read(15_000, damage=partial(kind, rate, seed)).seconds for seed in range(6)]
    assert sum(seconds) / len(seconds) < most_s


def test_a_size_that_fails_by_itself_is_not_tried_for_ever() -> None:
    """An adapter that loses an octet of every packet above 256."""

    def damage() -> Damage:
        return lambda chunk: chunk[:200] + chunk[201:] if len(chunk) > 256 else chunk

    read = Read(60_000, damage=damage)
    assert read.sizes.count(1024) <= 3
    assert read.sizes[-1] <= 256
    assert len(read.sizes) <= 16
    assert read.seconds < 160


def test_a_meter_that_does_not_negotiate_twice_is_asked_once() -> None:
    """It keeps what was agreed on first, whatever is asked for afterwards."""

    def prepare(line: Line) -> None:
        honest = line.meter._negotiate
        answers: list[bytes] = []

        def once(request: Negotiate) -> bytes:
            answer = honest(request)
            assert isinstance(answer, bytes)
            answers.append(answer)
            return answers[0]

        line.meter._negotiate = once  # type: ignore[method-assign]

    read = Read(60_000, remembered=LineMemory(packet_size=64), prepare=prepare)
    assert len(read.sizes) <= 3


def test_a_meter_that_refuses_much_is_asked_for_little() -> None:
    def prepare(line: Line) -> None:
        honest = line.meter._negotiate

        def modest(request: Negotiate) -> bytes | ResponseCode:
            return honest(request) if request.packet_size <= 256 else ResponseCode.ERR

        line.meter._negotiate = modest  # type: ignore[method-assign]

    read = Read(5000, prepare=prepare)
    assert read.statistics.packet_size == 256
    assert read.sizes == [1024, 1024, 256]


# -- what is remembered


def test_what_is_remembered_is_offered_first_and_no_more_than_that() -> None:
    read = Read(60_000, remembered=LineMemory(packet_size=128, packets=255, baud=9600))
    assert read.sizes[0] == 128
    assert read.sizes[-1] == 1024
    assert read.memory.packet_size == 1024


def test_what_is_remembered_of_a_bad_line_saves_the_failures() -> None:
    memory = Read(15_000, damage=lambda: flipping(0.003, 5)).memory

    def seconds(remembered: LineMemory | None) -> float:
        reads = [Read(15_000, damage=partial(flipping, 0.003, seed), remembered=remembered) for seed in range(8)]
        return sum(read.seconds for read in reads) / len(reads)

    assert seconds(memory) < 0.95 * seconds(None)


def test_a_short_read_does_not_pay_for_better_terms() -> None:
    assert Read(500, remembered=LineMemory(packet_size=128)).sizes == [128]


@pytest.mark.parametrize("memory", [LineMemory(packet_size=9999, baud=7, slowest_answer_s=Decimal(900)), LineMemory()])
def test_nonsense_that_is_remembered_does_no_harm(memory: LineMemory) -> None:
    assert Read(3000, remembered=memory, options=PsemOptions(bauds=(19200,))).sizes == [1024]


def test_how_long_the_slowest_answer_took_is_remembered() -> None:
    def prepare(line: Line) -> None:
        line.back.late = lambda: 0.7

    slowest_s = Read(3000, baud=0, prepare=prepare).memory.slowest_answer_s
    assert slowest_s == pytest.approx(Decimal("0.7"), abs=Decimal("0.05"))


# -- speeds


def test_the_fastest_speed_that_meter_profile_and_probe_know() -> None:
    read = Read(60_000, options=PsemOptions(bauds=(115_200, 57_600, 19_200)), limits=SPEEDS)
    assert read.line.bauds == [57_600, 9600]
    assert read.statistics.baud == 57_600
    assert Read(60_000, limits=SPEEDS, fastest=57_600).line.bauds == [57_600, 9600]
    slow_probe = Read(60_000, options=PsemOptions(bauds=(57_600, 19_200)), limits=SPEEDS, fastest=19_200)
    assert slow_probe.line.bauds == [19_200, 9600]


def damaged_above(line: Line, most: int) -> None:
    """Let nothing get through at speeds above `most`."""
    for way in (line.there, line.back):
        honest = way.carry

        def carry(chunk: bytes, now: float, baud: int, honest: object = honest) -> list[float]:
            broken = bytes(octet ^ 0x11 for octet in chunk) if baud > most else chunk
            return honest(broken, now, baud)  # type: ignore[operator, no-any-return]

        way.carry = carry  # type: ignore[method-assign]


def test_a_speed_at_which_nothing_gets_through_is_left_alone() -> None:
    read = Read(
        20_000,
        options=PsemOptions(bauds=(57_600, 19_200)),
        limits=SPEEDS,
        prepare=lambda line: damaged_above(line, 9600),
    )
    assert read.line.bauds == [57_600, 9600]
    assert read.memory.baud == 9600
    assert any("57600 baud" in remark for remark in read.remarks)


def test_a_speed_that_is_bad_is_given_up_after_the_packets_for_the_next_lower_one() -> None:
    offer = Offer(PsemOptions(bauds=(57_600, 19_200)), LineMemory(), base_baud=9600)
    for size in (1024, 512, 256, 128, 64):
        assert offer.requests(9600)[0].baud_codes == (0x0A, 8, 6)
        assert offer.size <= size
        offer.line_failed(Terms(offer.size, 255, 57_600), 0.0001, 0)
        if offer.size == 64:
            break
    offer.line_failed(Terms(64, 255, 57_600), 0.02, 0)
    assert offer.requests(9600)[0].baud_codes == (8, 6)
    offer.line_failed(Terms(64, 255, 19_200), 0.02, 0)
    assert offer.requests(9600)[0].baud_codes == ()
    offer.line_failed(Terms(64, 255, 9600), 0.02, 0)
    assert offer.requests(9600)[0].baud_codes == (5, 6), "at last slower than every session begins"


def test_a_speed_that_failed_last_time_is_tried_again_only_where_it_would_save_much() -> None:
    options = PsemOptions(bauds=(57_600,))
    failed = LineMemory(packet_size=1024, baud=9600)
    assert Read(3000, options=options, limits=SPEEDS, remembered=failed).line.bauds == []
    again = Read(60_000, options=options, limits=MeterLimits(bauds=(9600, 57_600)), remembered=failed)
    assert again.line.bauds in ([], [57_600, 9600])
    big = Offer(options, failed, base_baud=9600)
    shape = big.best(Terms(1024, 255, 9600), 1e-5, 0)
    assert not big.faster(9600, shape, 10_000)
    assert big.faster(9600, shape, 200_000)
    big.ask_for(1024, faster=True)
    assert big.requests(9600)[0].baud_codes == (0x0A, 6)


def test_the_largest_packets_of_all() -> None:
    def prepare(line: Line) -> None:
        line.back.bytewise = True  # a packet takes 8.5 s

    read = Read(
        30_000,
        options=PsemOptions(packet_size=LARGEST_SIZE),
        limits=MeterLimits(packet_size=LARGEST_SIZE),
        prepare=prepare,
    )
    assert read.statistics.packet_size == LARGEST_SIZE
    assert read.sizes == [LARGEST_SIZE]


def test_a_meter_with_small_packets_is_not_asked_for_more_again() -> None:
    assert Read(60_000, limits=MeterLimits(packet_size=128)).sizes == [1024]
