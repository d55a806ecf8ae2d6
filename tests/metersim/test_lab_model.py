"""What the laboratory adds to a simulated meter: clocks that stand still, loads that change, registers with dials."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.c1219.codec import decode
from drivers.c1219.decade5 import Calendar, ClockState
from drivers.errors import UsageError
from metersim.meter import Meter, load_scenario, parse_scenario
from metersim.meter.clock import MICROSECONDS, MeterClock
from metersim.meter.load import Flow, Stretch, Supply
from metersim.meter.model import microseconds
from metersim.meter.ports import Port
from metersim.meter.quantity import Scaling
from metersim.meter.scenario import Source
from metersim.meter.serving import Serving, serve_meter
from metersim.meter.shapes import DayShape, Holidays, kind_of_day
from metersim.meter.story import Load, Shape, Strand
from metersim.meter.tables.image import Image
from tests.metersim.raw_client import IDENTIFY, packet

DAY_US = 86_400 * MICROSECONDS
T = 1_800_000_000_000_000
HOURS = st.integers(0, 86_400 * MICROSECONDS)


@given(
    stops=st.lists(st.tuples(HOURS, st.integers(1, 9_000 * MICROSECONDS)), max_size=3),
    steps=st.lists(st.tuples(HOURS, st.integers(-10_000_000, 10_000_000)), max_size=2),
    drift=st.integers(-200_000, 200_000),
    at=HOURS,
)
def test_a_clock_that_stood_still_and_was_set_is_reached_when_it_shows(
    stops: list[tuple[int, int]], steps: list[tuple[int, int]], drift: int, at: int
) -> None:
    disjoint: list[tuple[int, int]] = []
    for begin, length in sorted(stops):
        if not disjoint or begin > disjoint[-1][1]:
            disjoint.append((begin, begin + length))
    clock = MeterClock(T, 0, drift, stops=tuple((T + begin, T + end) for begin, end in disjoint))
    for begin, by in steps:
        clock = clock.stepped(T + begin, by)
    shown = clock.shows(T + at)
    first = clock.reaches(shown)
    assert clock.shows(first) >= shown
    assert clock.shows(first - 1) < shown
    assert first <= T + at or any(by < 0 for _, by in steps)


def test_a_clock_stands_still_and_goes_on() -> None:
    clock = MeterClock.of(T, Decimal("1.5"), Decimal(0), ((T + 100, T + 600),))
    assert [clock.shows(T + at) - T for at in (0, 100, 350, 600, 700)] == [
        1_500_000, 1_500_100, 1_500_100, 1_500_100, 1_500_200,
    ]  # fmt: skip
    later = MeterClock.of(T + 1000, Decimal(0), Decimal(0), ((T + 100, T + 600),))
    assert later.shows(T + 1000) == T + 1000
    assert later.shows(T) == T + 500


def test_a_settings_time_is_part_of_the_offset_that_holds_after_it() -> None:
    text = """
        use = ["residential-tou"]
        title = "t"
        installed = 2026-01-01
        clock.offset_s = 5
        clock.drift_ppm = 0
        clock.set = [{ at = 2026-01-10T00:02:00Z, by_s = 20 }]
    """
    at = datetime(2026, 2, 1, tzinfo=UTC)
    meter = Meter(parse_scenario(text, "x.toml"), 1, microseconds(at))
    assert meter.clock.shows(meter.start_us) == meter.start_us + 5 * MICROSECONDS
    before = microseconds(datetime(2026, 1, 9, tzinfo=UTC))
    assert meter.clock.shows(before) == before - 15 * MICROSECONDS


def test_a_clock_cannot_be_set_back_over_what_has_been_recorded() -> None:
    text = 'use = ["residential-tou"]\ntitle = "t"\ninstalled = 2026-01-01\n'
    text += "[[clock.set]]\nat = 2026-01-10T00:02:00Z\nby_s = -2000\n"
    with pytest.raises(UsageError, match="set back over the end of an interval"):
        Meter(parse_scenario(text, "x.toml"), 1, microseconds(datetime(2026, 2, 1, tzinfo=UTC)))


@given(
    spans=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300)), max_size=3),
    seed=st.integers(0, 3),
)
def test_what_one_load_loses_another_can_win(spans: list[tuple[int, int, int]], seed: int) -> None:
    load, other = (Load(name=name, pulses_per_hour=4000, shape="night") for name in ("a", "b"))
    whole = Flow(load, seed, 20_000, 0, 900)
    stretches = tuple(Stretch(first, first + length, percent) for first, length, percent in spans)
    changed = Flow(load, seed, 20_000, 0, 900, stretches=stretches)
    values = [changed.pulses_until(slot * 900 * MICROSECONDS) for slot in range(300)]
    assert values == sorted(values)
    untouched = {slot for slot in range(300) if all(not s.first <= slot < s.until for s in stretches)}
    assert all(changed.of_slot(slot) == whole.of_slot(slot) for slot in untouched)
    turned = Stretch(50, 120, 100)
    winner = Flow(other, seed, 20_000, 0, 900, gains=((whole, turned),))
    alone = Flow(other, seed, 20_000, 0, 900)
    won = winner.pulses_until(3 * DAY_US) - alone.pulses_until(3 * DAY_US)
    assert won == sum(whole.of_slot(slot) for slot in range(50, 120))


def test_strands_add_up_and_days_can_be_left_out() -> None:
    more = Strand(pulses_per_hour=600, shape="flat", noise_percent=0)
    one = Load(name="x", pulses_per_hour=1000, shape="flat", noise_percent=0)
    two = msgspec.structs.replace(one, parts=(more,))
    sometimes = msgspec.structs.replace(one, days_percent=40)
    flows = [Flow(load, 1, 20_000, 0, 900) for load in (one, two, sometimes)]
    assert [flow.pulses_until(100 * DAY_US) for flow in flows[:2]] == [2_400_000, 3_840_000]
    days = [flows[2].pulses_until((day + 1) * DAY_US) - flows[2].pulses_until(day * DAY_US) for day in range(100)]
    assert set(days) == {0, 24_000}
    assert 25 < sum(map(bool, days)) < 55


def test_shapes_know_kinds_of_days_and_months() -> None:
    curves = {name: tuple([level] * 24) for name, level in (("day", 100), ("saturday", 200), ("holiday", 400))}
    shape = DayShape.of(Shape(name="s", months=(0, *range(1, 12)), **curves))
    holidays = Holidays(("01-01", "2026-11-26"))
    number = date(2026, 1, 1).toordinal() - date(1970, 1, 1).toordinal()
    assert [kind_of_day(number + day, holidays) for day in range(5)] == ["holiday", "day", "saturday", "sunday", "day"]
    assert date(2025, 11, 26) not in holidays
    assert [shape.weights(kind, 96)[0] for kind in ("day", "saturday", "sunday", "holiday")] == [100, 200, 200, 400]
    assert shape.month_percent(number) == 0
    assert shape.month_percent(number + 59) == 2
    assert DayShape.always(tuple(range(96))).weights("day", 96) == tuple(range(96))


def test_registers_run_over_and_show_whole_steps() -> None:
    source = Source(name="s", quantity="W", direction="delivered", prefix="k", load="l", pulse_value=Decimal("0.001"))
    scaling = Scaling(source, 0, 4, dials=3, step=Decimal(5))
    assert [scaling.raw_of(pulses) for pulses in (4_999, 5_000, 999_999, 1_000_000, 2_017_300)] == [0, 5, 995, 0, 15]
    assert [scaling.read(pulses) for pulses in (999_999, 1_000_000)] == [995, 0]
    told = Scaling(
        Source(name="s", quantity="W", load="l", pulse_value=Decimal(10), multiplier=Decimal(2)), 0, 4,
        programmed=Decimal(3),
    )  # fmt: skip
    assert told.raw_of(7) == 35
    assert told.read(7) == 105


def test_holidays_are_in_the_tables() -> None:
    scenario = load_scenario("tariff")
    meter = Meter(scenario, 1, microseconds(datetime(2026, 11, 26, 20, tzinfo=UTC)))
    image = Image(meter)
    calendar = decode(54, image.octets(54, meter.start_us) or b"", image.context).table
    assert isinstance(calendar, Calendar)
    special = [entry.on for entry in calendar.non_recurring if entry.action.calendar_ctrl == 19]
    assert special == [date(2026, 5, 25), date(2026, 9, 7), date(2026, 11, 26)]
    assert [(e.month, e.day) for e in calendar.recurring if e.action.calendar_ctrl == 19] == [(1, 1), (7, 4), (12, 25)]
    assert [schedule.special for schedule in calendar.schedules] == [(4,), (5,)]
    state = decode(55, image.octets(55, meter.start_us) or b"", image.context).table
    assert isinstance(state, ClockState)
    assert (state.special_schd_active, state.curr_tier) == (0, 0)
    day_before = decode(55, image.octets(55, meter.start_us - DAY_US) or b"", image.context).table
    assert isinstance(day_before, ClockState)
    assert day_before.special_schd_active == 15


def test_there_is_no_meter_after_its_calendar() -> None:
    with pytest.raises(UsageError, match="ends with 2099"):
        Meter(load_scenario("minimal"), 1, microseconds(datetime(2100, 1, 1, tzinfo=UTC)))


def test_outages_stay_away_from_visits() -> None:
    text = 'use = ["residential-tou"]\ntitle = "t"\ninstalled = 2026-01-01\noutages_per_year = 365\n'
    visits = [datetime(2026, 1, day, hour, tzinfo=UTC) for day in range(3, 9) for hour in (3, 9, 15, 21)]
    text += f"visits = [{', '.join(visit.isoformat() for visit in visits)}]\n"
    meter = Meter(parse_scenario(text, "x.toml"), 1, microseconds(datetime(2026, 1, 20, tzinfo=UTC)))
    assert len(meter.supply.outages) > 10
    hour = timedelta(hours=1) // timedelta(microseconds=1)
    for since, to in meter.supply.outages:
        assert not any(since < microseconds(visit) and to > microseconds(visit) - hour for visit in visits)


class Ear:
    """A port that keeps what is sent."""

    address = "ear"

    def __init__(self) -> None:
        self.heard = b""
        self.sent = asyncio.Event()

    def client_baud(self) -> int | None:
        return None

    async def send(self, chunk: bytes) -> None:
        self.heard += chunk
        self.sent.set()

    def discard(self) -> None: ...

    def hang_up(self) -> None: ...

    async def close(self) -> None: ...


async def test_a_meter_without_power_is_deaf_and_forgets_the_session() -> None:
    text = 'use = ["minimal"]\ntitle = "t"\ninstalled = 2026-01-01\nuntil = 2026-02-01T12:00:00Z\n'
    text += "[[outage]]\nat = 2026-02-01T00:10:00Z\nseconds = 600\n"
    serving = Serving(parse_scenario(text, "x.toml"), datetime(2026, 2, 1, tzinfo=UTC), rate=0)
    ear = Ear()
    ears: list[Callable[[bytes], None]] = []

    async def opened(received: Callable[[bytes], None]) -> Port:
        ears.append(received)
        return ear

    async with serve_meter(serving, opened) as meter:
        for skipped_min, answers in ((0, True), (15, False), (10, True)):
            meter.application.skip(skipped_min * 60 * MICROSECONDS)
            ear.sent.clear()
            ear.heard = b""
            before = meter.line.bytes_received
            ears[0](packet(IDENTIFY))
            if answers:
                await ear.sent.wait()
            for _ in range(50):
                await asyncio.sleep(0)
            assert meter.line.bytes_received > before
            assert bool(ear.heard) == answers


def test_the_supply_is_off_in_its_outages_only() -> None:
    supply = Supply(((10, 20), (30, 40)))
    assert [supply.is_off(at) for at in (9, 10, 19, 20, 35, 40)] == [False, True, True, False, True, False]
    assert supply.off_us(0, 100) == 20
    assert supply.off_us(15, 35) == 10
