"""Meters ring the agent: modem, dialogue, driver, checks and audit log are real, only time is virtual."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest

from agent.audit import AuditLog
from agent.box import configured_box, records_of
from agent.call_in import CallDesk, Caller, Visitor, attend
from agent.call_in_book import CallBook
from agent.call_in_service import CallReader, take_calls
from agent.call_in_settings import CallInSettings
from agent.call_in_tasks import asking, telling
from agent.config import load_config
from agent.follow_up import FollowUp
from agent.keeping import open_spool
from agent.keys import create_device_key
from agent.ledger import LEDGER, Ledger
from agent.order import Order
from agent.reading import Reading
from agent.scheduling.cycle_text import parse_cycle
from agent.visit import Box, visit
from drivers.errors import LineLost
from drivers.psem import driver as driver_module
from drivers.psem.client import PsemClient
from drivers.transport.modem import Modem
from metersim.modem import Bank, Site, SitePlan, running_bank
from metersim.modem.bank import FIRST_NUMBER
from metersim.modem.calling import Caller as CallingMeter
from metersim.modem.calling import CallPlan
from tests.metersim.modem_kit import NUMBER, WRITING, serving
from tests.soak.virtual_loop import rest
from tests.system.telephone_town import BEGINS, Clock, TownLoop

pytestmark = pytest.mark.system

MT40 = 2048 + 40
PROFILE = """\
name = "sim-caller"
title = "Simulated meter that calls"
status = "not tried on hardware"
[detect]
manufacturer = "SIM"
model = "MINIMAL"
[next_call]
table = "MT40"
form = "seconds"
"""
DUE = BEGINS.replace(hour=5)  # every day at 05:00 UTC


@dataclass
class Office:
    """The agent's side, and what came of the calls."""

    directory: Path
    clock: Clock
    bank: Bank
    readings: list[Reading] = field(default_factory=list)
    dues: list[datetime | None] = field(default_factory=list)
    lines_open: list[bool] = field(default_factory=list)

    def desk(self, *, may_tell: bool = True, meter_id: str = "M-1") -> CallDesk:
        secret = self.directory / "meter.password"
        secret.touch(mode=0o600)
        secret.write_bytes(WRITING)
        order = Order(
            url=f"modem://town?dial={NUMBER}",
            expected_meter_id=meter_id,
            password_file=str(secret),
            registers_only=True,
            clock_check=False,
        )
        box = self.box()
        return CallDesk(
            [Caller("house", order, parse_cycle("daily at 05:00", UTC), may_tell=may_tell)],
            CallBook(self.directory / "call_in.json"),
            asking(box),
            partial(self._read, box),
            telling(box),
            self.clock.now,
        )

    def box(self) -> Box:
        profiles = self.directory / "profiles"
        profiles.mkdir(exist_ok=True)
        (profiles / "sim-caller.toml").write_text(PROFILE)
        audit = self.directory / "audit.jsonl"
        return Box(
            agent_id="gw-1",
            clock=self.clock,
            profile_dirs=(profiles,),
            audit=lambda: AuditLog(audit, self.clock.now),
        )

    async def _read(self, box: Box, visitor: Visitor) -> Reading:
        outcome = await visit(visitor.order, box, line=visitor.line, stay=True)
        assert outcome.broken is None
        self.readings.append(outcome.reading)
        self.dues.append(visitor.due)
        return outcome.reading

    def audited(self) -> list[dict[str, object]]:
        path = self.directory / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


Story = Callable[[Office, Modem, CallingMeter], Awaitable[None]]


def calls_in(directory: Path, story: Story, *, call: CallPlan | None = None) -> Office:
    """Let `story` happen between a meter that calls and an agent with one modem."""
    loop = TownLoop()
    loop.allow(10 * 86_400)
    offices: list[Office] = []

    async def main() -> None:
        clock = Clock(loop.time, loop.time())
        plans = [SitePlan(NUMBER, (serving("minimal", now=BEGINS, writes=True),))]
        async with running_bank(plans) as bank:
            terminal = bank.terminal(0)
            modem = Modem(terminal, pins=terminal)
            office = Office(directory, clock, bank)
            offices.append(office)
            site: Site = bank.sites[NUMBER]
            meter = CallingMeter(site, call or CallPlan((str(FIRST_NUMBER),), told_in=MT40))
            await story(office, modem, meter)
            await modem.close()
            assert not bank.stations[0].engaged
            assert not site.engaged

    with (
        patch.object(driver_module, "PsemClient", partial(PsemClient, clock=loop.time)),
        patch("os.fsync", lambda _descriptor: None),
        patch("os.fdatasync", lambda _descriptor: None),
    ):
        try:
            loop.run_until_complete(main())
        finally:
            loop.abandon()
    return offices[0]


async def _attended(modem: Modem, desk: CallDesk, during: Awaitable[object]) -> None:
    """Take calls while something happens."""
    attending = asyncio.create_task(attend(modem, desk))
    try:
        await during
        await rest(60)  # until it is hung up
    finally:
        attending.cancel()
        with suppress(asyncio.CancelledError):
            await attending


def test_a_meter_calls_is_read_and_calls_again_when_it_was_told_to(tmp_path: Path) -> None:
    async def story(office: Office, modem: Modem, meter: CallingMeter) -> None:
        desk = office.desk()
        await rest((DUE - BEGINS).total_seconds() - 600)
        await _attended(modem, desk, meter.report())
        assert meter.told == DUE + timedelta(days=1)
        calling = asyncio.create_task(meter.run())
        await _attended(modem, desk, rest(86_400 + 3_600))
        calling.cancel()
        assert desk.ends == {"read": 2}
        assert meter.told == DUE + timedelta(days=2)

    office = calls_in(tmp_path, story)
    assert office.dues == [DUE, DUE + timedelta(days=1)]
    assert {reading.meter.meter_id for reading in office.readings} == {"M-1"}
    assert {reading.method for reading in office.readings} == {"modem"}
    assert all(reading.registers[0].value for reading in office.readings)
    written = [line for line in office.audited() if "next call" in str(line)]
    assert written
    assert any("MT40" in str(line) for line in written)
    assert WRITING not in (tmp_path / "audit.jsonl").read_bytes()


def test_an_alarm_is_read_as_a_special_one_and_the_scheduled_call_still_counts(tmp_path: Path) -> None:
    async def story(office: Office, modem: Modem, meter: CallingMeter) -> None:
        desk = office.desk()
        await rest((DUE - BEGINS).total_seconds())
        await _attended(modem, desk, meter.report())
        await rest(7 * 3600)
        await _attended(modem, desk, meter.report())
        assert desk.ends == {"read": 1, "alarm read": 1}
        assert meter.told == DUE + timedelta(days=1)

    office = calls_in(tmp_path, story)
    assert [reading.purpose for reading in office.readings] == ["cycle", "special"]
    assert office.dues == [DUE, None]


def test_a_meter_of_another_agent_is_hung_up_on_and_never_shown_the_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(office: Office, modem: Modem, meter: CallingMeter) -> None:
        heard: list[bytes] = []
        receive = office.bank.sites[NUMBER].hear
        office.bank.sites[NUMBER].hear = lambda octets: (heard.append(octets), receive(octets))[1]  # type: ignore[method-assign, func-returns-value]
        desk = office.desk(meter_id="M-77")
        await _attended(modem, desk, meter.report())
        assert desk.ends == {"unknown": 1}
        assert heard
        assert WRITING not in b"".join(heard)

    office = calls_in(tmp_path, story)
    assert office.readings == []
    assert "hung up, nothing is kept" in caplog.text


def test_without_leave_or_without_a_profile_that_says_how_nothing_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(office: Office, modem: Modem, meter: CallingMeter) -> None:
        await _attended(modem, office.desk(may_tell=False), meter.report())
        desk = office.desk()
        (tmp_path / "profiles" / "sim-caller.toml").write_text(PROFILE.partition("[next_call]")[0])
        await rest(86_400)
        await _attended(modem, desk, meter.report())
        assert desk.ends == {"read": 1}
        assert meter.told is None

    with caplog.at_level(logging.INFO):
        office = calls_in(tmp_path, story)
    assert len(office.readings) == 2
    assert "no order gives leave" in caplog.text
    assert "does not say how to tell a meter its next call" in caplog.text
    assert office.audited() == []


def test_a_table_that_the_meter_does_not_have_is_a_refusal_in_the_journal(tmp_path: Path) -> None:
    async def story(office: Office, modem: Modem, meter: CallingMeter) -> None:
        desk = office.desk()
        await _attended(modem, desk, meter.report())
        assert desk.ends == {"read": 1}

    office = calls_in(tmp_path, story, call=CallPlan((str(FIRST_NUMBER),)))
    assert len(office.readings) == 1
    assert any("refused" in str(line) for line in office.audited())


def test_a_meter_that_hangs_up_in_the_middle_is_a_failed_call(tmp_path: Path) -> None:
    async def story(office: Office, modem: Modem, meter: CallingMeter) -> None:
        desk = office.desk()
        site = office.bank.sites[NUMBER]
        up, carrier = asyncio.Event(), site.carrier
        site.carrier = lambda told: (up.set(), carrier(told))[1]  # type: ignore[method-assign, assignment, func-returns-value]

        async def gives_up() -> None:
            reporting = asyncio.create_task(meter.report())
            await up.wait()
            await rest(4)
            site.hang_up()
            assert await reporting

        await _attended(modem, desk, gives_up())
        assert sum(desk.ends.values()) == 1
        assert "read" not in desk.ends
        await _attended(modem, desk, meter.report())
        assert desk.ends["read"] == 1

    office = calls_in(tmp_path, story)
    assert len(office.readings) == 1
    assert msgspec.json.decode((tmp_path / "call_in.json").read_bytes())["house"]["told"]


CONFIG = f"""\
[agent]
agent_id = "gw-1"
state_directory = "state"
profile_directories = ["profiles"]
[[meters]]
name = "house"
url = "modem:///dev/ttyS0?dial={NUMBER}"
cycle = "daily at 05:00"
expected_meter_id = "M-1"
password_file = "meter.password"
registers_only = true
clock_check = false
"""


def test_the_services_job_takes_a_call_into_the_spool(tmp_path: Path) -> None:
    (tmp_path / "mrsp.toml").write_text(CONFIG)
    create_device_key(tmp_path / "state" / "keys")
    opened: list[str] = []

    async def story(office: Office, modem: Modem, meter: CallingMeter) -> None:
        office.desk()  # writes profile and password
        config = load_config(tmp_path / "mrsp.toml")
        settings = msgspec.convert(
            {"modems": ["modem:///dev/ttyS1"], "meters": [{"meter": "house", "tell_next_call": True}]}, CallInSettings
        )

        async def open_modem(url: str) -> Modem:
            opened.append(url)
            if len(opened) == 1:
                raise LineLost("the port is not there yet")
            return modem

        records = records_of(config)
        box = configured_box(config, office.clock, records=records)
        ledger = Ledger(config.state_directory / LEDGER)
        async with open_spool(config) as (spool, _keys):
            follower = FollowUp(records, spool, now=office.clock.now)
            reader = CallReader(config, box, spool, follower, ledger)
            with patch("agent.call_in_service.open_modem", open_modem):
                job = asyncio.create_task(take_calls(config, settings, reader, office.clock.moment))
                await rest((DUE - BEGINS).total_seconds())
                assert await meter.report()
                await rest(60)
                job.cancel()
                await asyncio.wait({job})
            (entry,) = await spool.entries()
            shown = await spool.show(entry.document_id)
        assert shown.document is not None
        document = msgspec.json.decode(shown.document)
        assert document["meter"]["meter_id"] == "M-1"
        assert await ledger.waiting() == {document["reading_id"]: DUE}
        assert meter.told == DUE + timedelta(days=1)

    calls_in(tmp_path, story)
    assert len(opened) == 2
