"""Validate a configuration and say what it means, or what is wrong by file, line and key; or explain every key."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import timedelta
from pathlib import Path

from agent.checks import load_rule_set
from agent.clock.system import SystemClock
from agent.config import Config, MeterSection, Settings, load_config
from agent.config_reference import as_markdown, as_text
from agent.credentials import has_credentials, is_credential, load_password
from agent.errors import UsageError
from agent.keys import MdspKeys, MdspKeySet
from agent.lines import PSEM_SCHEMES, url_on
from agent.outlet_settings import PLAIN
from agent.schedule import EPOCH
from agent.scheduling.reads import Standing
from drivers.modbus.address import parse_address as parse_modbus
from drivers.modbus.library import SUNSPEC, load_maps
from drivers.pager.formats import load_format
from drivers.pager.settings import parse_address as parse_pager
from drivers.profiles import load_profiles
from drivers.registry import driver_for, scheme_of
from drivers.transport import parse_url


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="check|reference")
    check = verbs.add_parser("check", help="validate FILE and everything it names")
    check.add_argument("file", metavar="FILE", type=Path)
    check.add_argument("--json", action="store_true", help="print the meaning as JSON")
    reference = verbs.add_parser("reference", help="every key, its default and what it means")
    reference.add_argument("section", metavar="SECTION", nargs="*", help="e.g. clock; default: all")
    reference.add_argument("--markdown", action="store_true", help="as the page docs/configuration.md")


def run(arguments: argparse.Namespace) -> int:
    if arguments.verb == "reference":
        text = as_markdown(Settings) if arguments.markdown else as_text(Settings, arguments.section)
        sys.stdout.write(text)
        return 0
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
    forward, mdsp = settings.forward, _mdsp_keys(config)
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
        **_outlets(settings, encrypts=mdsp is not None and bool(mdsp.encryption)),
        **_doors(config),
        **_fleet(config),
        "schedule": f"at most {settings.schedule.sessions} visits at once; by {settings.schedule.deadline} local",
        "bank": [f"{bank.name}: {', '.join(bank.lines)}" for bank in settings.modem_banks] or ["no banks of modems"],
        **_listening(config),
        "meter": [
            _meter(config, meter, standing)
            for meter, standing in zip(settings.meters, settings.standings(), strict=True)
        ]
        or ["none: nothing will be read"],
    }


def _mdsp_keys(config: Config) -> MdspKeySet | None:
    """Return the MDSP's keys, if the configuration names a file of them. Raises `LocalTrouble` for one of no use."""
    keys = config.settings.keys
    return None if keys.mdsp is None else MdspKeys(config.path(keys.mdsp), require_encryption=keys.encrypt).load()


def _outlets(settings: Settings, *, encrypts: bool) -> dict[str, str | list[str]]:
    """Say what else documents are written to. Raises `UsageError` for files that could never be written."""
    said = []
    if (file := settings.outlet.file) is not None:
        if settings.forward is None and not PLAIN.isdisjoint(file.forms) and encrypts:
            raise UsageError(
                "`outlet.file.forms`: documents are encrypted to the MDSP, and cannot be written in plain",
                advice='`forms = ["sealed"]`, or take the key with "use": "enc" out of the file of `keys.mdsp`',
            )
        forms = ", ".join(file.forms)
        way = f"copies as {forms}" if settings.forward is not None else f"{forms}, delivered {file.delivered}"
        said.append(f"{file.directory}: {way}, at most {file.budget_octets:,} octets")
    if settings.outlet.stdout:
        said.append("standard output of the service: a copy of each document")
    return {"outlet": said} if said else {}


def _doors(config: Config) -> dict[str, str]:
    """Say what the MDSP may ask, and where persons log in."""
    said = {}
    if (asked := config.settings.requests) is not None:
        receiver = asked.receiver or config.agent_id
        said["requests"] = f"of the MDSP to {receiver}, {asked.per_hour} an hour, a meter {asked.meter_per_day} a day"
    if (console := config.settings.console) is not None:
        said["console"] = f"{'https' if console.tls else 'http'}://{console.listen}"
    return said


def _fleet(config: Config) -> dict[str, str]:
    """Say which version of the fleet's this is."""
    fleet, version = config.settings.fleet, config.fleet_version
    if fleet is None:
        return {}
    groups = f"; in {', '.join(fleet.groups)}" if fleet.groups else ""
    this = f"version {version}, in {config.base}" if version else "the box's own file"
    return {"fleet": f"{this}; bundles signed by {fleet.keys}{groups}"}


def _listening(config: Config) -> dict[str, str | list[str]]:
    """Say who may call, and what is listened to. Raises `UsageError` for a read plan with a mistake."""
    settings = config.settings
    said: dict[str, str | list[str]] = {}
    planned: dict[str, int] = {}
    for plan in (one.plan for one in (settings.radio, settings.pager) if one is not None):
        from agent.listening.plan import load_plan  # noqa: PLC0415 - most gateways have no receiver

        planned[plan] = len(load_plan(config.path(plan)).meters)
    if settings.call_in is not None:
        modems = ", ".join(settings.call_in.modems)
        said["calls"] = [
            f"{one.meter} calls {modems}"
            + (f", {one.cycle}" if one.cycle else "")
            + (", when paged" if one.wake else "")
            for one in settings.call_in.meters
        ]
    if settings.radio is not None:
        said["radio"] = f"{planned[settings.radio.plan]} meters of {settings.radio.plan}"
    if settings.pager is not None:
        plan, frequency = settings.pager.plan, settings.pager.frequency
        said["pager"] = f"{planned[plan]} meters of {plan}, at {frequency:,} Hz"
    if settings.pager_push is not None:
        push = settings.pager_push
        said["replies"] = f"of pagers taken at {push.listen}:{push.port}{push.path}, from {', '.join(push.allow)}"
    return said


def _meter(config: Config, meter: MeterSection, standing: Standing) -> str:
    _check_line(config, meter, standing)
    rules = tuple(map(config.path, config.settings.agent.rule_set_directories))
    load_rule_set(meter.rule_set, rules)
    if meter.password_file and not (is_credential(meter.password_file) and not has_credentials()):
        load_password(config.path(meter.password_file))
    now = EPOCH + timedelta(microseconds=SystemClock().realtime_ns() // 1000)
    due = standing.cycle.after(now)
    following = "no more due times" if due is None else f"next {due:%Y-%m-%d %H:%M:%S} UTC"
    words = [f"{meter.name} at {meter.url}, {standing.cycle.words()} ({following}), by {standing.deadline:%H:%M} local"]
    if standing.window is not None:
        words.append(f"visited {standing.window.words()} only")
    if standing.way.bank is not None:
        words.append(f"by any of {len(standing.way.lines)} modems of {standing.way.bank}")
    return ", ".join([*words, meter.profile or "profile recognised", meter.rule_set])


def _check_line(config: Config, meter: MeterSection, standing: Standing) -> None:
    """Look up what a meter's URL and profile name, as its driver will. Raises `UsageError`; nothing is opened."""
    driver_for(meter.url)
    directories = tuple(map(config.path, config.settings.agent.profile_directories))
    scheme = scheme_of(meter.url)
    try:
        if scheme.startswith("modbus"):
            parse_modbus(meter.url)
            load_maps(directories).find(meter.profile or SUNSPEC)
        elif scheme.startswith("wctp+"):
            load_format(parse_pager(meter.url).format, directories)
        elif scheme in PSEM_SCHEMES:
            for line in standing.way.lines:
                parse_url(url_on(meter.url, line, config.settings.banks))
            if meter.profile:
                load_profiles(directories).find(meter.profile)
    except UsageError as error:
        raise error.at(meter.name) from error.__cause__
