"""`mrsp bench run`: one test of one meter, from the arguments to the report in the spool."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agent.bench.conduct import Place, conduct
from agent.bench.errors import BenchRefused
from agent.bench.keeping import MeterTestBook, check_keeping, keep_report
from agent.bench.meter_side import Leave, OpticalPort
from agent.bench.one_test import only_test
from agent.bench.plan import LoadedPlan
from agent.bench.preparing import Ready, prepare
from agent.bench.report.compose import About
from agent.bench.report.document import MeterTest, Result, Stage
from agent.bench.rules import AccuracyRules, load_test_rules
from agent.bench.runner import Hooks, Pause
from agent.box import audit_file_of, configured_box, records_of, sessions_of
from agent.cli.audited import log_at, profiles_of
from agent.clock.measure import prove
from agent.clock.system import SystemClock
from agent.config import Config
from agent.credentials import load_password
from agent.errors import ClockForbids, UsageError
from agent.order import Order, Site
from agent.routes.safe_text import checked
from drivers.errors import printable

PROGRAM = "mrsp bench"
LONGEST = 2_000
STAGES: dict[str, Stage] = {"found": "as_found", "left": "as_left", "found-and-left": "as_found_and_left"}
_SITE = ("customer_id", "service_delivery_point_id", "account_id", "energy_supplier_id")


def ready_of(config: Config, loaded: LoadedPlan, zone: ZoneInfo) -> tuple[AccuracyRules, Ready]:
    """Check a plan against everything that is known without an instrument. Raises `BenchRefused`, `ConfigError`."""
    settings = config.settings.bench
    rules = load_test_rules(loaded.plan.rule_set, tuple(map(config.path, settings.rule_set_directories)))
    today: date = datetime.now(zone).date()
    return rules, prepare(loaded.plan, rules, settings, today, profiles_of(config, []))


def zone_of(config: Config, named: str | None) -> ZoneInfo:
    """Return the zone of the test date: as named, the box's, or UTC. Raises `UsageError`."""
    name = named or config.settings.clock.zone or "UTC"
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"{name!r} is no time zone known on this box", advice="for example America/Denver") from error


async def conducted(
    arguments: argparse.Namespace, config: Config, loaded: LoadedPlan, about: About, *, pause: Pause = asyncio.sleep
) -> MeterTest:
    """Make the test; return the report as it is in the spool. Raises as `conduct`, `ClockForbids`, `NotKept`."""
    zone = zone_of(config, arguments.zone)
    rules, ready = ready_of(config, loaded, zone)  # what can be refused is, before the clock is asked
    proof = await prove(config.settings.clock, SystemClock())
    if not proof.synchronized and not arguments.no_clock_check:
        raise ClockForbids(
            f"this box's clock is not proven, and calibrations are judged by it: {' '.join(proof.reasons)}",
            advice="`mrsp clock` explains it; --no-clock-check takes it as it is, and the report says so",
        )
    await check_keeping(config)
    found = await _found(config, about)
    port = _port(arguments, config, loaded)
    place = Place(
        settings=config.settings.bench,
        agent_id=config.agent_id,
        zone=zone,
        clock_proven=proof.synchronized,
        now=lambda: datetime.now(UTC),
        profile_dirs=profiles_of(config, []),
        hooks=Hooks(pause=pause, tell=_tell, meter=port),
    )
    try:
        with only_test(config.state_directory, (one.section.name for _, one in ready.all)):
            report = await conduct(loaded, rules, about, place, found)
    finally:
        if port is not None and port.in_test_mode:
            _tell("THE METER MAY BE IN TEST MODE: `mrsp procedure run … end_device_mode mode=metering` puts it back")
    return await keep_report(config, report)


def about_of(arguments: argparse.Namespace) -> About:
    """Return what the arguments say of the test. Raises `UsageError`."""
    stage = STAGES[arguments.stage]
    if (stage == "as_left") != (arguments.work is not None):
        raise UsageError("--work says what was done to the meter: it goes with --as left, and only with it")
    texts = {name: getattr(arguments, name) for name in ("reason", "work", "conditions", "order")}
    for name, text in texts.items():
        if text is not None:
            texts[name] = checked(text, f"--{name}", LONGEST)
    site = {name: checked(text, f"--{name}", 200) for name in _SITE if (text := getattr(arguments, name)) is not None}
    return About(
        meter_id=checked(arguments.meter_id, "--meter-id", 60),
        tester=checked(arguments.tester or getpass.getuser(), "--tester", 200),
        stage=stage,
        site=msgspec.convert(site, Site),
        order_id=texts["order"],
        reason=texts["reason"],
        witnesses=tuple(checked(one, "--witness", 200) for one in arguments.witness),
        work_performed=texts["work"],
        conditions=texts["conditions"],
    )


async def _found(config: Config, about: About) -> Result | None:
    """Return what an as-left test now belongs to: the test before, as found."""
    if about.stage != "as_left":
        return None
    async with await MeterTestBook.open(config, create=True) as book:
        before = await book.call(book.store.found_last, about.meter_id)
    if before is None:
        raise BenchRefused(
            f"meter {about.meter_id} was not tested as found before: as left is compared with that",
            advice="run the plan with --as found first, or --as found-and-left where nothing is adjusted",
        )
    return before


def _port(arguments: argparse.Namespace, config: Config, loaded: LoadedPlan) -> OpticalPort | None:
    """Return the meter's optical port, where the plan uses it."""
    access = loaded.plan.access
    if not (access.registers or access.test_mode):
        return None
    if arguments.url is None:
        raise BenchRefused("the plan uses the meter's optical port", advice="say by --url where it is")
    password = load_password(Path(arguments.password_file)) if arguments.password_file else None
    leave = None
    if access.test_mode:
        who = (arguments.authorized_by or "").strip()
        if not who:
            raise BenchRefused(
                "the plan puts the meter into test mode", advice="say by --authorized-by who gives leave"
            )
        log = log_at(audit_file_of(config))
        by = f"{who} (typed by uid {os.getuid()})"
        journal = log.journal(authorized_by=by, reason=arguments.reason or f"test plan {loaded.plan.name}")
        leave = Leave(journal, arguments.user_id, arguments.user, password)
    given = {
        "url": arguments.url,
        "purpose": "bench",
        "expected_meter_id": arguments.meter_id,
        "profile": arguments.profile,
        "user_id": arguments.user_id,
        "user": arguments.user,
        "password_file": arguments.password_file,
        "registers_only": True,
        "clock_check": False,
    }
    order = msgspec.convert({key: value for key, value in given.items() if value is not None}, Order)
    box = configured_box(config, SystemClock(), records=records_of(config), sessions=sessions_of(config, PROGRAM))
    return OpticalPort(order, box, leave, profile_dirs=profiles_of(config, []))


def _tell(text: str) -> None:
    sys.stderr.write(printable(text) + "\n")
