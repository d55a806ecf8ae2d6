"""The codes of a stop are reported before they are set down, once; of a stop that has changed nothing is reported."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agent.errors import UsageError
from agent.follow_up import FollowUp
from agent.inspections.trouble import TroubleDesk
from agent.keys import create_device_key
from agent.meter_record import MeterRecords
from agent.order import Order
from agent.routes.codes import Code, CodeSet
from agent.routes.order import RouteOrder
from agent.routes.view import Stop
from agent.seal import Sealer
from agent.spool import Spool
from tests.anomalies.anomalies_kit import METER, reports
from tests.inspections.inspections_kit import FRIDAY, SITE

CODES = CodeSet(
    name="ours",
    title="Ours",
    codes={
        "bees": Code(text="bees in the meter box", kind="trouble", anomaly="physical_danger"),
        "d1": Code(text="a dog", kind="trouble", non_reading=True, anomaly="physical_danger", means="dog"),
        "rain": Code(text="it rains", kind="note"),
        "tampered": Code(text="jumpers", kind="trouble", anomaly="theft_of_service"),
    },
)
ORDER = Order(url="visual://", expected_meter_id=METER, site=SITE)


class Killed(BaseException):
    """The process is killed here."""


@dataclass
class _View:
    codes: CodeSet


@dataclass
class Routes:
    """A route with one stop, and the process that ends before it is changed."""

    stop_now: Stop
    killed: bool = False
    calls: list[dict[str, Any]] = field(default_factory=list)

    async def stop(self, _stop_id: str) -> Stop:
        return self.stop_now

    async def route(self, _route_id: str) -> _View:
        return _View(CODES)

    async def trouble(self, stop_id: str, by: str, version: int, codes: tuple[str, ...], **more: Any) -> Stop:
        if self.killed:
            raise Killed
        if version != self.stop_now.version:
            raise UsageError("changed meanwhile")
        self.calls.append({"stop_id": stop_id, "by": by, **more})
        self.stop_now = replace(self.stop_now, version=version + 1, codes=codes)
        return self.stop_now


@dataclass
class Place:
    desk: TroubleDesk
    routes: Routes
    spool: Spool

    async def found(self) -> list[tuple[str, list[str]]]:
        return [(one["anomaly"], one["found"]) for one in await reports(self.spool)]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    key = create_device_key(tmp_path / "keys")
    async with await Spool.open(tmp_path / "spool.sqlite", agent_id="gw-1", sealer=Sealer(key)) as spool:
        stop = Stop("s-1", "r-1", 1, RouteOrder(order=ORDER, method="visual"), "pending", 4)
        routes = Routes(stop)
        follower = FollowUp(MeterRecords(tmp_path / "meters"), spool)
        yield Place(TroubleDesk(routes, follower, lambda: FRIDAY), routes, spool)  # type: ignore[arg-type]


async def test_codes_are_reported_in_the_person_s_words_and_set_down(place: Place, caplog: Any) -> None:
    stop = await place.desk.trouble(
        "s-1", "ann", 4, ("bees", "d1", "rain", "tampered"), remark="two\nof them", photos=("p",)
    )
    assert (stop.version, stop.codes) == (5, ("bees", "d1", "rain", "tampered"))
    assert place.routes.calls == [
        {"stop_id": "s-1", "by": "ann", "remark": "two\nof them", "photos": ("p",), "position": None}
    ]
    danger, theft = await reports(place.spool)
    assert (danger["anomaly"], danger["found"]) == ("physical_danger", ["bees", "dog"])
    assert "bees in the meter box; a dog; two of them; " in danger["description"]
    assert (danger["found_by"], danger["photos"], danger["account_id"]) == ("ann", ["p"], "A7")
    assert (theft["anomaly"], theft["found"]) == ("theft_of_service", ["tampered"])
    assert "two of them" not in caplog.text


async def test_a_stop_that_has_changed_is_not_reported_of(place: Place) -> None:
    with pytest.raises(UsageError, match="changed meanwhile"):
        await place.desk.trouble("s-1", "ann", 3, ("bees",))
    assert await place.found() == []


async def test_bad_input_reports_nothing_and_changes_nothing(place: Place) -> None:
    with pytest.raises(UsageError, match="'ghost' is no code of ours"):
        await place.desk.trouble("s-1", "ann", 4, ("bees", "ghost"))
    with pytest.raises(UsageError, match=r"the remark: character 1 is U\+001B"):
        await place.desk.trouble("s-1", "ann", 4, ("bees",), remark="\x1b[2J")
    assert await place.found() == []
    assert place.routes.stop_now.version == 4


async def test_a_crash_in_between_is_made_up_for_and_reports_nothing_twice(place: Place) -> None:
    place.routes.killed = True
    with pytest.raises(Killed):
        await place.desk.trouble("s-1", "ann", 4, ("bees",))
    place.routes.killed = False
    stop = await place.desk.trouble("s-1", "ann", 4, ("bees",))
    assert stop.codes == ("bees",)
    assert await place.found() == [("physical_danger", ["bees"])]
    assert (await place.desk.trouble("s-1", "ann", 5, ())).codes == ()
    assert await place.found() == [("physical_danger", ["bees"])]
