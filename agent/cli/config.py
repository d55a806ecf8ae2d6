"""Validate a configuration and print what it means; names file, line and key of what is wrong."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import timedelta
from pathlib import Path

from agent.checks import load_rule_set
from agent.clock.system import SystemClock
from agent.config import Config, MeterSection, load_config
from agent.credentials import load_password
from agent.schedule import EPOCH, next_due
from drivers.profiles import load_profiles
from drivers.registry import driver_for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="check")
    check = verbs.add_parser("check", help="validate FILE and everything it names")
    check.add_argument("file", metavar="FILE", type=Path)
    check.add_argument("--json", action="store_true", help="print the meaning as JSON")


def run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.file)
    meaning = describe(config)
    if arguments.json:
        sys.stdout.write(json.dumps(meaning, indent=2, ensure_ascii=False) + "\n")
        return 0
    for key, value in meaning.items():
        if isinstance(value, list):
            sys.stdout.write("".join(f"{key:10} {line}\n" for line in value))
        else:
            sys.stdout.write(f"{key:10} {value}\n")
    sys.stdout.write("The configuration is valid.\n")
    return 0


def describe(config: Config) -> dict[str, str | list[str]]:
    """Say what a configuration means, having looked up every profile, rule set and password file that it names."""
    settings = config.settings
    forward = settings.forward
    asked = ", ".join([kind for kind in settings.clock.asked if kind != "ntp"] + list(map(str, settings.clock.servers)))
    return {
        "agent": f"{config.agent_id}; state in {config.state_directory}, keys in {config.key_directory}",
        "clock": f"proven by {asked}, within {settings.clock.max_offset_s} s",
        "spool": f"{config.spool_file}, at most {settings.spool.budget_octets:,} octets",
        "recordings": f"{config.recording_directory}, kept for {settings.recordings.keep}, "
        f"at most {settings.recordings.budget_octets:,} octets",
        "forward": "nowhere: readings stay in the spool (no [forward] section)"
        if forward is None
        else f"to {forward.host}:{forward.port} over mutual TLS, MQTT {forward.protocol}; "
        + ("encrypted to the MDSP" if settings.keys.encrypt else "encrypted if the MDSP's key file has a key for it"),
        "meter": [_meter(config, meter) for meter in settings.meters] or ["none: nothing will be read"],
    }


def _meter(config: Config, meter: MeterSection) -> str:
    driver_for(meter.url)
    if meter.profile:
        load_profiles(tuple(map(config.path, config.settings.agent.profile_directories))).find(meter.profile)
    rules = tuple(map(config.path, config.settings.agent.rule_set_directories))
    load_rule_set(meter.rule_set, rules)
    if meter.password_file:
        load_password(config.path(meter.password_file))
    now = EPOCH + timedelta(microseconds=SystemClock().realtime_ns() // 1000)
    due = f"{next_due(now, meter.period, meter.offset):%Y-%m-%d %H:%M:%S} UTC"
    profile = meter.profile or "profile recognised"
    return f"{meter.name} at {meter.url}, every {meter.every} (next {due}), {profile}, {meter.rule_set}"
