"""Routes that the MDSP sends: loaded once and answered once, taken back while nobody walks them, results sent back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.errors import LocalTrouble
from agent.requests import intake, walks
from agent.requests.settings import RequestSettings
from agent.routes import store as routes_module
from agent.routes.book import NoSuchRoute
from tests.requests.requests_kit import Agent, Place, cancel, said, signed, with_route
from tests.routes.routes_kit import route, stop

DAY = "2026-11-23"  # that of the kit's clock


def walk(stops: int = 2, **more: Any) -> dict[str, Any]:
    return route(stops, **{"day": DAY, **more})


@pytest.fixture
def place(place: Place) -> Place:
    place.field_work = True
    return place


async def sent(agent: Agent, *contents: dict[str, Any]) -> None:
    """Let messages come in and be carried out, one after the other."""
    for content in contents:
        await agent.take(signed(content))
        await agent.handler.carry_on()


async def settled(agent: Agent, count: int) -> None:
    """Let a person read so many stops of R-1."""
    book = await agent.walked()
    for one in (await book.route("R-1")).stops[:count]:
        await book.settle(one.stop_id, "ann", f"r-{one.sequence}", "interrogated")


async def test_a_route_is_in_the_book_and_the_answer_says_how_many_stops(place: Place) -> None:
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk(3)))
        (answer,) = await agent.answers()
        assert {name: value for name, value in answer.items() if name not in {"response_id", "jti", "answered_at"}} == {
            "schema": "mrsp.response/1",
            "agent_id": "gw-0001",
            "sequence": 1,
            "outcome": "accepted",
            "transaction_id": "T-1",
            "action": "route",
            "route_id": "R-1",
            "stops": 3,
        }
        view = await (await agent.walked()).route("R-1")
        assert (view.summary.loaded_by, len(view.stops)) == ("MDSP-1", 3)
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted"]


async def test_without_field_work_a_route_of_any_size_is_refused(place: Place) -> None:
    place.field_work = False
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk(500)))
        assert await agent.outcomes() == ["refused no_field_work"]
        assert "no field work here" in (await agent.answers())[0]["detail"]


@pytest.mark.parametrize(
    ("wrong", "reason", "detail"),
    [
        ({"orders": [stop(1), stop(2, hazards=["dogg"])]}, "bad_route", "`orders[1].hazards`: dogg is no hazard"),
        ({"orders": [stop(1), stop(1)]}, "bad_route", "WO-1 is there already, at route, line 1, `orders[0].order.ord"),
        ({"zone": "Mars/Phobos"}, "bad_route", "`zone`: 'Mars/Phobos' is no time zone"),
        ({"day": "2026-11-22"}, "deadline", "the time of the route is over"),
        ({"day": "9999-12-31", "deadline": None}, "bad_route", "9999-12-31 is no day of a route"),
        ({"day": 7}, "bad_route", "`day`"),
        ({"orders": []}, "bad_route", "`orders`"),
        ({"orders": [stop(1, order={"url": "modem:///dev/ttyS0?dial=911"})]}, "bad_route", "`orders[0]`"),
        ({"more": "x" * 1_000}, "bad_route", "`more`: unknown key"),
    ],
)
async def test_a_route_with_a_mistake_is_refused_naming_the_field(
    place: Place, wrong: dict[str, Any], reason: str, detail: str
) -> None:
    tree = {name: value for name, value in {**walk(), **wrong}.items() if value is not None}
    async with place.agent() as agent:
        await sent(agent, with_route(1, tree))
        (answer,) = await agent.answers()
        assert (answer["outcome"], answer["reason"]) == ("refused", reason)
        assert detail in answer["detail"]
        assert len(answer["detail"]) <= 300
        assert await (await agent.walked()).routes() == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"route": None},
        {"action": "special", "meter_id": "00012345"},
        {"meter_id": "00012345"},
        {"deadline": "2026-12-01T00:00:00Z"},
        {"cancels": "T-0"},
        {"action": "cancel", "cancels": "T-0"},
    ],
)
async def test_only_a_route_request_brings_a_route_and_nothing_else(place: Place, changes: dict[str, Any]) -> None:
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk(), **changes))
        assert await agent.outcomes() == ["refused malformed"]


@pytest.mark.parametrize("body", [b"null", b"[]", b'"R-1"', b'{"route_id":"\xff"}', b'{"a":1,"a":2}', b"1e999"])
async def test_what_is_no_route_is_refused(place: Place, body: bytes) -> None:
    token = signed(json.dumps(with_route(1, "HERE")).encode().replace(b'"HERE"', body))
    async with place.agent() as agent:
        await agent.take(token)
        await agent.handler.carry_on()
        assert (await agent.outcomes())[0].startswith("refused ")


async def test_lines_are_those_of_the_route_as_it_was_written(place: Place) -> None:
    text = b'{\n "schema": "mrsp.route/1",\n "route_id": "R 1"\n}'
    async with place.agent() as agent:
        await agent.take(signed(json.dumps(with_route(1, "HERE")).encode().replace(b'"HERE"', text)))
        await agent.handler.carry_on()
        assert (await agent.answers())[0]["detail"].startswith("route, line 3, `route_id`: it is not letters, digits")


async def test_the_same_transaction_again_is_answered_again_and_loads_nothing(place: Place) -> None:
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk()), with_route(2, walk(), transaction_id="T-1"))
        await settled(agent, 1)
        await sent(agent, with_route(3, walk(3), transaction_id="T-1"), with_route(4, walk()))
        assert await agent.outcomes() == ["accepted", "accepted", "refused transaction_conflict", "accepted"]
        assert [one.get("duplicate", False) for one in await agent.answers()] == [False, True, False, False]
        assert (await (await agent.walked()).route("R-1")).progress.read == 1


async def test_a_corrected_route_replaces_one_that_nobody_began(place: Place) -> None:
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk()), with_route(2, walk(3)))
        place.later(minutes=1)
        await sent(agent, cancel(3, "T-1"))
        assert await agent.outcomes() == ["accepted", "accepted", "given_up gone", "refused too_late"]
        await settled(agent, 1)
        await sent(agent, with_route(4, walk(4)))
        assert (await agent.outcomes())[-1] == "refused too_late"
        assert "R-1 is there already, with other stops" in (await agent.answers())[-1]["detail"]
        assert len((await (await agent.walked()).route("R-1")).stops) == 3


async def test_a_route_is_taken_back_until_somebody_begins_it(place: Place) -> None:
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk()), cancel(2, "T-1", sender="MDSP-2"), cancel(3, "T-1"))
        assert await agent.outcomes() == ["accepted", "refused unknown_transaction", "cancelled", "done"]
        with pytest.raises(NoSuchRoute):
            await (await agent.walked()).route("R-1")
        await sent(agent, with_route(4, walk()))
        await settled(agent, 1)
        await sent(agent, cancel(5, "T-4"))
        assert (await agent.outcomes())[-2:] == ["accepted", "refused too_late"]
        assert (await agent.answers())[-1]["detail"] == "the route has been begun"
        assert (await (await agent.walked()).route("R-1")).progress.read == 1


async def test_a_route_that_is_done_and_quiet_sends_its_result(place: Place) -> None:
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk()))
        await settled(agent, 2)
        place.later(minutes=29)
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted"]
        place.later(minutes=1)
        await agent.handler.carry_on()
        done = (await agent.answers())[-1]
        (report,) = await agent.documents("report")
        assert (done["outcome"], done["route_id"], done["stops"]) == ("done", "R-1", 2)
        assert done["report_id"] == report["report_id"]
        assert {name: report[name] for name in ("schema", "agent_id", "sequence", "transaction_id", "route_id")} == {
            "schema": "mrsp.route-result/1",
            "agent_id": "gw-0001",
            "sequence": 1,
            "transaction_id": "T-1",
            "route_id": "R-1",
        }
        assert [(one["state"], one["reading_id"], one["by"]) for one in report["stops"]] == [
            ("read", "r-1", "ann"),
            ("read", "r-2", "ann"),
        ]
        await sent(agent, cancel(2, "T-1"))
        assert (await agent.answers())[-1]["detail"] == "the route is over: done"


async def test_a_stop_to_be_decided_holds_the_result_until_the_route_has_ended(place: Place) -> None:
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk(1, deadline=None)))
        book = await agent.walked()
        (only,) = (await book.route("R-1")).stops
        await book.settle(only.stop_id, "ann", "r-1", "interrogated", ("spike",))
        place.later(hours=28, minutes=59)  # 07:00 at night; the day ended eight hours before
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted"]
        place.later(minutes=1)
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted", "done"]


async def test_what_nobody_walked_is_told_half_a_day_after_its_deadline(place: Place) -> None:
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk(2)))  # due at 17:00 in Los Angeles, 01:00 UTC
        await settled(agent, 1)
        place.later(hours=21, minutes=59)
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted"]
        place.later(minutes=1)
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted", "done"]
        assert (await agent.documents("report"))[0]["left"] == 1


async def test_a_result_that_is_too_large_goes_without_the_single_acts(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk(2)), with_route(2, walk(2, route_id="R-2", orders=[stop(3)])))
        await settled(agent, 2)
        place.later(hours=22)
        whole = len(await (await agent.walked()).export("R-1", "json"))
        monkeypatch.setattr(walks, "MAX_DOCUMENT_OCTETS", whole)
        await agent.handler.carry_on()
        by_id = {one["route_id"]: one for one in await agent.documents("report")}
        assert "history" not in by_id["R-1"]["stops"][0]
        assert by_id["R-1"]["stops"][0]["reading_id"] == "r-1"
        await sent(agent, with_route(3, walk(2, route_id="R-3", day="2026-11-24"), at=place.at))
        place.later(hours=48)
        monkeypatch.setattr(walks, "MAX_DOCUMENT_OCTETS", 100)
        await agent.handler.carry_on()
        assert (await agent.outcomes())[-1] == "given_up too_large"


async def test_what_was_taken_is_not_kept_twice(place: Place) -> None:
    """The route is in the book of routes alone once it is loaded or refused."""
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk(9)), with_route(2, walk(9, zone="Mars/Phobos")), said(3))
        await sent(agent, with_route(4, walk(9), transaction_id="T-1"))
    with closing(sqlite3.connect(place.directory / "requests.sqlite")) as db:
        assert db.execute("SELECT max(length(body)) FROM request").fetchone()[0] < 500


async def test_only_so_much_waits_to_be_carried_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_WAITING_OCTETS", 1_000)
    async with place.agent() as agent:
        await agent.take(signed(with_route(1, walk(9))), signed(with_route(2, walk(route_id="R-2"))))
        await agent.handler.carry_on()
        assert sorted(await agent.outcomes()) == ["accepted", "refused busy"]
        await sent(agent, with_route(3, walk(route_id="R-2")))
        assert (await agent.outcomes())[-1] == "accepted"


async def test_where_routes_are_full_it_is_busy(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_module, "MOST_STOPS", 3)
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk(2)), with_route(2, walk(2, route_id="R-2", orders=[stop(8), stop(9)])))
        assert await agent.outcomes() == ["accepted", "refused busy"]


async def test_a_route_counts_for_the_key_as_any_request(place: Place) -> None:
    place.settings = RequestSettings(burst=1)
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk()), with_route(2, walk(route_id="R-2")), with_route(3, walk()))
        assert await agent.outcomes() == ["accepted", "refused busy"]
        assert agent.handler.counts["flood"] == 1


async def test_a_sender_that_no_screen_should_show_is_named_by_its_key(place: Place) -> None:
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk(), sender="a\u202eb"))
        loaded_by = (await (await agent.walked()).route("R-1")).summary.loaded_by
        assert await agent.outcomes() == ["accepted"]
        assert len(loaded_by) == 43


async def test_trouble_with_the_routes_holds_up_no_read_and_no_answer_is_wrong(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place.agent() as agent:
        assert agent.routes is not None
        opened = agent.routes.opened

        async def refused() -> Any:
            raise LocalTrouble("no routes")

        monkeypatch.setattr(agent.routes, "opened", refused)
        await agent.take(
            signed(with_route(1, walk())), signed(with_route(2, walk(), transaction_id="T-1")), signed(cancel(3, "T-1"))
        )
        await agent.take(signed(said(4)))
        with pytest.raises(LocalTrouble, match="no routes"):
            await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted"]
        assert (await agent.answers())[0]["transaction_id"] == "T-4"
        monkeypatch.setattr(agent.routes, "opened", opened)
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted", "accepted", "accepted", "cancelled", "done"]


async def test_where_field_work_was_given_up_what_is_open_is_too(place: Place) -> None:
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk()))
        await agent.take(signed(with_route(2, walk(route_id="R-2"))))
    place.field_work = False
    async with place.agent() as agent:
        await agent.handler.carry_on()
        await sent(agent, cancel(3, "T-1"))
        assert await agent.outcomes() == [
            "accepted",
            "given_up not_configured",
            "refused no_field_work",
            "refused too_late",
        ]


async def test_a_route_that_was_lost_is_told(place: Place, tmp_path: Path) -> None:
    async with place.agent() as agent:
        await sent(agent, with_route(1, walk()))
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"routes.sqlite{suffix}").unlink(missing_ok=True)
    async with place.agent() as agent:
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted", "given_up gone"]


async def test_two_thousand_stops_fit_into_a_request(place: Place) -> None:
    token = signed(with_route(1, walk(0, orders=[stop(number) for number in range(1, 2_001)])))
    assert len(token) < 2_097_152
    async with place.agent() as agent:
        await agent.take(token)
        await agent.handler.carry_on()
        assert (await agent.answers())[0]["stops"] == 2_000
