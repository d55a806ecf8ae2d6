"""Rule sets as files: what ships is as the sources say, and every mistake in a file is named."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from agent.checks import RuleSet, load_rule_set, rule_set_names, run_checks
from agent.checks.load import SHIPPED
from agent.checks.run import CHECKS
from agent.errors import ConfigError
from tests.checks.good_subject import good_subject

UBP_TEXT = (SHIPPED / "ubp-2000.toml").read_text(encoding="utf-8")


def own(directory: Path, text: str, name: str = "own") -> Path:
    path = directory / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def ubp_as(name: str) -> str:
    return UBP_TEXT.replace('name = "ubp-2000"', f'name = "{name}"')


def test_three_ship() -> None:
    assert rule_set_names() == ("cpuc-d97-12-048", "pge-direct-access", "ubp-2000")


def test_thresholds_as_the_sources_say() -> None:
    ubp, cpuc, pge = (load_rule_set(name) for name in ("ubp-2000", "cpuc-d97-12-048", "pge-direct-access"))
    for rules in (ubp, cpuc, pge):
        assert rules.agent_clock.tolerance_s == Decimal(60)
        assert rules.meter_clock.tolerance_s == Decimal(180)
        assert (rules.spike.ignored_pulses, rules.spike.ratio) == (Decimal(10), Decimal("1.8"))
    assert ubp.meter_clock.monthly_tou is not None
    assert ubp.meter_clock.monthly_tou.limit_s == Decimal(55 * 60)
    assert cpuc.meter_clock.monthly_tou is pge.meter_clock.monthly_tou is None
    assert (ubp.interval_count.allowed_difference, pge.interval_count.allowed_difference) == (0, 4)
    assert (ubp.tou_sum.previous_season, cpuc.tou_sum.previous_season) == (True, False)
    assert (ubp.tou_sum.active_only, cpuc.tou_sum.active_only) == (False, True)


def test_every_check_has_its_rule_and_every_rule_its_check() -> None:
    assert {check.name for check in CHECKS} == set(RuleSet.__struct_fields__) - {"name", "title", "based_on"}


def test_a_rule_set_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        load_rule_set("ubp-2000").name = "mine"  # type: ignore[misc]


def test_a_jurisdictions_own_is_found_and_named_in_results(tmp_path: Path) -> None:
    own(tmp_path, ubp_as("own").replace('tolerance_s = "180"', 'tolerance_s = "1.2"'))
    rules = load_rule_set("own", [tmp_path])
    assert rule_set_names([tmp_path]) == ("cpuc-d97-12-048", "own", "pge-direct-access", "ubp-2000")
    results = {result.check: result for result in run_checks(good_subject(), rules)}
    assert (results["meter_clock"].outcome, results["meter_clock"].limit) == ("fail", "1.2")
    assert results["meter_clock"].rule_set == "own"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('tolerance_s = "60"', 'tolerance = "60"', ["agent_clock.tolerance", "unknown", "line 9"]),
        ('tolerance_s = "60"', 'tolerance_s = "sixty"', ["agent_clock.tolerance_s", "line 9"]),
        ('tolerance_s = "60"', 'tolerance_s = "-1"', ["agent_clock", "tolerance_s", "line 7"]),
        ('tolerance_s = "60"', 'tolerance_s = "NaN"', ["agent_clock", "tolerance_s"]),
        ('tolerance_s = "60"', "tolerance_s = inf", ["agent_clock", "tolerance_s"]),
        ('tolerance_s = "60"', "tolerance_s = true", ["agent_clock.tolerance_s"]),
        ('tolerance_s = "60"', "", ["agent_clock", "tolerance_s", "missing"]),
        ('limit_s = "3300"', 'limit_s = "179.999"', ["meter_clock", "monthly_tou.limit_s", "tolerance_s"]),
        ("allowed_difference = 0", "allowed_difference = -1", ["interval_count.allowed_difference"]),
        ("allowed_difference = 0", 'allowed_difference = "none"', ["interval_count.allowed_difference"]),
        ('clause = "A4 3.8"', 'clause = ""', ["dial_count.clause"]),
        ("reread = true", 'reread = "yes"', ["dial_count.reread"]),
        ('modes = ["test"]', "modes = []", ["test_mode.modes"]),
        ("events = [45]", "events = [2048]", ["phase_loss.events"]),
        ('flags = ["low_loss_potential"]', 'flags = [""]', ["phase_loss.flags"]),
        ("[spike]", "[spikes]", ["spikes", "unknown"]),
        ('[pulse_overflow]\nclause = "A4 1.4.1"', "", ["pulse_overflow", "missing"]),
        ("[spike]", "[spike", ["not TOML", "line"]),
        ('title = "EEI', 'title = 3 # "EEI', ["title", "line 5"]),
        ('name = "own"', 'name = "Own rules"', ["name", "line 4"]),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, old: str, new: str, named: list[str]) -> None:
    text = ubp_as("own")
    assert old in text
    path = own(tmp_path, text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_rule_set("own", [tmp_path])
    for part in (str(path), *named):
        assert part in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    for name in ("ubp", "../ubp-2000", "", "rule_sets/ubp-2000"):
        with pytest.raises(ConfigError, match="known: cpuc-d97-12-048, pge-direct-access, ubp-2000"):
            load_rule_set(name, [tmp_path])


def test_a_file_that_calls_itself_something_else(tmp_path: Path) -> None:
    own(tmp_path, ubp_as("other"))
    with pytest.raises(ConfigError, match="`name`: is 'other'"):
        load_rule_set("own", [tmp_path])


def test_a_shipped_name_cannot_be_redefined(tmp_path: Path) -> None:
    own(tmp_path, UBP_TEXT, "ubp-2000")
    with pytest.raises(ConfigError, match="ships with the agent"):
        load_rule_set("ubp-2000", [tmp_path])


def test_the_first_directory_wins(tmp_path: Path) -> None:
    for number, directory in enumerate((tmp_path / "a", tmp_path / "b")):
        directory.mkdir()
        own(directory, ubp_as("own").replace('tolerance_s = "180"', f'tolerance_s = "{number}"'))
    assert load_rule_set("own", [tmp_path / "a", tmp_path / "b"]).meter_clock.tolerance_s == 0


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a directory"):
        load_rule_set("ubp-2000", [tmp_path / "absent"])


def test_rules_survive_a_round_trip() -> None:
    rules = load_rule_set("ubp-2000")
    assert msgspec.json.decode(msgspec.json.encode(rules), type=RuleSet) == rules
