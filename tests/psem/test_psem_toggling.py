"""Meters that do not toggle: found out where nothing else can explain it, and only there (C12.18 §6)."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from drivers.errors import MrspError
from drivers.psem import PsemClient, PsemOptions, Timing
from drivers.psem.assembly import Discarded, Message
from drivers.psem.meter import MeterLimits
from drivers.psem.packet import ACK
from drivers.psem.toggles import ToggleWatch
from tests.psem.hand import Hand, packet
from tests.psem.lines import PASSWORD, Direction, Line, Tables, clock, flipping, run

PROFILE = random.Random(64).randbytes(3000)  # noqa: S311 - repeatable, not secret
QUICK = Timing(response_s=0.5)


def without_toggle(line: Line) -> Line:
    """Let the meter send every packet with the same toggle bit."""
    take = line.meter.take_output

    def still(now: float) -> bytes:
        line.meter._link._toggle = False
        return take(now)

    line.meter.take_output = still  # type: ignore[method-assign]
    return line


def read(
    options: PsemOptions,
    *,
    limits: MeterLimits | None = None,
    back: Callable[[], Direction] = Direction,
    before: Callable[[Line], None] = lambda _line: None,
) -> tuple[bytes, tuple[str, ...], int]:
    async def main() -> tuple[bytes, tuple[str, ...], int]:
        line = without_toggle(Line(Tables({64: PROFILE}, password=b"PASSWORD01"), limits=limits, back=back()))
        before(line)
        client = PsemClient(line, options, clock=clock)
        async with client.session(PASSWORD):
            data = await client.read_table(64, size=len(PROFILE))
        return data, client.remarks(), client.statistics.recoveries

    return run(main())


@pytest.mark.parametrize("negotiates", [True, False])
@pytest.mark.parametrize("size", [64, 1024])
def test_it_is_found_out_and_said(size: int, negotiates: bool) -> None:
    options = PsemOptions(negotiate=negotiates)
    data, remarks, recoveries = read(options, limits=MeterLimits(packet_size=size))
    assert data == PROFILE
    assert any("toggles = false" in remark for remark in remarks)
    assert recoveries <= 1


def test_what_the_profile_says_is_no_news() -> None:
    data, remarks, recoveries = read(PsemOptions(toggles=False))
    assert data == PROFILE
    assert remarks == ()
    assert recoveries == 0


def test_on_a_line_that_is_damaged_from_the_first_packet_on_it_is_an_error_that_says_what_to_do() -> None:
    """Lost packets would explain the toggles as well."""

    def noisy(line: Line) -> None:
        honest = line.meter.take_output

        def speak(now: float) -> bytes:
            output = honest(now)
            return b"\x55" + output if len(output) > 1 else output

        line.meter.take_output = speak  # type: ignore[method-assign]

    with pytest.raises(MrspError, match="toggles = false"):
        read(PsemOptions(timing=QUICK), before=noisy)


@pytest.mark.parametrize("seed", range(6))
def test_a_meter_that_toggles_is_never_taken_for_one_that_does_not(seed: int) -> None:
    async def main() -> bool:
        there, back = Direction(flipping(0.002, seed)), Direction(flipping(0.002, seed + 100))
        line = Line(Tables({64: PROFILE}), there=there, back=back)
        client = PsemClient(line, clock=clock)
        async with client.session():
            assert await client.read_table(64, size=len(PROFILE)) == PROFILE
        return client._session.exchange.link.experience.toggles.learnt

    assert run(main()) is False


# -- by hand


def answered(hand: Hand, data: bytes, *, toggle: bool = False) -> object:
    """Ask, and let the meter acknowledge and answer."""
    hand.ask(b"\x30\0\1")
    (event,) = hand.hear(ACK + packet(data, toggle=toggle))
    hand.out()
    return event


def test_two_new_answers_with_the_old_toggle_are_proof() -> None:
    hand = Hand()
    assert answered(hand, b"\0\0\1\0\0") == Message(b"\0\0\1\0\0", 1)
    assert isinstance(answered(hand, b"\0\1"), Discarded)
    assert answered(hand, b"\0\1") == Message(b"\0\1", 1)
    assert answered(hand, b"\0\1") == Message(b"\0\1", 1)
    assert hand.link.experience.toggles.learnt


def test_copies_of_one_answer_are_no_proof() -> None:
    """A network may bring a packet three times, each with an ACK of its own."""
    hand = Hand()
    answered(hand, b"\0\0\1\0\0")
    hand.ask(b"\x30\0\1")
    copy = ACK + packet(b"\0\0\1\0\0")
    assert hand.hear(copy, copy, copy) == []
    assert not hand.link.experience.toggles.learnt


def test_a_change_in_between_is_proof_of_the_contrary() -> None:
    watch = ToggleWatch(toggles=True)
    for unchanged in (True, False, True, False):
        watch.answer(unchanged=unchanged, repeated=False)
    assert watch.matter
    assert not watch.learnt


def test_damage_is_a_better_explanation() -> None:
    watch = ToggleWatch(toggles=True)
    watch.line_is_bad()
    for _ in range(9):
        watch.answer(unchanged=True, repeated=False)
    assert not watch.learnt
    watch.new_session()
    for _ in range(2):
        watch.answer(unchanged=True, repeated=False)
    assert (watch.matter, watch.learnt) == (False, True)
