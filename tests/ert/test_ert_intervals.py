"""Intervals of many messages: put together right, whatever is lost, repeated or late; never a wrong value."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from drivers.ert.intervals import Before, HeardMessage, Interval, Series, series_of
from drivers.ert.message import INTERVAL_S, ErtMessage, Place, Profile

START = datetime(2026, 3, 1, tzinfo=UTC)
LENGTH = timedelta(seconds=INTERVAL_S)


class Counter:
    """A meter that counts intervals; interval k ends at START + (k + 1) × 300 s."""

    def __init__(self, counts: list[int], first_number: int = 0, register: int = 1_000, kept: int = 47) -> None:
        self.counts = counts
        self.first_number = first_number
        self.register = register
        self.kept = kept

    def message(self, k: int, late_s: float = 10.0) -> HeardMessage:
        """What it sends `late_s` after the end of interval k."""
        newest = [self.counts[j] if j >= 0 else 0 for j in range(k, k - self.kept, -1)]
        profile = Profile(
            number=(self.first_number + k) % 256,
            offset=int(late_s * 16),
            counts=tuple(min(each, 511) for each in newest),
            maximum=511,
            outages=0,
        )
        register = (self.register + sum(self.counts[: k + 1])) % (1 << 32)
        message = ErtMessage("idm", 1, 7, register, Place(0, 0), (0,) * 6, b"", profile=profile)
        return HeardMessage(message, self.end_of(k) + timedelta(seconds=late_s))

    def end_of(self, k: int) -> datetime:
        return START + (k + 1) * LENGTH


def ends(series: Series) -> list[datetime]:
    count = len(series.intervals)
    return [series.last_ended_at - (count - 1 - i) * LENGTH for i in range(count)]


def test_one_message_is_one_block() -> None:
    meter = Counter(list(range(100)))
    (series,) = series_of([meter.message(99)])
    assert [one.count for one in series.intervals] == list(range(53, 100))
    assert series.last_ended_at == meter.end_of(99)
    assert (series.last_number, series.stop_count, series.start_count) == (99, 1_000 + sum(range(100)), None)


def test_overlapping_messages_are_put_together() -> None:
    meter = Counter(list(range(200)))
    (series,) = series_of([meter.message(k) for k in (60, 60, 90, 130)])
    assert [one.count for one in series.intervals] == list(range(14, 131))
    assert series.remarks == ()


def test_a_gap_begins_a_series() -> None:
    meter = Counter(list(range(300)))
    first, second = series_of([meter.message(60), meter.message(160)])
    assert first.last_ended_at == meter.end_of(60)
    assert ends(second)[0] == meter.end_of(114)


def test_numbers_go_round() -> None:
    meter = Counter([1] * 700, first_number=250)
    series = series_of([meter.message(k) for k in range(40, 700, 40)])
    assert len(series) == 1
    assert len(series[0].intervals) == 47 + 640
    assert series[0].last_number == (250 + 680) % 256


def test_what_was_delivered_before_is_left_out_and_starts_the_register() -> None:
    meter = Counter(list(range(100)))
    before = Before(70, meter.end_of(70), 1_000 + sum(range(71)))
    (series,) = series_of([meter.message(99)], before)
    assert [one.count for one in series.intervals] == list(range(71, 100))
    assert series.start_count == before.count
    assert series.remarks == ()
    assert series_of([meter.message(70)], before) == ()


def test_a_register_that_does_not_follow_is_told() -> None:
    meter = Counter([2] * 100)
    (series,) = series_of([meter.message(99)], Before(89, meter.end_of(89), 1_000))
    assert series.remarks == ("the register rose by 200 counts, while the intervals add up to 20",)


def test_a_saturated_interval_may_hide_more() -> None:
    meter = Counter([1] * 95 + [900] + [1] * 4)
    (series,) = series_of([meter.message(90), meter.message(99)])
    assert series.intervals[-5] == Interval(511, saturated=True)
    assert series.remarks == ()


def test_messages_that_contradict_each_other_leave_no_value() -> None:
    meter = Counter(list(range(100)))
    true, forged = meter.message(99), meter.message(99, late_s=20)
    counts = (7, *forged.profile.counts[1:])
    forged = replace(forged, message=replace(forged.message, profile=replace(forged.profile, counts=counts)))
    (series,) = series_of([true, forged])
    assert series.intervals[-1].count is None
    assert [one.count for one in series.intervals[:-1]] == list(range(53, 99))
    assert "contradict" in series.remarks[0]


def test_an_outage_bit_is_that_of_its_interval() -> None:
    told = Counter([1] * 60).message(59)
    outages = 1 << 46 | 1 << 44
    told = replace(told, message=replace(told.message, profile=replace(told.profile, outages=outages)))
    (series,) = series_of([told])
    assert [k for k, one in enumerate(reversed(series.intervals)) if one.outage] == [0, 2]


def test_a_meter_that_begins_anew_begins_a_series() -> None:
    meter, other = Counter([1] * 100), Counter([5] * 100, first_number=200)
    assert len(series_of([meter.message(50), other.message(60)])) == 2


@given(
    st.lists(st.integers(0, 520), min_size=60, max_size=700),
    st.integers(0, 255),
    st.integers(0, (1 << 32) - 1),
    st.data(),
)
def test_whatever_is_heard_every_value_is_that_of_the_meter(
    counts: list[int], first_number: int, register: int, data: st.DataObject
) -> None:
    meter = Counter(counts, first_number, register)
    heard_at = sorted(data.draw(st.lists(st.integers(47, len(counts) - 1), min_size=1, max_size=25)))
    heard = [
        replace(told, at=told.at + timedelta(seconds=data.draw(st.floats(0, 5))))
        for told in (meter.message(k, data.draw(st.integers(0, 290))) for k in heard_at)
    ]
    heard.sort(key=lambda one: one.at)
    seen: set[int] = set()
    for series in series_of(heard):
        assert series.remarks == ()
        for end, interval in zip(ends(series), series.intervals, strict=True):
            k = round((end - START) / LENGTH) - 1
            assert abs(end - meter.end_of(k)) < timedelta(seconds=6)
            assert interval.count == min(counts[k], 511)
            assert interval.saturated == (counts[k] >= 511)
            assert k not in seen
            seen.add(k)
        last = round((series.last_ended_at - START) / LENGTH) - 1
        assert series.stop_count == (register + sum(counts[: last + 1])) % (1 << 32)
    assert seen == {k for told in heard_at for k in range(told - 46, told + 1)}


@given(st.integers(47, 400), st.integers(1, 2_000))
def test_deliveries_one_after_the_other_give_each_interval_once(first: int, further: int) -> None:
    meter = Counter([k % 500 for k in range(first + further + 1)])
    (before,) = series_of([meter.message(first)])
    known = Before(before.last_number, before.last_ended_at, before.stop_count)
    after = series_of([meter.message(first + further)], known)
    assert [one.count for one in after[0].intervals] == [
        k % 500 for k in range(max(first + 1, first + further - 46), first + further + 1)
    ]
