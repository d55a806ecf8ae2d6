"""Rule sets of the at-read checks: list them, show one in words with clause and limits, check a file.

`check` exits with 0 for a rule set that can be used, and with 2 for one that cannot; it names line and key of what is
wrong. A file of your own may begin with `based_on = "ubp-2000"` and say only what differs. `reference` prints the page
docs/checks.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import msgspec

from agent.checks import RuleSet, load_rule_set, rule_set_names
from agent.checks.load import SHIPPED, read_rule_set
from agent.checks.words import in_words
from agent.cli.show import table
from agent.errors import ConfigError

_VERBS = {
    "list": "one line a rule set",
    "show": "what each check of one rule set asks for, with clause and limits",
    "check": "validate a file and say what it means",
    "reference": "a page of Markdown: every check, and what each rule set asks",
}
_WIDTH = 110


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(_VERBS))
    for name, text in _VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
        verb.add_argument(
            "--rule-set-dir", metavar="DIR", type=Path, action="append", default=[], help="more rule sets"
        )
        verb.add_argument("--json", action="store_true", help="print JSON")
        if name == "show":
            verb.add_argument("name", metavar="NAME")
        elif name == "check":
            verb.add_argument("file", metavar="FILE", type=Path)


def run(arguments: argparse.Namespace) -> int:
    directories: list[Path] = arguments.rule_set_dir
    match arguments.verb:
        case "check":
            return _check(arguments, directories)
        case "reference":
            text = as_markdown([load_rule_set(name, directories) for name in rule_set_names(directories)])
        case "show":
            rules = load_rule_set(arguments.name, directories)
            text = _json(msgspec.to_builtins(rules)) if arguments.json else describe(rules, _base(rules, directories))
        case _:
            text = _list(directories, as_json=arguments.json)
    sys.stdout.write(text.rstrip("\n") + "\n")
    return 0


def describe(rules: RuleSet, base: RuleSet | None = None) -> str:
    """Return a rule set in words; `base`: the one it is based on, and what differs from it is marked."""
    lines = [rules.name, rules.title]
    if base is not None:
        lines.append(f"based on {base.name}; what differs is marked *")
    for line in in_words(rules):
        changed = base is not None and getattr(rules, line.check) != getattr(base, line.check)
        lines += ["", f"{'* ' if changed else ''}{line.title} ({line.check})"]
        lines += textwrap.wrap(line.asks, _WIDTH, initial_indent="    ", subsequent_indent="    ")
        lines += textwrap.wrap(f"[{line.clause}]", _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


_HEAD = """\
# The at-read checks

Every check runs at each reading, and none stops another. A result is `pass`, `fail`, `verified` (failed, then confirmed
by a second look) or `skipped` (with the reason); it carries the measured value, the limit, the rule set and the clause.
Nothing is edited, estimated or filled: what fails is delivered as it was read, and said to have failed.

An order names its rule set (`rule_set = "ubp-2000"`); a file of your own may begin with `based_on = "ubp-2000"` and say
only what differs: `mrsp rules check FILE` says what it means. This page is what `mrsp rules reference` prints.
"""


def as_markdown(rule_sets: Sequence[RuleSet]) -> str:
    """Return a page with each check, and what each rule set asks for, by which clause."""
    lines = [_HEAD, "| rule set | title |", "|---|---|", *(f"| `{one.name}` | {one.title} |" for one in rule_sets), ""]
    for same in zip(*(in_words(one) for one in rule_sets), strict=True):
        lines += [
            f"## {same[0].title}",
            "",
            f"`{same[0].check}`",
            "",
            "| rule set | asks that | clause |",
            "|---|---|---|",
        ]
        lines += [f"| `{one.name}` | {said.asks} | {said.clause} |" for one, said in zip(rule_sets, same, strict=True)]
        lines.append("")
    return "\n".join(lines)


def _list(directories: list[Path], *, as_json: bool) -> str:
    found = [load_rule_set(name, directories) for name in rule_set_names(directories)]
    if as_json:
        keys = ("name", "title", "based_on")
        return _json([{key: getattr(rules, key) for key in keys if getattr(rules, key)} for rules in found])
    rows = [(rules.name, rules.based_on or "", rules.title) for rules in found]
    return table(("name", "based on", "title"), rows)


def _check(arguments: argparse.Namespace, directories: list[Path]) -> int:
    file: Path = arguments.file
    elsewhere = file.parent.is_dir() and file.resolve().parent != SHIPPED.resolve()
    beside = [file.parent] if elsewhere else []  # where its base may be, too
    try:
        rules = read_rule_set(file, [*directories, *beside])
        base = _base(rules, [*directories, *beside])
    except ConfigError as error:
        if not arguments.json:
            raise
        sys.stdout.write(_json({"file": str(file), "valid": False, "mistakes": [str(error)]}) + "\n")
        return error.exit_code
    if arguments.json:
        report = {"file": str(file), "valid": True, "mistakes": [], "rule_set": msgspec.to_builtins(rules)}
        sys.stdout.write(_json(report) + "\n")
    else:
        sys.stdout.write(f"{file} can be used.\n\n{describe(rules, base)}\n")
    return 0


def _base(rules: RuleSet, directories: list[Path]) -> RuleSet | None:
    return None if rules.based_on is None else load_rule_set(rules.based_on, directories)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
