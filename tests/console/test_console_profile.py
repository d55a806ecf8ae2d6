"""The load profile: exact texts, gaps that stay gaps, flags in words; a chart for eyes, a table for everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.console.profile_shown import Flag, day_of, profile_of, worst
from agent.console.text import Texts
from agent.reading import BlockPart, CheckResult, SitePart
from tests.console.reading_kit import Jobs, block, ended, job, reading
from tests.console.walking_kit import Walker, walking

TEXTS = Texts()
NEW_YORK = ZoneInfo("America/New_York")


def unix(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def blocks() -> tuple[BlockPart, ...]:
    return (
        block("0.1000", "12345678901234567890.5", None, flags={2: ("missing",), 0: ("daylight_saving",)}),
        block("1", "2", channel=2, quantity="varh", unit="varh"),
        block("7", "8", end="2026-11-22T05:15:00Z", flags={1: ("power_outage", "vendor_bit")}),
        block(channel=3),
    )


def pointing(outcome: str) -> CheckResult:
    return CheckResult("spike", outcome, "r", "c", channel=1, intervals=(1, 3))  # type: ignore[arg-type]


def test_values_are_the_texts_of_the_document_and_nothing_fills_a_gap() -> None:
    profile = profile_of(reading(interval_blocks=blocks()), UTC, TEXTS)
    assert (profile.zone, [one.channel for one in profile.channels]) == ("America/New_York", [1, 2])
    first = profile.channels[0]
    assert (first.name, first.unit) == ("Wh delivered", "Wh")
    assert [one.values for one in first.blocks] == [("0.1000", "12345678901234567890.5", None), ("7", "8")]
    assert [one.end for one in first.blocks] == [unix("2026-11-21T05:15:00Z"), unix("2026-11-22T05:15:00Z")]
    assert {one.step for one in first.blocks} == {900}


def test_flags_are_told_in_words_and_daylight_saving_is_none() -> None:
    profile = profile_of(reading(interval_blocks=blocks()), UTC, TEXTS)
    assert [one.flags for one in profile.channels[0].blocks] == [
        ((2, ("missing",)),),
        ((1, ("power_outage", "vendor_bit")),),
    ]
    assert profile.flags == (
        Flag("missing", "No value", "M", "lost"),
        Flag("power_outage", "Power outage", "O", "outage"),
        Flag("vendor_bit", "vendor bit", "?", "doubt"),
    )
    assert worst(["clock_adjusted", "vendor_bit", "missing"]) == "lost"


def test_the_intervals_that_a_failed_check_names_are_flagged_over_all_blocks() -> None:
    profile = profile_of(reading(interval_blocks=blocks(), checks=(pointing("fail"),)), UTC, TEXTS)
    assert [dict(one.flags) for one in profile.channels[0].blocks] == [
        {1: ("check",), 2: ("missing",)},
        {0: ("check",), 1: ("power_outage", "vendor_bit")},
    ]
    passed = profile_of(reading(interval_blocks=blocks(), checks=(pointing("pass"),)), UTC, TEXTS)
    assert all("check" not in words for one in passed.channels[0].blocks for _, words in one.flags)


@pytest.mark.parametrize("site", [None, SitePart(), SitePart(zone="Nowhere/Else"), SitePart(zone="../../etc/passwd")])
def test_without_a_zone_of_its_own_it_has_that_of_the_box(site: SitePart | None) -> None:
    assert profile_of(reading(interval_blocks=blocks(), site=site), NEW_YORK, TEXTS).zone == "America/New_York"


def test_a_day_has_its_intervals_in_the_order_of_time() -> None:
    late = block("3", end="2026-11-21T05:00:00Z")
    profile = profile_of(reading(interval_blocks=(*blocks(), late)), UTC, TEXTS)
    found = day_of(profile, 1, date(2026, 11, 21), NEW_YORK)
    assert found is not None
    assert [(f"{row.begun:%H:%M}", row.value) for row in found.rows] == [
        ("00:00", "0.1000"),
        ("00:15", "12345678901234567890.5"),
        ("00:30", None),
    ]
    assert (found.before, found.after, found.clock) == (date(2026, 11, 20), date(2026, 11, 22), "%H:%M")
    newest = day_of(profile, None, None, NEW_YORK)
    assert newest is not None
    assert (newest.channel.channel, newest.day, newest.after) == (1, date(2026, 11, 22), None)
    assert day_of(profile, 9, None, NEW_YORK) is None
    assert day_of(profile, 1, date(2030, 1, 1), NEW_YORK) is None


def test_the_hour_that_comes_twice_says_which_one_it_is() -> None:
    profile = profile_of(reading(interval_blocks=(block(*"12345678", end="2026-11-01T05:15:00Z"),)), UTC, TEXTS)
    found = day_of(profile, None, None, NEW_YORK)
    assert found is not None
    assert [row.begun.strftime(found.clock) for row in found.rows][::4] == ["01:00 EDT", "01:00 EST"]


# -- over HTTP


@pytest.fixture
async def walker(tmp_path: Path) -> AsyncIterator[Walker]:
    document = reading(interval_blocks=blocks())
    async with walking(tmp_path, desk=Jobs([ended(document)])) as found:
        yield found


async def test_the_chart_gets_its_data_as_json(walker: Walker) -> None:
    answer = await walker.client.get("/jobs/job-1/profile")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["channels"][0]["blocks"][0]["values"] == ["0.1000", "12345678901234567890.5", None]
    assert any('"what":"job"' in line for line in walker.console.audit_lines())


async def test_the_table_is_a_page_and_a_part_of_one(walker: Walker) -> None:
    page = await walker.get("/jobs/job-1/profile/table?channel=1&day=2026-11-21")
    assert "<caption>Wh delivered, 2026-11-21</caption>" in page
    assert "12345678901234567890.5" in page
    assert "no value" in page
    assert "No value" in page
    answer = await walker.client.get("/jobs/job-1/profile/table", headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert "Power outage, vendor bit" in answer.text


@pytest.mark.parametrize("query", ["channel=9", "channel=x", "channel=99999", "day=yesterday", "day=2030-01-01"])
async def test_what_is_not_there_is_not_found(walker: Walker, query: str) -> None:
    assert "</html>" in await walker.get(f"/jobs/job-1/profile/table?{query}", status=404)


@pytest.mark.parametrize("view", [job(), ended(), ended(reading(interval_blocks=(block(),)))])
async def test_without_intervals_there_is_no_profile(tmp_path: Path, view: object) -> None:
    async with walking(tmp_path, desk=Jobs([view])) as walker:  # type: ignore[list-item]
        assert (await walker.client.get("/jobs/job-1/profile")).status_code == 404
        assert 'id="profile"' not in await walker.get("/jobs/job-1")
