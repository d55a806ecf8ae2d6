"""Plans, settings and rule sets: what is taken, and what is refused before any instrument is opened."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from agent.bench.calibration import due_on, months_later
from agent.bench.errors import BenchRefused
from agent.bench.limits import HardLimits
from agent.bench.plan import load_plan
from agent.bench.preparing import prepare
from agent.bench.rules import load_test_rules
from agent.bench.settings import BenchSettings
from agent.errors import ConfigError
from drivers.instruments.values import Setting
from tests.bench.bench_kit import CREEP, HALF, PLAN, TODAY, instrument, loaded, settings

D = Decimal
RULES = load_test_rules("ubp-2000")


def refused(directory: Path, text: str) -> str:
    with pytest.raises(BenchRefused) as caught:
        prepare(loaded(directory, text).plan, RULES, settings(), TODAY)
    return str(caught.value)


def test_a_whole_plan_is_ready(tmp_path: Path) -> None:
    found = loaded(tmp_path, PLAN + HALF + CREEP)
    ready = prepare(found.plan, RULES, settings(), TODAY)
    assert ready.ratio == 50
    assert ready.limits == HardLimits(D(264), D(100))
    assert len(found.sha256) == 64
    heavy, _, half, creep = found.plan.points
    assert (found.plan.pulses_of(heavy), found.plan.seconds_of(heavy)) == (20, D(72))
    assert (found.plan.pulses_of(half), half.factor, half.runs) == (41, D("0.5"), 3)
    assert (creep.runs, creep.seconds) == (1, 60)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"30 A"\npulses', '"30 V"\npulses', "is not in amperes"),
        ('"30 A"\npulses', '"30"\npulses', "is no number of amperes"),
        ('"30 A"\npulses', '"nan A"\npulses', "is no number of amperes"),
        ('"30 A"\npulses', '"1e2 A"\npulses', "is no number of amperes"),
        ('"30 A"\npulses', '"-30 A"\npulses', "is no number of amperes"),
        ('"30 A"\npulses', "30\npulses", "Expected `str`"),
        ('"30 A"\npulses', '"0 A"\npulses', "more than 0 A"),
        ("pulses = 20\n\n", 'pulses = 20\nrun_for = "9s"\n\n', "either `pulses` or `run_for`"),
        ("pulses = 20\n\n", "pulses = nan\n\n", "Expected `int"),
        ("pulses = 20\n\n", "pulses = 20\npulses = 20\n\n", "Cannot overwrite a value"),
        ("pulses = 20\n\n", "pulses = 20\nvolume = 11\n\n", "unknown key"),
        ("pulses = 20\n\n", "pulses = 20\nrepetitions = 1\n\n", "two or more `repetitions`"),
        ("pulses = 20\n\n", 'pulses = 20\npower_factor = "0.5"\nlag = "lagging"\n\n', "power factor of 1"),
        ("pulses = 20\n\n", 'pulses = 20\npower_factor = "0.0"\nlag = "lagging"\n\n', "above 0"),
        ('name = "light"', 'name = "heavy"', "is used twice"),
        ('role = "light"', 'role = "heavy"', "one heavy load, one light load"),
        ('role = "light"', 'role = "curve"', "a light load is tested too"),
        ('schema = "mrsp.bench/1"', 'schema = "mrsp.bench/2"', "schema"),
        ('"200 A"', '"20 A"', "is above the class"),
        ('kh = "7.2 Wh"', 'kh = "0 Wh"', "must be above zero"),
        ('kh = "7.2 Wh"', 'kh = "7.2 Wh"\nfrequency = "400 Hz"', "no mains frequency"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_by_line_and_key(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert PLAN.count(old) >= 1
    message = refused(tmp_path, PLAN.replace(old, new, 1))
    assert said in message
    assert "plan.toml" in message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"240 V"\ncurrent = "30 A"', '"253 V"\ncurrent = "30 A"', "more than 5 %"),
        ('"30 A"\npulses', '"23 A"\npulses', "heavy load is 80 to 120 %"),
        ('"3 A"', '"6 A"', "light load is 5 to 10 %"),
        ("pulses = 20\n\n", "pulses = 19\n\n", "at least 20 are compared"),
        ("pulses = 20\n\n", 'run_for = "68s"\n\n', "18 pulses; at least 20"),
        ('source = "src"', 'source = "sorcerer"', "there is no instrument 'sorcerer'"),
        ('source = "src"', 'source = "ref"', "is a standard by its profile"),
        ("pulses = 20\n\n", "pulses = 100000\n\n", ""),
    ],
)
def test_a_plan_outside_rules_and_bench_is_refused(old: str, new: str, said: str, tmp_path: Path) -> None:
    if not said:
        assert prepare(loaded(tmp_path, PLAN.replace(old, new, 1)).plan, RULES, settings(), TODAY).ratio == 50
        return
    assert said in refused(tmp_path, PLAN.replace(old, new, 1))


def test_no_plan_exceeds_the_limits_of_the_configuration(tmp_path: Path) -> None:
    plan = loaded(tmp_path).plan
    for more, said in (
        ({"most_voltage": "239 V"}, "above the 239 V"),
        ({"most_current": "29.9 A"}, "above the 29.9 A"),
    ):
        with pytest.raises(BenchRefused, match=said):
            prepare(plan, RULES, settings(**more), TODAY)
    only = BenchSettings(instruments=settings().instruments)
    assert (only.most_volts, only.most_amps) == (D(50), D(1))
    with pytest.raises(BenchRefused, match="above the 50 V"):
        prepare(plan, RULES, only, TODAY)


def test_no_plan_exceeds_the_class_of_the_meter(tmp_path: Path) -> None:
    text = PLAN.replace('"200 A"', '"32 A"') + HALF.replace('"15 A"', '"33 A"')
    assert "above the 32 A" in refused(tmp_path, text)


def test_no_plan_exceeds_the_range_of_the_source(tmp_path: Path) -> None:
    message = refused(tmp_path, PLAN + HALF.replace('"240 V"', '"263.00001 V"'))
    assert "half" in message
    assert "metersim-source" in message


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1"])
def test_the_limits_take_no_number_that_is_none(number: str) -> None:
    limits = HardLimits(D(240), D(10))
    for setting in (Setting(D(number), D(1), D(60)), Setting(D(1), D(number), D(60))):
        with pytest.raises(BenchRefused, match="cannot be set"):
            limits.check(setting, "a point")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"certificate": None}, "has no `certificate`"),
        ({"calibrated_on": None}, "has no `calibrated_on`"),
        ({"calibrated_on": date(2025, 11, 21)}, "was due on 2025-11-21|was due on 2026-11-21"),
        ({"calibrated_on": date(2026, 6, 1), "due_on": date(2026, 11, 21)}, "was due on 2026-11-21"),
        ({"calibrated_on": date(2026, 11, 23)}, "which is not yet"),
    ],
)
@pytest.mark.parametrize("which", ["src", "ref", "cnt"])
def test_an_instrument_without_a_valid_calibration_is_refused(
    which: str, section: dict[str, object], said: str, tmp_path: Path
) -> None:
    instruments = [
        msgspec.structs.replace(one, **section) if one.name == which else one for one in settings().instruments
    ]
    with pytest.raises(BenchRefused, match=said):
        prepare(loaded(tmp_path).plan, RULES, settings(instruments=tuple(instruments)), TODAY)


def test_a_calibration_lasts_a_year_at_most() -> None:
    one = instrument("ref", "metersim-standard", calibrated_on=date(2024, 2, 29))
    assert due_on(one, RULES.calibration) == date(2025, 2, 28)
    longer = msgspec.structs.replace(one, due_on=date(2026, 2, 28))
    assert due_on(longer, RULES.calibration) == date(2025, 2, 28)
    assert months_later(date(2026, 10, 31), 4) == date(2027, 2, 28)


def test_a_standard_without_an_uncertainty_goes_by_its_class(tmp_path: Path) -> None:
    source, standard, counter = settings().instruments
    bare = msgspec.structs.replace(standard, uncertainty=None)
    ready = prepare(loaded(tmp_path).plan, RULES, settings(instruments=(source, bare, counter)), TODAY)
    assert D("0.0230") < ready.standard_percent < D("0.0232")  # 2 × 0.02 / sqrt 3, and its absolute part
    assert "class" in ready.standard_basis
    series = msgspec.structs.replace(loaded(tmp_path).plan, elements=3)  # it sees a third of the meter's energy
    thirds = prepare(series, RULES, settings(instruments=(source, bare, counter)), TODAY)
    absolute = 2 * D("0.00001") * 100 / (20 * D("7.2")) / D(3).sqrt()
    assert abs(thirds.standard_percent - ready.standard_percent - 2 * absolute) < D("1e-12")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"most_voltage": "50 A"}, "is not in volts"),
        ({"most_voltage": "601 V"}, "never put on a meter"),
        ({"most_current": "401 A"}, "never put on a meter"),
        ({"instruments": (instrument("a", "x"), instrument("a", "y"))}, "is used twice"),
    ],
)
def test_settings_that_make_no_sense_are_refused(more: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        settings(**more)


def test_rule_sets_ship_and_own_ones_stand_beside_them(tmp_path: Path) -> None:
    assert load_test_rules("ubp-2000-mean").average.heavy == 1
    own = Path("agent/bench/rule_sets/ubp-2000.toml").read_text().replace('"ubp-2000"', '"state-x"', 1)
    (tmp_path / "state-x.toml").write_text(own.replace('percent = "0.10"', 'percent = "0"'))
    assert load_test_rules("state-x", [tmp_path]).allowed("periodic") == 0
    (tmp_path / "ubp-2000.toml").write_text(own)
    with pytest.raises(ConfigError, match="is taken"):
        load_test_rules("state-x", [tmp_path])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('percent = "0.10"', "percent = nan", "percent"),
        ('low = "99"', 'low = "102"', "must be above zero and below"),
        ("least = 20", "least = 0", "least"),
        ('name = "ubp-2000"', 'name = "other"', "the file is called"),
    ],
)
def test_a_rule_set_with_a_mistake_is_refused(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = Path("agent/bench/rule_sets/ubp-2000.toml").read_text().replace('"ubp-2000"', '"mine"', 1)
    (tmp_path / "mine.toml").write_text(text.replace(old.replace("ubp-2000", "mine"), new, 1))
    with pytest.raises(ConfigError, match=said):
        load_test_rules("mine", [tmp_path])


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BenchRefused, match="UTF-8"):
        load_plan(tmp_path / "plan.toml")
    with pytest.raises(BenchRefused, match="cannot be read"):
        load_plan(tmp_path / "none.toml")
