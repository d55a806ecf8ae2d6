"""Anomaly and performance reports on their way: real broker, real signatures, safety first, each of them once."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from agent.figures import Period
from agent.follow_up import FollowUp
from agent.ledger import Ledger
from agent.meter_record import MeterRecords
from agent.order import Order
from agent.performance import figures_of, make_report
from agent.spool import Spool
from agent.visit import Outcome
from metersim.mdsp_store import MdspStore
from tests.anomalies.anomalies_kit import check, visited
from tests.figures.figures_kit import DENVER, at, daily, reading
from tests.forwarding.forwarding_kit import AGENT, DRAIN_S, World, fill

ORDER = Order(url="/dev/ttyUSB0", expected_meter_id="100")


async def follow(spool: Spool, directory: Path, outcome: Outcome) -> None:
    """What a process does after a visit whose reading is under way already."""
    follower = FollowUp(MeterRecords(directory / "meters"), spool)
    await follower.complete(await follower.prepare(ORDER, outcome))


async def test_a_lost_phase_overtakes_the_backlog_and_is_told_once(world: World) -> None:
    await world.broker()
    spool = await world.spool(encrypt=True)
    ids = await fill(spool, 30)
    faults = (
        check("meter_diagnostics", "fail", "the meter reports low_battery"),
        check("phase_loss", "fail", "the meter reports low_loss_potential"),
    )
    for day in (1, 2, 3):
        await follow(spool, world.directory, visited(*faults, day=day, agent_id=AGENT))
    async with world.mdsp():
        await world.forwarder(spool, window=5).drain(DRAIN_S)
    assert world.findings() == []
    arrived = [event["id"] for event in world.events if "id" in event]
    (first, *_rest) = arrived
    assert first not in ids
    store = MdspStore(world.directory / "mdsp.db")
    kinds = [one.kind for one in store.documents(AGENT)]
    store.close()
    assert (kinds.count("readings"), kinds.count("anomalies")) == (30, 2)


async def test_the_figures_know_what_the_mdsp_acknowledged_and_the_report_reaches_it(world: World) -> None:
    await world.broker()
    spool = await world.spool()
    ledger = Ledger(world.directory / "ledger")
    await ledger.begin([daily("a"), daily("b")], at(2, 5))
    (delivered,) = await fill(spool, 1)
    for meter, reading_id in (("a", delivered), ("b", "killed-before-it-was-stored")):
        await ledger.came(meter, at(2), reading(reading_id, at(2, 6, 1)))
    day = date(2026, 3, 2)
    async with world.mdsp():
        await world.forwarder(spool).drain(DRAIN_S)
        report = await make_report(ledger, spool, day, DENVER, at(3, 4, 16))
        await world.forwarder(spool).drain(DRAIN_S)
    assert (report.meters.received, report.meters.expected) == (1, 2)
    assert [(one.reason, one.meters) for one in report.exceptions] == [("not_acknowledged", ("b",))]
    assert [identity for _link, identity, _times in world.stored()] == [delivered, report.report_id]
    assert figures_of(ledger, Period(day, day, DENVER), at(3, 5)).meters.part == 1
    assert world.findings() == []
