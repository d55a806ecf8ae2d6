"""A reading as text: aligned, with everything that a person at the meter needs, and a chart that fits the terminal."""

from __future__ import annotations

from io import StringIO

import pytest

from agent.cli.progress import ProgressLine, progress_text
from agent.cli.show import BARS, CHART_WIDTH, show_reading, table
from agent.reading import BlockPart, CheckResult, ClockPart, MeterPart, ProblemPart, Reading, RegisterPart
from drivers.base import Progress


def register(tier: int, value: str, *, period: str = "present") -> RegisterPart:
    return RegisterPart("kWh", "delivered", "cumulative", tier, "current", period, value, "kWh", "1", value=value)


def reading(values: tuple[str | None, ...] = ()) -> Reading:
    count = len(values)
    block = BlockPart(
        channel=1,
        quantity="kWh",
        direction="delivered",
        unit="kWh",
        interval_s=900,
        first_interval_end="2026-03-01T00:15:00Z",
        pulses=tuple(None if value is None else 1 for value in values),
        multiplier="1",
        values=values,
        status=tuple(() if value is not None else ("missing",) for value in values),
    )
    return Reading(
        schema="mrsp.reading/1",
        reading_id="x",
        agent_id="a",
        sequence=1,
        purpose="cycle",
        method="optical",
        read_started_at="2026-03-01T12:00:00Z",
        read_finished_at="2026-03-01T12:00:40Z",
        meter=MeterPart(meter_id="100", manufacturer="ACME", model="X", profile="generic-c1219"),
        clock=ClockPart(agent_source="ntp", corrected=False, agent_uncertainty_s="0.0123456789"),
        registers=(register(0, "123456"), register(1, "7"), register(0, "120000", period="self_read")),
        interval_blocks=(block,) if count else (),
        events=(),
        checks=(
            CheckResult(
                "meter_clock",
                "fail",
                "ubp-2000",
                "A4 1.3.2",
                measured="181",
                limit="180",
                unit="s",
                reason="slow " * 30,
            ),
        ),
        quality="raw",
        problems=(ProblemPart("ST76", "cut short", lost=True),),
    )


def test_registers_checks_and_problems_are_all_there() -> None:
    text = show_reading(reading(("1", "2", None)))
    assert "meter 100 (ACME X), profile generic-c1219" in text
    assert "± 0.012345 s" in text
    assert "delivered cumulative  total  123456  kWh" in text
    assert "delivered cumulative  A           7  kWh" in text
    assert "and 1 values of self reads" in text
    assert "meter_clock  FAIL  181 s" in text
    assert "note: ST76: cut short" in text
    assert "sum 3 kWh, 1 flagged" in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("count", [1, 71, 72, 73, 3360])
def test_the_chart_fits_whatever_the_number_of_intervals(count: int) -> None:
    values = tuple(str(k % 7) for k in range(count))
    bars = next(line for line in show_reading(reading(values)).splitlines() if line and line[0] in BARS)
    assert 1 <= len(bars) <= CHART_WIDTH


def test_an_interval_without_a_value_is_a_dot_and_not_a_zero() -> None:
    text = show_reading(reading(("4", None, "0")))
    assert f"{BARS[-1]}·{BARS[0]}" in text


def test_numbers_align_to_the_right_and_words_to_the_left() -> None:
    assert table(("name", "n", "why"), [("a", "1", "x"), ("bb", "100", "y")]) == (
        "name    n  why\n────  ───  ───\na       1  x\nbb    100  y"
    )


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_shows_on_a_terminal_and_leaves_nothing_behind() -> None:
    stream = Terminal()
    line = ProgressLine(stream)
    line(Progress("ST64", done=500, total=1000, bytes_on_line=700, intervals=48))
    assert "ST64" in stream.getvalue()
    assert "500/1,000 octets  48 intervals" in stream.getvalue()
    line.close()
    assert stream.getvalue().endswith(" \r") or stream.getvalue().endswith("\r")


def test_progress_is_silent_where_nobody_watches() -> None:
    stream = StringIO()
    line = ProgressLine(stream)
    line(Progress("ST64"))
    line.close()
    assert stream.getvalue() == ""


def test_progress_never_overflows_its_bar() -> None:
    text = progress_text(Progress("ST64", done=3000, total=1000), tables=3)
    assert text.count("█") == 24
