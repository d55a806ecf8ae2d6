"""A jurisdiction's own rule set, based on another; rule sets in words; `mrsp rules`."""

from __future__ import annotations

import argparse
import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from agent.checks import RuleSet, load_rule_set, rule_set_names, run_checks
from agent.checks.load import SHIPPED, read_rule_set
from agent.checks.run import CHECKS
from agent.checks.words import in_words
from agent.cli import rules as command
from agent.errors import ConfigError
from tests.checks.good_subject import counted, good_subject, only, with_interval

OWN = """\
name = "own"
title = "Rules of our own"
based_on = "ubp-2000"

[spike]
clause = "Own 7"
ratio = "3"

[high_low_usage.interval]
within = "30"
"""


def own(directory: Path, text: str = OWN, name: str = "own") -> Path:
    path = directory / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(list(words)))


class TestBasedOn:
    def test_what_it_leaves_out_is_as_in_its_base(self, tmp_path: Path) -> None:
        own(tmp_path)
        rules, base = load_rule_set("own", [tmp_path]), load_rule_set("ubp-2000")
        assert type(rules) is RuleSet
        assert (rules.spike.ratio, rules.spike.ignored_pulses) == (Decimal(3), Decimal(10))
        assert (rules.high_low_usage.interval.within, rules.high_low_usage.low) == (Decimal(30), Decimal(40))
        changed = {name for name in RuleSet.__struct_fields__ if getattr(rules, name) != getattr(base, name)}
        assert changed == {"name", "title", "based_on", "spike", "high_low_usage"}
        assert msgspec.json.decode(msgspec.json.encode(rules), type=RuleSet) == rules

    def test_results_name_it_and_its_clause(self, tmp_path: Path) -> None:
        own(tmp_path)
        rules = load_rule_set("own", [tmp_path])
        subject = counted(with_interval(good_subject(channels=1), 0, 9, count=110))
        result = only(run_checks(subject, rules), "spike")
        assert (result.outcome, result.limit, result.rule_set, result.clause) == ("fail", "3", "own", "Own 7")
        assert only(run_checks(subject, rules), "dial_count").clause == "A4 3.8"

    def test_one_upon_another(self, tmp_path: Path) -> None:
        own(tmp_path)
        own(tmp_path, 'name = "city"\ntitle = "City"\nbased_on = "own"\n[spike]\nignored_pulses = "4"\n', "city")
        rules = load_rule_set("city", [tmp_path])
        assert (rules.spike.ratio, rules.spike.ignored_pulses, rules.spike.clause) == (Decimal(3), Decimal(4), "Own 7")

    def test_a_variant_that_the_base_has_not(self, tmp_path: Path) -> None:
        monthly = '[meter_clock.monthly_tou]\nclause = "Own 2"\nlimit_s = "600"\n'
        own(tmp_path, f'name = "own"\ntitle = "Own"\nbased_on = "cpuc-d97-12-048"\n{monthly}')
        found = load_rule_set("own", [tmp_path]).meter_clock.monthly_tou
        assert found is not None
        assert found.limit_s == Decimal(600)

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            (OWN.replace('"3"', '"three"'), ["line 7", "spike.ratio"]),
            (OWN.replace("ratio", "ration"), ["line 7", "spike.ration", "unknown key"]),
            (OWN.replace("[spike]", "[spikes]"), ["line 5", "spikes", "unknown key"]),
            (OWN.replace('title = "Rules of our own"\n', ""), ["title", "missing"]),
            (OWN.replace("ubp-2000", "ubp"), ["line 3", "based_on", "no rule set 'ubp'", "known: cpuc"]),
            (OWN.replace("ubp-2000", "own"), ["based_on", "own is based on own"]),
            (OWN.replace('"ubp-2000"', "3"), ["line 3", "based_on"]),
            (OWN + '[meter_clock.monthly_tou]\nlimit_s = "1"\n', ["meter_clock", "must not be below"]),
            (
                OWN + '[high_low_demand]\nlow = "300"\n',
                ["line 11", "high_low_demand", "`low` must not be above `high`"],
            ),
            (OWN + '[sum_check]\nredo = ["guess"]\n', ["line 12", "sum_check.redo"]),
            (OWN + '[register_advance]\nmost_of_dial = "2"\n', ["line 11", "at most 1"]),
            (OWN + "[spike]\n", ["not TOML"]),
        ],
    )
    def test_each_mistake_is_named(self, tmp_path: Path, text: str, named: list[str]) -> None:
        path = own(tmp_path, text)
        with pytest.raises(ConfigError) as caught:
            load_rule_set("own", [tmp_path])
        for part in (str(path), *named):
            assert part in str(caught.value)

    def test_a_circle(self, tmp_path: Path) -> None:
        own(tmp_path, 'name = "a"\ntitle = "A"\nbased_on = "b"\n', "a")
        own(tmp_path, 'name = "b"\ntitle = "B"\nbased_on = "a"\n', "b")
        with pytest.raises(ConfigError, match="a is based on b is based on a"):
            load_rule_set("a", [tmp_path])


class TestInWords:
    @pytest.mark.parametrize("name", rule_set_names())
    def test_every_check_is_told_with_its_limits(self, name: str) -> None:
        rules = load_rule_set(name)
        lines = in_words(rules)
        assert [line.check for line in lines] == [check.name for check in CHECKS]
        for line in lines:
            assert line.asks
            rule = getattr(rules, line.check)
            assert rule.clause in line.clause
            for key in rule.__struct_fields__:
                value = getattr(rule, key)
                if isinstance(value, Decimal) and key not in {"proratable_s", "most_of_dial"}:
                    assert str(value) in line.asks, (line.check, key)


class TestCommand:
    def test_list(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        own(tmp_path)
        assert run("list", "--rule-set-dir", str(tmp_path)) == 0
        out = capsys.readouterr().out
        assert all(name in out for name in ("cpuc-d97-12-048", "pge-direct-access", "ubp-2000", "Rules of our own"))
        assert run("list", "--json", "--rule-set-dir", str(tmp_path)) == 0
        found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
        assert found["own"] == {"name": "own", "title": "Rules of our own", "based_on": "ubp-2000"}

    def test_show(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        own(tmp_path)
        assert run("show", "own", "--rule-set-dir", str(tmp_path)) == 0
        out = capsys.readouterr().out
        assert "* spikes (spike)" in out
        assert "\nsum check (sum_check)" in out
        assert "[Own 7]" in out
        assert run("show", "ubp-2000", "--json") == 0
        assert msgspec.convert(json.loads(capsys.readouterr().out), RuleSet) == load_rule_set("ubp-2000")

    def test_show_of_none(self) -> None:
        with pytest.raises(ConfigError, match="known: cpuc"):
            run("show", "nothing")

    def test_check(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        own(tmp_path, 'name = "city"\ntitle = "City"\nbased_on = "own"\n', "city")
        path = own(tmp_path)
        assert run("check", str(path)) == 0
        assert "own.toml can be used." in capsys.readouterr().out
        assert run("check", str(tmp_path / "city.toml"), "--json") == 0  # its base lies beside it
        assert json.loads(capsys.readouterr().out)["valid"]

    def test_check_of_what_is_wrong(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = own(tmp_path, OWN.replace('"3"', '"x"'))
        with pytest.raises(ConfigError, match="line 7"):
            run("check", str(path))
        assert run("check", str(path), "--json") == 2
        report = json.loads(capsys.readouterr().out)
        assert not report["valid"]
        assert "spike.ratio" in report["mistakes"][0]

    def test_check_of_a_name_that_ships(self, tmp_path: Path) -> None:
        path = own(tmp_path, OWN, "ubp-2000")
        with pytest.raises(ConfigError, match="taken by a rule set that ships"):
            run("check", str(path))
        assert read_rule_set(SHIPPED / "ubp-2000.toml") == load_rule_set("ubp-2000")

    def test_check_of_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read"):
            run("check", str(tmp_path / "absent" / "x.toml"))
