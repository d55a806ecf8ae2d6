"""At-read checks: pure functions over what a visit brought home, judged by a rule set that is a data file."""

from agent.checks.describe import describe
from agent.checks.load import load_rule_set, rule_set_names
from agent.checks.rules import RuleSet
from agent.checks.run import run_checks
from agent.checks.subject import ClockFacts, Subject

__all__ = ["ClockFacts", "RuleSet", "Subject", "describe", "load_rule_set", "rule_set_names", "run_checks"]
