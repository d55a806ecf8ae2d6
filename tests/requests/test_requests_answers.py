"""What a request comes to: done, given up, cancelled, refused with a reason; answered once, whatever comes again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from agent.errors import LocalTrouble
from agent.requests.inbox import Inbox
from agent.requests.message import MAX_ROUTE_REQUEST_OCTETS
from agent.requests.reads import Reads
from agent.requests.settings import RequestSettings
from tests.requests.requests_kit import KEY, NOW, OTHER, Place, cancel, jwk, said, signed


async def test_a_read_is_accepted_asked_for_once_and_its_reading_named(place: Place) -> None:
    async with place.agent() as agent:
        await agent.take(signed(said()))
        await agent.handler.carry_on()
        request = place.schedule.asked["T-1"]
        assert (request.meter, request.purpose, request.requested_by) == ("m1", "special", "MDSP-1")
        assert (request.order.order_id, request.order.url) == ("T-1", "tcp://127.0.0.1:1")
        assert (await agent.answers())[0] == {
            "schema": "mrsp.response/1",
            "response_id": (await agent.answers())[0]["response_id"],
            "agent_id": "gw-0001",
            "sequence": 1,
            "jti": "message-0001",
            "outcome": "accepted",
            "answered_at": "2026-11-23T15:00:00Z",
            "transaction_id": "T-1",
            "action": "special",
            "meter_id": "00012345",
            "account_id": "A-7",
            "service_delivery_point_id": "1-0-12345-7",
            "deadline": "2026-12-01T23:59:59Z",
        }
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted"]
        place.schedule.over("T-1", "done", reading_id="r-1")
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted", "done"]
        assert (await agent.answers())[1]["reading_id"] == "r-1"
        assert [one["sequence"] for one in await agent.answers()] == [1, 2]


@pytest.mark.parametrize(
    ("action", "purpose", "whole"),
    [
        ("monthly", "off_cycle", False),
        ("final", "final", False),
        ("special", "special", False),
        ("revalidation", "off_cycle", False),
        ("historical", "off_cycle", True),
    ],
)
async def test_every_action_is_an_order_of_its_own(place: Place, action: str, purpose: str, whole: bool) -> None:
    period = {"begin": "2026-10-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"}
    async with place.agent() as agent:
        await agent.take(signed(said(action=action, service_period=period)))
        await agent.handler.carry_on()
        order = place.schedule.asked["T-1"].order
        assert (order.purpose, order.whole_profile) == (purpose, whole)
        assert (await agent.answers())[0]["service_period"] == period


async def test_a_read_that_is_given_up_says_why(place: Place) -> None:
    async with place.agent() as agent:
        await agent.take(signed(said()))
        await agent.handler.carry_on()
        place.schedule.over("T-1", "given_up", why="deadline", reason="silent")
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted", "given_up silent"]
        assert (await agent.answers())[1]["detail"] == "the deadline has passed"


PERIOD = {"begin": "2026-10-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iat": int(NOW.timestamp()) - 7_200, "exp": int(NOW.timestamp()) - 61}, "expired"),
        ({"iat": int(NOW.timestamp()) + 120}, "not_yet_valid"),
        ({"nbf": int(NOW.timestamp()) + 120}, "not_yet_valid"),
        ({"iat": int(NOW.timestamp()) - 8 * 86_400}, "valid_too_long"),
        ({"receiver": "gw-0002"}, "wrong_receiver"),
        ({"meter_id": "00012346"}, "not_contracted"),
        ({"meter_id": "m1"}, "not_contracted"),
        ({"account_id": "A-8"}, "not_contracted"),
        ({"account_id": None}, "not_contracted"),
        ({"service_delivery_point_id": "1-0-12345-8"}, "not_contracted"),
        ({"action": "historical"}, "malformed"),
        ({"action": "cancel"}, "malformed"),
        ({"cancels": "T-0"}, "malformed"),
        ({"action": "disconnect"}, "malformed"),
        ({"more": 1}, "malformed"),
        ({"schema": "mrsp.request/2"}, "malformed"),
        ({"iat": None}, "malformed"),
        ({"iat": 1.5}, "malformed"),
        ({"transaction_id": "a b"}, "malformed"),
        ({"transaction_id": "x" * 65}, "malformed"),
        ({"meter_id": None}, "malformed"),
        ({"service_period": {"begin": "2026-11-01T00:00:00", "end": "2026-11-02T00:00:00"}}, "malformed"),
        ({"service_period": {"begin": "2026-11-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"}}, "malformed"),
        (
            {
                "action": "historical",
                "service_period": {"begin": "2026-12-01T00:00:00Z", "end": "2026-12-02T00:00:00Z"},
            },
            "bad_period",
        ),
        (
            {
                "action": "historical",
                "service_period": {"begin": "2020-12-01T00:00:00Z", "end": "2026-11-02T00:00:00Z"},
            },
            "bad_period",
        ),
        ({"deadline": "2026-11-23T14:00:00Z"}, "deadline"),
        ({"deadline": "2027-11-23T14:00:00Z"}, "deadline"),
    ],
)
async def test_what_may_not_be_done_is_refused_with_a_reason(
    place: Place, changes: dict[str, Any], reason: str
) -> None:
    async with place.agent() as agent:
        await agent.take(signed(said(**changes)))
        await agent.handler.carry_on()
        assert await agent.outcomes() == [f"refused {reason}"]
        assert (await agent.answers())[0]["jti"] == "message-0001"
        assert place.schedule.calls == []


async def test_meters_are_found_by_what_is_on_record(place: Place) -> None:
    nowhere: dict[str, Any] = {"account_id": None, "service_delivery_point_id": None}
    place.only_calls = ("m3",)
    async with place.agent() as agent:
        await agent.take(
            signed(said(1, meter_id="00077777", **nowhere)),
            signed(said(2, meter_id="00077777")),
            signed(said(3, meter_id="00077777", action="historical", service_period=PERIOD, **nowhere)),
            signed(said(4, meter_id="m3", **nowhere)),
        )
        await agent.handler.carry_on()
        assert await agent.outcomes() == [
            "refused not_contracted",
            "refused no_interval_data",
            "refused calls_by_itself",
            "accepted",
        ]
        assert place.schedule.asked["T-1"].meter == "m2"


async def test_two_meters_that_cannot_be_told_apart_are_none(place: Place) -> None:
    twin = place.meters[0]
    place.meters = (twin, type(twin)(name="twin", url=twin.url, expected_meter_id="00012345", site=twin.site))
    async with place.agent() as agent:
        await agent.take(signed(said()))
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["refused not_contracted"]


async def test_without_the_time_nothing_is_done_and_it_may_be_asked_again(place: Place) -> None:
    place.known = False
    async with place.agent() as agent:
        await agent.take(signed(said()))
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["refused time_unknown"]
        assert "answered_at" not in (await agent.answers())[0]
        place.known = True
        await agent.take(signed(said(jti="message-0002")))
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["refused time_unknown", "accepted"]


@pytest.mark.parametrize(
    ("token", "word"),
    [
        (signed(said(), OTHER), "not_authentic"),
        (signed(said(), OTHER, kid=KEY.kid), "not_authentic"),
        (signed(said(), typ="mdsp-ack+jws"), "not_authentic"),
        (signed(said(), crit=["b64"], b64=False), "not_authentic"),
        (signed(said(), jwk=OTHER.as_dict(private=False)), "not_authentic"),
        (b"", "not_authentic"),
        (b"a.b.c", "not_authentic"),
        (b"\xff" * 100, "not_authentic"),
        (b"x" * 2_097_153, "too_large"),
        (signed(said(more="x" * 8_192)), "too_large"),
        (signed(said(action=["route"], more="x" * 8_192)), "too_large"),
        (signed(said(aud="gw-0002")), "not_for_us"),
        (signed(said(jti=None)), "unreadable"),
        (signed(said(jti="short")), "unreadable"),
        (signed(said(exp=None)), "unreadable"),
        (signed(said(exp=10**30)), "unreadable"),
        (signed(b"[" * 4_000), "unreadable"),
        (signed(b"\xff"), "unreadable"),
        (signed(said(exp=int(NOW.timestamp()) + 8 * 86_400)), "out_of_time"),
        (signed(said(exp=32_503_680_000)), "out_of_time"),
        (signed(said(at=NOW - timedelta(days=2))), "out_of_time"),
    ],
)
async def test_what_is_not_ours_or_cannot_be_remembered_is_counted_and_not_answered(
    place: Place, token: bytes, word: str
) -> None:
    async with place.agent() as agent:
        await agent.take(token)
        await agent.handler.carry_on()
        assert await agent.answers() == []
        assert dict(agent.handler.counts) == {word: 1}


async def test_a_message_that_comes_again_changes_nothing(place: Place) -> None:
    async with place.agent() as agent:
        await agent.take(*[signed(said())] * 3, signed(said()))  # the last one: signed anew
        await agent.handler.carry_on()
        await agent.take(signed(said()))
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted"]
        assert agent.handler.counts == {"to_do": 1, "repeated": 4}
        await agent.take(signed(said(meter_id="other")))
        assert agent.handler.counts["reused"] == 1
        assert place.schedule.calls == ["ask T-1"]


async def test_a_transaction_that_comes_again_is_answered_with_what_became_of_it(place: Place) -> None:
    async with place.agent() as agent:
        await agent.take(signed(said(1)), signed(said(2, transaction_id="T-1")))
        await agent.handler.carry_on()
        place.schedule.over("T-1", "done", reading_id="r-1")
        await agent.handler.carry_on()
        await agent.take(signed(said(3, transaction_id="T-1")), signed(said(4, transaction_id="T-1", action="final")))
        await agent.handler.carry_on()
        answers = await agent.answers()
        assert [(one["jti"][-1], one["outcome"], one.get("duplicate", False)) for one in answers] == [
            ("1", "accepted", False),
            ("2", "accepted", True),
            ("1", "done", False),
            ("4", "refused", False),
            ("3", "done", True),
        ]
        assert answers[4]["reading_id"] == "r-1"
        assert answers[3]["reason"] == "transaction_conflict"
        assert list(place.schedule.asked) == ["T-1"]


async def test_an_id_that_this_box_used_itself_is_refused(place: Place) -> None:
    async with place.agent() as agent:
        await agent.take(signed(said(1)))
        await agent.handler.carry_on()
        place.schedule.asked["T-2"] = place.schedule.asked["T-1"]
        await agent.take(signed(said(2, action="final")))
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted", "refused transaction_conflict"]


async def test_cancel_takes_back_what_has_not_begun(place: Place) -> None:
    async with place.agent() as agent:
        await agent.take(signed(said(1)), signed(said(2, meter_id="00012345")))
        await agent.handler.carry_on()
        place.schedule.visiting.add("T-2")
        await agent.take(
            signed(cancel(3, "T-1")),
            signed(cancel(4, "T-2")),
            signed(cancel(5, "T-9")),
            signed(cancel(6, "T-1", sender="MDSP-2")),
            signed(cancel(7, "T-1")),
            signed(cancel(8, "T-3")),
        )
        await agent.handler.carry_on()
        answers = {(one["jti"][-1], one["outcome"]): one.get("reason") for one in await agent.answers()}
        assert answers == {
            ("1", "accepted"): None,
            ("2", "accepted"): None,
            ("1", "cancelled"): None,
            ("3", "done"): None,
            ("4", "refused"): "too_late",
            ("5", "refused"): "unknown_transaction",
            ("6", "refused"): "unknown_transaction",
            ("7", "done"): None,
            ("8", "refused"): "unknown_transaction",
        }
        place.schedule.visiting.clear()
        place.schedule.over("T-2", "done", reading_id="r-2")
        await agent.handler.carry_on()
        await agent.take(signed(cancel(9, "T-2")))
        await agent.handler.carry_on()
        assert (await agent.answers())[-1]["detail"] == "the read is over: done"


async def test_a_flood_is_told_once_and_costs_nothing_more(place: Place) -> None:
    place.settings = RequestSettings(burst=5, per_hour=60, most_open=1_000, most_open_of_meter=100, meter_per_day=1_000)
    async with place.agent() as agent:
        await agent.take(*(signed(said(number, action="final")) for number in range(1, 31)))
        await agent.handler.carry_on()
        assert agent.handler.counts == {"to_do": 3, "refused": 3, "flood": 24}
        busy = [one for one in await agent.answers() if one.get("reason") == "busy"]
        assert busy[-1]["retry_after_s"] == 60
        assert len(await agent.answers()) == 6
        place.later(seconds=60)
        await agent.take(signed(said(99, cancels=None, action="cancel")), signed(said(98)))
        assert agent.handler.counts["refused"] == 5
        place.trust(jwk(OTHER))
        await agent.take(signed(said(97), OTHER))
        assert agent.handler.counts["to_do"] == 3


async def test_only_so_many_reads_wait(place: Place) -> None:
    place.settings = RequestSettings(most_open_of_meter=2)
    async with place.agent() as agent:
        await agent.take(*(signed(said(number)) for number in range(1, 4)))
        await agent.handler.carry_on()
        assert (await agent.outcomes()).count("accepted") == 2
        assert "refused busy" in await agent.outcomes()
        place.schedule.over("T-1", "done", reading_id="r-1")
        await agent.handler.carry_on()
        place.later(hours=1)
        await agent.take(signed(said(4, at=place.at)))
        await agent.handler.carry_on()
        assert (await agent.outcomes())[-1] == "accepted"


async def test_keys_sign_what_their_roles_allow_and_may_change(place: Place) -> None:
    place.trust(jwk(KEY, mdsp_roles=["acknowledge"]), jwk(OTHER, mdsp_roles=["acknowledge", "request"]))
    async with place.agent() as agent:
        await agent.take(signed(said(1)), signed(said(2), OTHER))
        assert agent.handler.counts == {"not_authentic": 1, "to_do": 1}
        place.trust(jwk(KEY))
        await agent.take(signed(said(3)), signed(said(4), OTHER))
        assert agent.handler.counts == {"not_authentic": 2, "to_do": 2}
        place.trust(jwk(KEY, mdsp_roles=["everything"]))  # refused as a whole: those read before stay
        await agent.take(signed(said(5)))
        assert agent.handler.counts["to_do"] == 3


async def test_what_was_issued_before_a_new_file_is_refused(place: Place) -> None:
    (place.directory / "requests.sqlite").unlink()
    async with place.agent() as agent:
        await agent.take(signed(said(1)), signed(said(2, at=NOW - timedelta(seconds=1))))
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["refused issued_too_early", "accepted"]


async def test_old_messages_are_forgotten_when_they_cannot_be_used_any_more(place: Place) -> None:
    async with place.agent() as agent:
        await agent.take(signed(said(1)), signed(said(2, meter_id="unknown")))
        await agent.handler.carry_on()
        place.schedule.over("T-1", "done", reading_id="r-1")
        place.later(days=3)
        await agent.handler.carry_on()
        await agent.take(signed(said(2, meter_id="unknown")), signed(said(1)))
        assert (agent.handler.counts["out_of_time"], agent.handler.counts["repeated"]) == (1, 1)
        place.later(days=401)
        await agent.handler.carry_on()
        assert await agent.book.call(agent.book.store.newest, 9) == []


async def test_trouble_with_the_spool_or_the_disk_is_waited_out(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with place.agent() as agent:
        add, failures = agent.spool.add, [1, 2]

        async def full(*args: Any, **more: Any) -> Any:
            if failures:
                failures.pop()
                raise LocalTrouble("the spool is full")
            return await add(*args, **more)

        monkeypatch.setattr(agent.spool, "add", full)
        monkeypatch.setattr("agent.requests.handler.LOOK_EVERY_S", 0.0)
        running = asyncio.create_task(agent.handler.run(agent.inbox))
        agent.inbox.put(signed(said()))
        await agent.spool.changed.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert await agent.outcomes() == ["accepted"]
        assert caplog.text.count("the spool is full") == 1


async def test_a_bug_met_by_one_request_does_not_keep_the_others(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begin = Reads.begin

    async def buggy(self: Reads, kept: Any, message: Any) -> None:
        if message.transaction_id == "T-1":
            raise RuntimeError("a bug")
        await begin(self, kept, message)

    monkeypatch.setattr(Reads, "begin", buggy)
    async with place.agent() as agent:
        await agent.take(signed(said(1)), signed(said(2)))
        await agent.handler.carry_on()
        assert await agent.outcomes() == ["accepted"]
        assert "meets a bug" in caplog.text


async def test_a_bug_met_while_a_message_is_read_does_not_stop_the_service(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with place.agent() as agent:
        take, bugs = agent.book.intake.take, [1]

        def buggy(*args: Any) -> Any:
            if bugs:
                bugs.pop()
                raise RuntimeError("a bug")
            return take(*args)

        monkeypatch.setattr(agent.book.intake, "take", buggy)
        running = asyncio.create_task(agent.handler.run(agent.inbox))
        agent.inbox.put(signed(said(1)))
        agent.inbox.put(signed(said(2)))
        await agent.spool.changed.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert [one["transaction_id"] for one in await agent.answers()] == ["T-2"]
        assert "a request meets a bug" in caplog.text


async def test_the_inbox_is_short_and_never_waits(place: Place) -> None:
    async with place.agent() as agent:
        for _ in range(150):
            agent.inbox.put(b"x")
        assert agent.inbox.dropped == 50
        assert await agent.inbox.get(1.0) == b"x"


async def test_the_inbox_holds_a_few_routes_and_none_beyond_the_limit() -> None:
    inbox, route = Inbox(), b"x" * MAX_ROUTE_REQUEST_OCTETS
    inbox.put(route + b"x")
    assert inbox.dropped == 1
    for _ in range(3):
        inbox.put(route)
    assert inbox.dropped == 2
    for _ in range(2):
        assert await inbox.get(1.0) == route
    assert await inbox.get(0.0) is None
    inbox.put(route)
    assert inbox.dropped == 2
