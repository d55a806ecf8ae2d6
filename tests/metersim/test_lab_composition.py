"""Scenarios put together from files: what is merged, and where a mistake is found."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import UsageError
from metersim.meter import load_scenario, parse_scenario
from metersim.meter.compose import File, composed
from metersim.meter.library import names_of, shipped
from metersim.meter.scenario_file import composition, scenario_of
from metersim.meter.story import Change, ClockSetting, Load, Quirks, Shape, Tamper, TamperKind

BASE = 'use = ["residential-tou"]\ntitle = "t"\ninstalled = 2026-01-01\n'


def made(text: str) -> dict[str, object]:
    return composed(File("x.toml", text)).document


def test_tables_are_merged_key_by_key_and_named_entries_by_name() -> None:
    scenario = parse_scenario(BASE + '[clock]\ndrift_ppm = 7\n[[load]]\nname = "house"\nnoise_percent = 1\n', "x.toml")
    assert scenario.clock is not None
    assert scenario.clock.drift_ppm == 7
    assert scenario.clock.zone_min == -300
    assert [(load.name, load.noise_percent) for load in scenario.loads] == [("house", 1), ("roof", 60)]
    assert scenario.loads[0].pulses_per_hour == 5200


def test_what_comes_later_stands_and_happenings_are_added_up() -> None:
    storm = 'use = ["residential-tou", "storm-2026-02"]\ntitle = "t"\ninstalled = 2026-01-01\noutages_per_year = 3\n'
    scenario = parse_scenario(storm + "[[outage]]\nat = 2026-02-01T00:00:00Z\nseconds = 9\n", "x.toml")
    assert [outage.seconds for outage in scenario.outages] == [4, 3725, 43_500, 31, 9]
    assert scenario.outages_per_year == 3
    tariff = parse_scenario(BASE.replace('"]', '", "tariff-three-rate"]'), "x.toml")
    assert tariff.tou is not None
    assert [len(season.weekday) for season in tariff.tou.seasons] == [5, 4]


def test_files_use_files_beside_them(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "clock.toml").write_text("[clock]\ndrift_ppm = 3\n")
    (tmp_path / "parts" / "base.toml").write_text('use = ["residential-tou", "clock.toml"]\ninstalled = 2026-01-01\n')
    (tmp_path / "mine.toml").write_text('use = ["parts/base.toml"]\ntitle = "mine"\n')
    made_of = composition(tmp_path / "mine.toml")
    assert [Path(file.name).name for file in made_of.files] == [
        "residential-tou.toml", "clock.toml", "base.toml", "mine.toml",
    ]  # fmt: skip
    clock = scenario_of(made_of).clock
    assert clock is not None
    assert clock.drift_ppm == 3


def test_a_mistake_is_found_in_the_file_that_makes_it(tmp_path: Path) -> None:
    (tmp_path / "part.toml").write_text('# a part\n[[load]]\nname = "house"\n\nshape = "hill"\n')
    (tmp_path / "mine.toml").write_text(
        'use = ["residential-tou", "part.toml"]\ntitle = "mine"\n[[load]]\nname = "roof"\n'
    )
    with pytest.raises(UsageError, match=r"part\.toml, line 5: load\.house\.shape: .*allowed: commercial, flat"):
        load_scenario(tmp_path / "mine.toml")
    (tmp_path / "part.toml").write_text('[[load]]\nname = "house"\nnoise_percent = 101\n')
    with pytest.raises(UsageError, match=r"part\.toml, line 3: load\[0\]\.noise_percent: .*from 0 to 100"):
        load_scenario(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": 'use = ["b.toml"]', "b": 'use = ["a.toml"]'}, "uses itself"),
        ({"a": 'title = "x"\nuse = ["nothing"]'}, "line 2: use: no scenario or piece is called nothing (there are"),
        ({"a": 'use = ["gone.toml"]'}, "line 1: use: scenario"),
        ({"a": "use = 3"}, "line 1: use: names in brackets"),
        ({"a": "title = [[" + "[" * 2000}, "a.toml"),
        ({"a": "x = 1e999999999999999999"}, "a.toml"),
        ({"a": 'use = ["' + '", "'.join(["residential-tou"] * 60) + '"]'}, "more than 50 files"),
    ],
)
def test_use_that_leads_nowhere_is_refused(files: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / f"{name}.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_scenario(tmp_path / "a.toml")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[clock]\ndrift = 3", 5, "unknown field `drift` (allowed: shows, zone_min"),
        ("[clock]\nbattery = 'flat'", 5, "clock.battery: Invalid enum value 'flat' (allowed: dead, good)"),
        ("[[clock.set]]\nat = 2026-02-01T00:00:00Z", 4, "clock.set[0]: needs either `by_s` or `right = true`"),
        ("[[clock.set]]\nat = 2026-02-01T00:00:00Z\nright = true", 6, "needs `clock.offset_at`"),
        ("[[clock.set]]\nat = 2026-02-01T00:00:00\nby_s = 1", 5, "clock.set[0].at: Expected `datetime` with a time"),
        ("[registers]\ndials = 19", 5, "registers.dials: Expected `int` <= 18 (allowed: whole numbers from 1 to 18)"),
        ("[clock]\ndrift_ppm = -1_000_000", 5, "clock.drift_ppm: -1000000 is not a number from -10000 to 10000"),
        ("[clock]\noffset_s = nan", 5, "clock.offset_s: NaN is not a number"),
        ("[quirks]\nregister_scale = '1e999999'", 5, "quirks.register_scale: 1E+999999 is not a number"),
        ("[[source]]\nname = 'volts'\nfixed = 1e-99", 6, "source[3].fixed: 1E-99 has more than 18 decimal places"),
        ("[registers]\nstep = 0", 5, "registers.step: must be above 0"),
        ("[registers]\ndials = 16", 5, "registers.dials: "),
        ("holidays = ['02-30']", 4, "holidays[0]: 02-30 is no date"),
        ("holidays = ['4 July']", 4, "(allowed: MM-DD for every year, YYYY-MM-DD for one)"),
        ("[[shape]]\nname = 's'\nday = [1, 2]", 6, "shape[0].day: Expected `array` of length >= 24"),
        ("[[shape]]\nname = 's'\nday = [" + "1," * 30 + "]", 6, "shape.s.day: has 30 points; allowed: 24, 48, 96"),
        ("[[shape]]\nname = 'flat'\nday = [" + "1," * 24 + "]", 5, "there is a shape called flat already"),
        ("[[load]]\nname = 'house'\n[[load.change]]\nfrom = 2026-02-01T00:03:00Z\npercent = 3", 7,
         "load.house.change[0].from: 2026-02-01 00:03:00+00:00 is not on the grid of 15 minutes"),
        ("[[tamper]]\nkind = 'theft'\nfrom = 2026-02-01T00:00:00Z", 5,
         "Invalid enum value 'theft' (allowed: bypass, lost_phase, opened, reprogrammed, reversed)"),
        ("[[tamper]]\nkind = 'reversed'\nfrom = 2026-02-01T00:00:00Z", 4, "tamper[0]: reversed needs `load`"),
        ("[[tamper]]\nkind = 'opened'\npercent = 3\nfrom = 2026-02-01T00:00:00Z", 6, "tamper[0].percent: opened has"),
        ("[[tamper]]\nkind = 'bypass'\nload = 'barn'\nfrom = 2026-02-01T00:00:00Z", 6, "allowed: house, roof"),
        ("[[tamper]]\nkind = 'bypass'\nfrom = 2025-02-01T00:00:00Z", 6, "before the meter was installed"),
        ("[[tamper]]\nkind = 'bypass'\nfrom = 2026-02-01T00:00:00Z\nuntil = 2026-01-30T00:00:00Z", 7, "is not after"),
        ("[[tamper]]\nkind = 'reprogrammed'\nsource = 'volts'\nmultiplier = 2\nfrom = 2026-02-01T00:00:00Z", 6,
         "volts has no MULTIPLIER in ST15"),
        ("[quirks]\nscaling = 'multiply'", 5, "quirks.scaling: no profile set has `scaled = true`"),
        ("[quirks]\nregister_scale = 0", 5, "quirks.register_scale: must be above 0"),
        ("[quirks]\nblock_order = 'descending'", 5, "quirks.block_order: is how the blocks lie: ascending"),
        ("faults = ['noise']", 4, "faults: no fault is called noise"),
        ("visits = [2026-02-01T00:00:00Z, 2026-01-31T00:00:00Z]", 4, "visits[1]: "),
        ("visits = [2025-02-01T00:00:00Z]", 4, "visits[0]: 2025-02-01 00:00:00+00:00 is before the meter"),
        ("visits = [2026-02-01T01:00:00Z]\n[[outage]]\nat = 2026-02-01T00:00:00Z\nseconds = 600", 4, "service is off"),
        ("[[outage]]\nseconds = 600", 4, "outage[0]: needs either `at` or `ago_min`"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_line_key_and_what_is_allowed(text: str, line: int, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_scenario(BASE + text + "\n", "mine.toml")
    assert message in str(caught.value)
    assert f"mine.toml, line {line}: " in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", [*names_of("laboratory"), *names_of("piece")])
def test_everything_that_ships_is_whole_and_says_what_it_is(name: str) -> None:
    text = shipped(name, "laboratory", "piece")
    assert text.startswith("# ")
    assert tomllib.loads(text)
    if name in names_of("laboratory"):
        assert load_scenario(name).visits


def test_what_the_manual_shows_is_a_scenario_and_it_leaves_no_key_out() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "laboratory.md").read_text()
    (shown,) = re.findall(r"```toml\n(.*?)```", manual, re.DOTALL)
    assert len(parse_scenario(shown, "manual.toml").visits) == 2
    for part in (Shape, Load, Change, ClockSetting, Tamper, Quirks):
        for field in msgspec.structs.fields(part):
            assert re.search(rf"`[^`]*\b{field.encode_name}\b[^`]*`", manual), f"{part.__name__}.{field.encode_name}"
    assert all(f"`{name}`" in manual for name in names_of("laboratory"))
    assert all(f"`{kind}`" in manual for kind in get_args(TamperKind))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([*BASE.splitlines(), "[", "[clock]", "drift_ppm = 'x'", "use = []", "\0", "a.b = 1"])))
def test_no_text_breaks_the_reading_of_scenarios(lines: list[str]) -> None:
    try:
        scenario = parse_scenario("\n".join(lines), "x.toml")
    except UsageError as error:
        assert str(error)  # noqa: PT017 - whatever the text, it is a scenario or a mistake that is named
    else:
        assert scenario.title


_TREES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("abc"), _TREES, max_size=3))
@settings(max_examples=15, deadline=None)
def test_a_document_on_top_of_itself_is_itself(tree: dict[str, object]) -> None:
    once = composed(File("a.toml", ""))
    once.merge(File("b.toml", ""), tree)
    before = repr(once.document)
    once.merge(File("c.toml", ""), tree)
    assert repr(once.document) == before == repr(tree)
    assert once.place(["a", 0, "b"]).startswith(("b.toml", "c.toml"))
