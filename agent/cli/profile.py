"""List and show meter family profiles."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from agent.cli.show import table
from drivers.profiles import as_dict, describe, load_profiles, summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|show")
    for name, text in (("list", "one line a family"), ("show", "everything known about one family, and from where")):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("--profile-dir", metavar="DIR", type=Path, action="append", default=[], help="more profiles")
        verb.add_argument("--json", action="store_true", help="print JSON")
        if name == "show":
            verb.add_argument("name", metavar="NAME")


def run(arguments: argparse.Namespace) -> int:
    profiles = load_profiles(arguments.profile_dir)
    if arguments.verb == "show":
        profile = profiles.find(arguments.name)
        text = json.dumps(as_dict(profile), indent=2, ensure_ascii=False) if arguments.json else describe(profile)
    elif arguments.json:
        text = json.dumps([as_dict(profile) for profile in profiles], indent=2, ensure_ascii=False)
    else:
        rows = [{key: str(value) for key, value in summary(profile).items()} for profile in profiles]
        text = table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    sys.stdout.write(text.rstrip("\n") + "\n")
    return 0
