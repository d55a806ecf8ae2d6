"""Two receptions that follow from each other confirm a value, or one that follows from the last reading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.listening.hearing import FLOOD, MOST_TRACKS, Hearing, Last, Track
from agent.listening.pace import Pace
from tests.listening.listening_kit import SERVICE, counts, hearing, planned, reception

NOW = datetime(2026, 3, 7, 12, tzinfo=UTC)


def take(heard: Hearing, *told: tuple[int, float]) -> Track | None:
    for count, seconds in told:
        heard.take(reception(count, seconds))
    return heard.confirmed(NOW)


def newest(track: Track | None) -> int | None:
    return None if track is None else int(track.newest.count)


def test_one_reception_is_not_enough() -> None:
    assert take(hearing(), (100, 0)) is None


def test_two_that_agree_are() -> None:
    assert newest(take(hearing(), (100, 0), (100, 30))) == 100


def test_the_newest_of_those_that_advance_is_taken() -> None:
    track = take(hearing(), (100, 0), (101, 30), (102, 60))
    assert track is not None
    assert (newest(track), track.count, counts(track.kept)) == (102, 3, [100, 101, 102])


def test_a_single_wrong_message_changes_nothing() -> None:
    assert newest(take(hearing(), (100, 0), (9_000_000, 10), (100, 30), (3, 40))) == 100


def test_an_old_copy_is_no_other_sender() -> None:
    heard = hearing()
    assert newest(take(heard, (100, 0), (101, 30), (100, 31), (100, 32))) == 101
    assert heard.senders == ()


def test_a_jump_beyond_what_the_service_can_draw_does_not_agree() -> None:
    assert take(hearing(), (100, 0), (200, 60)) is None  # 96 kW
    assert newest(take(hearing(), (100, 0), (200, 7200))) == 200


@pytest.mark.parametrize(
    ("last", "at", "count", "confirmed"),
    [
        (100, NOW - timedelta(days=30), 900, True),
        (100, NOW - timedelta(hours=1), 900, False),
        (100, NOW + timedelta(hours=1), 900, False),
        (100, None, 90_000, True),
        (100, None, 200_000, False),
        (100, None, 99, False),
    ],
)
def test_one_is_enough_if_it_follows_from_the_last_reading(
    last: int, at: datetime | None, count: int, confirmed: bool
) -> None:
    heard = hearing(last=Last(Decimal(last), at))
    assert (take(heard, (count, 0)) is not None) is confirmed


def test_a_count_that_the_dials_cannot_show_needs_a_second_one() -> None:
    meter = planned(dials=5)
    assert take(hearing(meter, Last(Decimal(99_990))), (100_001, 0)) is None
    assert newest(take(hearing(meter, Last(Decimal(99_990))), (5, 0))) == 5  # over the dials


def test_an_scm_wraps_at_24_bits_and_earlier_at_its_dials() -> None:
    assert newest(take(hearing(), ((1 << 24) - 1, 0), (0, 30))) == 0
    assert newest(take(hearing(planned(dials=6)), (999_999, 0), (0, 30))) == 0


def test_two_senders_are_held_back_unless_the_last_reading_decides() -> None:
    told = ((100, 0), (70_000, 5), (100, 30), (70_000, 35))
    contested = hearing()
    assert take(contested, *told) is None
    assert sorted(int(one.count) for one in contested.senders) == [100, 70_000]
    known = hearing(last=Last(Decimal(99), NOW - timedelta(days=1)))
    assert newest(take(known, *told)) == 100
    assert len(known.senders) == 2


def test_two_that_agree_and_contradict_the_last_reading_are_taken_alone_only() -> None:
    last = Last(Decimal(99), NOW - timedelta(days=1))
    assert newest(take(hearing(last=last), (70_000, 0), (70_000, 30))) == 70_000
    assert take(hearing(last=last), (70_000, 0), (100, 10), (70_000, 30)) is None


def test_a_net_register_may_run_back() -> None:
    heard = hearing(planned(message="netidm"))
    for count, seconds in ((100, 0), (95, 600), (90, 1200)):
        heard.take(reception(count, seconds, message="netidm"))
    assert newest(heard.confirmed(NOW)) == 90


def test_a_fine_count_may_rise_faster() -> None:
    pace = Pace.of(planned(multiplier=Decimal("0.01")), SERVICE)
    assert pace.per_hour == 9600
    assert Pace.of(planned(unit="m3"), SERVICE).per_hour == 3600
    assert Pace.of(planned(unit="m3", service_limit=Decimal(6)), SERVICE).per_hour == 6
    assert Pace.of(planned(unit="Wh"), SERVICE).per_hour == 96_000


def test_floods_are_noticed_and_cost_no_memory() -> None:
    heard = hearing()
    for k in range(5_000):
        heard.take(reception(k * 7_919 % (1 << 24), k / 100))
    assert heard.flooded
    assert heard.heard == 5_000
    assert len(heard._tracks) <= MOST_TRACKS
    calm = hearing()
    for k in range(FLOOD * 3):
        calm.take(reception(100, k))
    assert not calm.flooded
    assert sum(len(track.kept) for track in calm._tracks) <= 4


def test_the_best_reception_keeps_its_level() -> None:
    heard = hearing()
    for seconds, snr in ((0, "3"), (30, "21.5"), (60, None), (90, "7")):
        heard.take(reception(100, seconds, snr=snr))
    track = heard.confirmed(NOW)
    assert track is not None
    assert (track.best.snr_db, track.newest.snr_db) == (Decimal("21.5"), Decimal(7))


def test_a_new_cycle_goes_on_from_the_one_before() -> None:
    heard = hearing()
    track = take(heard, (100, 0), (100, 30))
    assert track is not None
    heard.delivered(track, NOW)
    heard.new_cycle()
    assert heard.confirmed(NOW) is None
    assert newest(take(heard, (103, 3_600))) == 103


@given(st.integers(0, (1 << 24) - 1), st.lists(st.tuples(st.integers(1, 600), st.booleans()), min_size=1, max_size=40))
def test_noise_never_gives_a_value_that_the_meter_did_not_have(start: int, steps: list[tuple[int, bool]]) -> None:
    """A meter that advances within its service; before each of its messages a corrupt one may come."""
    heard, count, seconds, true = hearing(), start, 0, set()
    for k, (wait, corrupt) in enumerate(steps):
        seconds += wait
        count = (count + wait * 96 // 3600) % (1 << 24)
        if corrupt:
            heard.take(reception((start + 500_000 * (k + 2)) % (1 << 24), seconds))
        heard.take(reception(count, seconds))
        true.add(count)
        track = heard.confirmed(NOW)
        assert track is None or int(track.newest.count) in true
    assert len(steps) == 1 or newest(heard.confirmed(NOW)) == count
