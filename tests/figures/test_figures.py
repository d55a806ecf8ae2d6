"""The figures of UBP, counted: exactly, with what is left out left out, and every miss with its reason."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.business_days import business_day_after
from agent.figures import Figures, Period, Share, figures, reporting_day
from agent.ledger_lines import Entry
from tests.figures.figures_kit import DAY, DENVER, at, entry

MONDAY = date(2026, 3, 2)
PERIOD = Period(MONDAY, MONDAY, DENVER)
NIGHT = at(3, 4)  # 21:00 of Monday in Denver
LATER = at(3, 4, 15)


def of(*entries: Entry, now: datetime = LATER, period: Period = PERIOD) -> Figures:
    return figures(entries, period, now)


class TestPercent:
    @pytest.mark.parametrize(
        ("share", "percent"),
        [
            (Share(0, 0), None),
            (Share(1, 1), "100.00"),
            (Share(0, 3), "0.00"),
            (Share(2, 3), "66.66"),
            (Share(99_999, 100_000), "99.99"),
        ],
    )
    def test_it_is_rounded_down_so_that_a_hundred_means_all(self, share: Share, percent: str | None) -> None:
        assert share.percent == (None if percent is None else Decimal(percent))

    def test_what_the_mdsp_has_of_what_was_expected(self) -> None:
        found = of(
            entry("a", at(2), read=at(2, 6, 1), acked=at(2, 6, 2)),
            entry("b", at(2), read=at(2, 6, 1)),
            entry("c", at(2), reason="silent"),
            entry("d", at(2), reason="silent"),
        )
        assert (found.meters, found.meters.percent) == (Share(1, 4), Decimal("25.00"))
        assert [(one.reason, one.count, one.meters) for one in found.missed] == [
            ("silent", 2, ("c", "d")),
            ("not_acknowledged", 1, ("b",)),
        ]

    def test_what_is_not_due_yet_is_not_expected(self) -> None:
        assert of(entry("a", at(2, 20)), now=at(2, 19)).meters == Share(0, 0)

    def test_a_bench_is_no_service(self) -> None:
        assert of(entry("a", at(2), purpose="bench")).meters == Share(0, 0)


class TestAccounts:
    def test_one_counts_only_with_a_read_of_every_meter(self) -> None:
        found = of(
            entry("a", at(2), read=at(2), acked=at(2), account="A"),
            entry("b", at(2), read=at(2), acked=at(2), account="A"),
            entry("c", at(2), read=at(2), acked=at(2), account="B"),
            entry("d", at(2), read=at(2), account="B"),  # the MDSP does not have it
        )
        assert (found.meters, found.accounts) == (Share(3, 4), Share(1, 2))

    def test_one_read_a_day_of_a_meter_that_is_read_often_is_enough(self) -> None:
        found = of(entry("a", at(2, 7), account="A"), entry("a", at(2, 8), read=at(2, 8), acked=at(2, 8), account="A"))
        assert (found.meters, found.accounts) == (Share(1, 2), Share(1, 1))

    def test_each_day_counts_for_itself(self) -> None:
        days = (entry("a", at(2), read=at(2), acked=at(2), account="A"), entry("a", at(3), account="A"))
        assert of(*days, period=Period(MONDAY, MONDAY + DAY, DENVER), now=at(5)).accounts == Share(1, 2)

    def test_meters_of_no_account_are_counted_apart(self) -> None:
        found = of(entry("a", at(2)), entry("a", at(2, 8)), entry("b", at(2)))
        assert (found.accounts, found.without_account) == (Share(0, 0), 2)

    def test_the_first_billing_cycle_is_left_out_of_everything(self) -> None:
        new = entry("a", at(2), account="A", first_cycle_until=MONDAY)
        found = of(new, entry("b", at(2), read=at(2), acked=at(2), account="B", first_cycle_until=MONDAY - DAY))
        assert (found.meters, found.accounts, found.timeliness) == (Share(1, 1), Share(1, 1), Share(1, 1))
        assert (found.first_cycle, found.missed) == (1, ())


class TestTimeliness:
    @pytest.mark.parametrize(
        ("acked", "now", "share"),
        [
            (NIGHT, LATER, Share(1, 1)),  # 21:00 sharp
            (NIGHT + timedelta(microseconds=1), LATER, Share(0, 1)),
            (None, LATER, Share(0, 1)),
            (None, NIGHT - timedelta(seconds=1), Share(0, 0)),  # it can still come in time
            (at(2, 7), at(2, 8), Share(1, 1)),
        ],
    )
    def test_by_nine_in_the_evening_of_the_day(self, acked: datetime | None, now: datetime, share: Share) -> None:
        assert of(entry("a", at(2), read=at(2), acked=acked), now=now).timeliness == share

    def test_what_was_read_late_in_the_evening_has_until_the_next(self) -> None:
        late = entry("a", at(3, 3, 55), read=NIGHT + timedelta(minutes=5), acked=at(3, 5))
        assert of(late, now=at(4, 5)).timeliness == Share(1, 1)

    def test_a_read_that_failed_is_neither(self) -> None:
        assert of(entry("a", at(2), reason="silent")).timeliness == Share(0, 0)


class TestOffCycle:
    ASKED = at(6, 17)  # Friday
    LIMIT = datetime(2026, 3, 14, 5, 59, 59, tzinfo=UTC)  # Friday after, 23:59:59 in Denver

    def share(self, read: datetime | None, day: date, now: datetime) -> Share:
        return of(
            entry("a", self.ASKED, read=read, purpose="final"), period=Period(day, day, DENVER), now=now
        ).off_cycle

    def test_served_in_time_it_counts_where_it_was_served(self) -> None:
        assert self.share(self.LIMIT, date(2026, 3, 14), at(16)) == Share(1, 1)
        assert self.share(at(10, 15), date(2026, 3, 10), at(16)) == Share(1, 1)
        assert self.share(at(10, 15), date(2026, 3, 14), at(16)) == Share(0, 0)

    def test_overdue_it_counts_where_its_time_ran_out_even_if_it_is_served_later(self) -> None:
        for read in (None, self.LIMIT + timedelta(seconds=1)):
            assert self.share(read, date(2026, 3, 14), at(20)) == Share(0, 1)
            assert self.share(read, date(2026, 3, 15), at(20)) == Share(0, 0)

    def test_before_its_time_ran_out_nothing_is_said(self) -> None:
        assert self.share(None, date(2026, 3, 14), self.LIMIT - timedelta(seconds=1)) == Share(0, 0)

    def test_it_is_not_among_the_reads_of_the_cycle(self) -> None:
        assert of(entry("a", at(2), purpose="special")).meters == Share(0, 0)


class TestPeriods:
    def test_a_reporting_day_goes_from_evening_to_evening(self) -> None:
        assert (PERIOD.begin, PERIOD.end) == (at(2, 4), NIGHT)
        assert reporting_day(NIGHT, DENVER) == MONDAY
        assert reporting_day(NIGHT + timedelta(microseconds=1), DENVER) == MONDAY + DAY
        inside = [entry("a", moment) for moment in (at(2, 4), at(2, 4, 1), NIGHT, LATER)]
        assert of(*inside).meters.whole == 2

    @pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (MONDAY, 24)])
    def test_summer_time_makes_one_shorter_and_one_longer(self, day: date, hours: int) -> None:
        period = Period(day, day, DENVER)
        assert period.end - period.begin == timedelta(hours=hours)

    def test_days_follow_each_other_without_gap(self) -> None:
        for k in range(400):
            day = MONDAY + k * DAY
            assert Period(day, day, DENVER).end == Period(day + DAY, day + DAY, DENVER).begin

    def test_a_period_that_ends_before_it_begins_is_refused(self) -> None:
        with pytest.raises(ValueError, match="before its first day"):
            Period(MONDAY, MONDAY - DAY, DENVER)


minutes = st.integers(0, 14 * 1_440)
moments = minutes.map(lambda number: at(1, 0) + timedelta(minutes=number))
reads = st.builds(
    lambda meter, due, wait, ack, reason, account: entry(
        meter,
        due,
        read=None if reason else due + timedelta(minutes=wait),
        acked=None if reason or ack is None else due + timedelta(minutes=wait + ack),
        account=account,
        **({"reason": reason} if reason else {}),
    ),
    st.sampled_from("abcd"),
    moments,
    st.integers(0, 300),
    st.none() | st.integers(0, 3_000),
    st.sampled_from(("", "", "silent", "refused")),
    st.none() | st.sampled_from("AB"),
)


@given(st.lists(reads, max_size=30), moments)
def test_everything_is_counted_once_and_adds_up(entries: list[Entry], now: datetime) -> None:
    days = [date(2026, 2, 28) + k * DAY for k in range(18)]
    each = [figures(entries, Period(day, day, DENVER), now) for day in days]
    whole = figures(entries, Period(days[0], days[-1], DENVER), now)
    due = [one for one in entries if one.due <= now]
    assert whole.meters == Share(sum(one.acknowledged_at is not None for one in due), len(due))
    for name in ("meters", "accounts", "timeliness"):
        shares = [getattr(one, name) for one in each]
        assert getattr(whole, name) == Share(sum(one.part for one in shares), sum(one.whole for one in shares))
    for one in (*each, whole):
        assert sum(missed.count for missed in one.missed) == one.meters.whole - one.meters.part
        assert one.meters.part <= one.meters.whole
        assert one.timeliness.part <= one.timeliness.whole


@given(st.lists(st.tuples(moments, st.none() | st.integers(0, 20_000)), max_size=20))
def test_every_request_is_settled_once(asked: list[tuple[datetime, int | None]]) -> None:
    entries = [
        entry(f"m{k}", due, read=None if wait is None else due + timedelta(minutes=wait), purpose="off_cycle")
        for k, (due, wait) in enumerate(asked)
    ]
    now = at(30, month=4)
    shares = [
        figures(entries, Period(day, day, DENVER), now).off_cycle
        for day in (date(2026, 2, 28) + k * DAY for k in range(50))
    ]
    in_time = [
        one.read_at is not None
        and one.read_at.astimezone(DENVER).date() <= business_day_after(one.due.astimezone(DENVER).date(), 5)
        for one in entries
    ]
    assert (sum(share.part for share in shares), sum(share.whole for share in shares)) == (sum(in_time), len(entries))
