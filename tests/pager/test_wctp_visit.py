"""Visits to a pager meter through a carrier: readings, troubles, late replies, and never a page too many."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from drivers.data import MeterData, Source
from drivers.errors import DataError, MeterRefused, MeterSilent, TransportError, UsageError
from drivers.pager.driver import PagerDriver, default_keep
from drivers.pager.jobs import Job, JobStore
from drivers.pager.wctp_client import CarrierRefused, PageFailed
from drivers.pager.wctp_http import NotSent
from drivers.registry import driver_for
from drivers.secret import Secret
from drivers.toml_library import SHIPPED
from tests.pager.carrier import CODE, METER, PIN, Carrier, carrier

SHORT = {"wait_s": "0.4"}
ANSWERED_ALL_THE_SAME = ["http-500", "empty", "html", "truncated", "huge", "close", "entities", "utf-16", "latin-1"]


async def read(one: Carrier, keep: Path, **options: str) -> MeterData:
    return await PagerDriver().read(one.task(keep, options))


def stored(keep: Path) -> tuple[Job, ...]:
    store = JobStore(keep)
    jobs = store.jobs()
    store.close()
    return jobs


async def test_a_reading(tmp_path: Path) -> None:
    async with carrier() as one:
        data = await read(one, tmp_path)
        register = data.registers[0]
        assert (data.identity.meter_id, data.method, data.profile) == (METER, "pager", "ascii-checked")
        assert (register.quantity, register.value, register.raw) == ("kWh", Decimal("45678.9"), "0045678.9")
        assert register.source == Source("message", 17, 9, b"0045678.9")
        assert data.tables["message"][17:26] == b"0045678.9"
        assert not data.authenticated
        assert data.heard is None
        assert data.read_at is None
        assert data.clock is not None
        assert data.clock.after_ns >= data.clock.before_ns
        assert data.clock.resolution_s == 60
        assert data.registers_ns == data.clock.after_ns
        assert abs(data.clock.meter_time - datetime.now(UTC)) < timedelta(minutes=2)
        assert [p.reason for p in data.problems] == ["the security code went over plain http"]
        assert one.meter.pages == ["READ MTR=00123456 CK=7E10"]
        assert one.gateway.refused == []
        page = one.gateway.submitted[0]
        assert not page.control.allow_truncation
        assert page.control.preformatted
        assert page.control.deliver_before is not None
    assert driver_for("wctp+https://carrier/").schemes == PagerDriver.schemes


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3"])
async def test_every_version(tmp_path: Path, version: str) -> None:
    async with carrier() as one:
        assert (await read(one, tmp_path, version=version)).registers
        assert one.gateway.refused == []


@pytest.mark.parametrize("fault", ANSWERED_ALL_THE_SAME)
async def test_a_page_whose_confirmation_is_spoiled_is_answered_all_the_same(tmp_path: Path, fault: str) -> None:
    async with carrier(f"submit.{fault}") as one:
        assert (await read(one, tmp_path)).registers[0].value == Decimal("45678.9")
        assert len(one.gateway.submitted) == 1


@pytest.mark.parametrize("fault", ANSWERED_ALL_THE_SAME)
async def test_a_poll_that_is_spoiled_is_made_again(tmp_path: Path, fault: str) -> None:
    async with carrier(f"poll.{fault}=2") as one:
        assert (await read(one, tmp_path)).registers[0].value == Decimal("45678.9")
        assert len(one.gateway.submitted) == 1


async def test_silence_ends_in_unknown_and_the_next_visit_takes_the_late_reply(tmp_path: Path) -> None:
    async with carrier("submit.silence", "poll.silence=99", silence_s=5) as one:
        with pytest.raises(MeterSilent, match="may have been sent") as caught:
            await read(one, tmp_path, request_s="0.05", **SHORT)
        assert "next visit" in caught.value.advice
        assert [job.state for job in stored(tmp_path)] == ["unknown"]
        one.gateway.faults = type(one.gateway.faults)()
        data = await read(one, tmp_path)
        assert data.registers[0].value == Decimal("45678.9")
        assert "to the request of" in data.problems[0].reason
        assert data.clock is None
        assert data.read_at is not None
        assert len(one.gateway.submitted) == 1


async def test_a_lost_page_is_not_repeated_before_it_has_expired(tmp_path: Path) -> None:
    async with carrier("submit.lose") as one:
        for _ in range(2):
            with pytest.raises(MeterSilent, match="HTTP 500"):
                await read(one, tmp_path, wait_s="0.2")
        assert one.gateway.submitted == []
        assert len(stored(tmp_path)) == 1


async def test_an_expired_request_is_looked_for_at_the_carrier_before_anybody_is_paged_again(tmp_path: Path) -> None:
    async with carrier("poll.http-500=99") as one:
        with pytest.raises(MeterSilent):
            await read(one, tmp_path, grace_s="0", **SHORT)
        await asyncio.to_thread(_expire, tmp_path)
        with pytest.raises(TransportError, match="an earlier page may have been answered"):
            await read(one, tmp_path, grace_s="0", meter_spacing_s="0", **SHORT)
        one.gateway.faults = type(one.gateway.faults)()
        data = await read(one, tmp_path, grace_s="0", meter_spacing_s="0")
        assert "it came at" in data.problems[0].reason
        assert len(one.gateway.submitted) == 1


def _expire(keep: Path) -> None:
    store = JobStore(keep)
    for job in store.jobs():
        store.find(job.message_id, job.expires_at)
    assert [job.state for job in store.jobs()] == ["expired"]
    store.close()


async def test_a_reading_that_was_just_given_is_given_again_rather_than_paging(tmp_path: Path) -> None:
    async with carrier() as one:
        first = await read(one, tmp_path)
        again = await read(one, tmp_path)
        assert again.registers == first.registers
        assert again.problems[0].reason.endswith("given again")
        assert len(one.gateway.submitted) == 1


@pytest.mark.parametrize("fault", ["duplicate", "early"])
async def test_replies_twice_or_before_their_delivery(tmp_path: Path, fault: str) -> None:
    async with carrier(fault) as one:
        assert (await read(one, tmp_path)).registers[0].value == Decimal("45678.9")
        assert [job.state for job in stored(tmp_path)] == ["answered"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("other-pin", "another device"),
        ("unknown-id", "never made"),
        ("second", "a second reply"),
        ("poll.strange", "is not used here"),
    ],
)
async def test_what_does_not_belong_goes_into_quarantine_and_is_told(
    tmp_path: Path, fault: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with carrier(fault) as one:
        with caplog.at_level(logging.WARNING):
            data = await read(one, tmp_path)
        assert data.registers[0].value == Decimal("45678.9")
        assert any(reason in problem.reason for problem in data.problems)
        assert "security" in caplog.text
        store = JobStore(tmp_path)
        assert [reason in one.reason for one in store.quarantine()] == [True]
        assert {code for _, code in store.unacknowledged(one.url, "mrsp")} <= {200, 302}
        store.close()


async def test_messages_are_acknowledged_by_the_next_poll_and_then_gone(tmp_path: Path) -> None:
    async with carrier("poll.strange", count=2) as one:
        await read(one, tmp_path)
        assert len(one.account.outbox) == 2  # not acknowledged yet: they would come again
        await PagerDriver().read(one.task(tmp_path, pin="5550000001", meter="00123457"))
        assert len(one.account.outbox) == 2  # of the second visit
        assert one.gateway.refused == []
        assert b'sequenceNo="strange"><wctp-Failure errorCode="302"' in b"".join(one.door.requests)


@pytest.mark.parametrize(("code", "advice"), [(402, "password"), (403, "recipient="), (411, "shorter"), (302, "")])
async def test_a_final_no_is_an_alarm_and_no_page(tmp_path: Path, code: int, advice: str) -> None:
    async with carrier(f"submit.code-{code}=9") as one:
        for _ in range(2):
            with pytest.raises(CarrierRefused, match=f"code {code}") as caught:
                await read(one, tmp_path)
            assert (caught.value.code, caught.value.exit_code, caught.value.retry) == (code, 4, False)
            assert advice in caught.value.advice
            assert CODE not in str(caught.value)
        assert {job.state for job in stored(tmp_path)} == {"failed"}


async def test_real_refusals_of_the_gateway(tmp_path: Path) -> None:
    async with carrier() as one:
        task = one.task(tmp_path)
        with pytest.raises(CarrierRefused, match="security code is wrong"):
            await PagerDriver().read(replace(task, password=Secret(b"wrong")))
        with pytest.raises(CarrierRefused, match="recipient id is not known"):
            await PagerDriver().read(one.task(tmp_path, pin="1"))
        with pytest.raises(CarrierRefused, match="sender id is not known"):
            await PagerDriver().read(one.task(tmp_path, {"sender": "stranger"}))
        with pytest.raises(CarrierRefused, match="replies cannot be fetched: the poller id"):
            await PagerDriver().read(one.task(tmp_path, {"poller": "stranger"}))


async def test_a_web_server_that_is_no_gateway_is_told_from_one_that_is_down(tmp_path: Path) -> None:
    async with carrier("submit.http-404") as one:
        with pytest.raises(MeterRefused, match="HTTP 404") as caught:
            await read(one, tmp_path)
        assert "check the URL" in caught.value.advice
        assert (await read(one, tmp_path)).registers  # nobody was paged by the first


@pytest.mark.parametrize("code", [600, 602, 604, 605, 304])
async def test_a_busy_carrier_is_asked_again_later(tmp_path: Path, code: int) -> None:
    async with carrier(f"submit.code-{code}=2") as one:
        data = await read(one, tmp_path)
        assert data.registers
        assert len(one.gateway.submitted) == 1
        assert [job.state for job in stored(tmp_path)] == ["answered", "failed", "failed"]


async def test_a_carrier_that_stays_busy_ends_the_visit(tmp_path: Path) -> None:
    async with carrier("submit.code-603=99") as one:
        with pytest.raises(TransportError, match=r"too many messages|asked for fewer") as caught:
            await read(one, tmp_path, wait_s="0.2", poll_s="0.05")
        assert caught.value.retry


async def test_a_poll_that_is_refused_as_too_frequent_slows_down(tmp_path: Path) -> None:
    async with carrier("poll.code-600=3") as one:
        assert (await read(one, tmp_path)).registers
        polls = [body for body in one.door.requests if b"PollForMessages" in body]
        assert len(polls) == 4


async def test_a_minimum_poll_interval_is_kept(tmp_path: Path) -> None:
    async with carrier("lost", poll_interval_s=30) as one:
        with pytest.raises(MeterSilent, match="delivered to the device"):
            await read(one, tmp_path, **SHORT)
        assert sum(b"PollForMessages" in body for body in one.door.requests) == 1
        assert one.gateway.refused == []


async def test_a_device_that_cannot_be_reached(tmp_path: Path) -> None:
    async with carrier("undeliverable") as one:
        with pytest.raises(PageFailed, match=r"timed out \(code 500: no acknowledgement\)"):
            await read(one, tmp_path)
        with pytest.raises(TransportError, match="this meter was paged at") as caught:
            await read(one, tmp_path)
        assert caught.value.retry
        assert len(one.gateway.submitted) == 1


async def test_a_garbled_reply_is_no_reading_and_is_not_given_again(tmp_path: Path) -> None:
    async with carrier("garbled") as one:
        with pytest.raises(DataError):
            await read(one, tmp_path)
        with pytest.raises(TransportError, match="paged at"):
            await read(one, tmp_path)
        data = await read(one, tmp_path, meter_spacing_s="0")
        assert data.registers[0].value == Decimal("45678.9")
        assert len(one.gateway.submitted) == 2


async def test_no_connection_is_no_page(tmp_path: Path) -> None:
    async with carrier() as one:
        task = one.task(tmp_path)
    with pytest.raises(NotSent, match="no connection") as caught:
        await PagerDriver().read(task)
    assert caught.value.retry
    assert [(job.state, job.reason[:13]) for job in stored(tmp_path)] == [("failed", "no connection")]


async def test_two_visits_to_one_meter_at_once_page_it_once(tmp_path: Path) -> None:
    async with carrier() as one:
        several = await asyncio.gather(*(read(one, tmp_path) for _ in range(4)))
        assert {data.registers for data in several} == {several[0].registers}
        assert len(one.gateway.submitted) == 1


async def test_many_meters_share_the_polls(tmp_path: Path) -> None:
    async with carrier(count=25) as one:
        tasks = [one.task(tmp_path, pin=str(int(PIN) + k), meter=f"{int(METER) + k:08}") for k in range(25)]
        several = await asyncio.gather(*(PagerDriver().read(task) for task in tasks))
        assert [data.registers[0].value for data in several] == [Decimal("45678.9") + k for k in range(25)]
        assert len(one.gateway.submitted) == 25
        assert one.gateway.refused == []


async def test_a_visit_that_is_cancelled_leaves_a_request_for_the_next(tmp_path: Path) -> None:
    async with carrier("submit.silence", silence_s=5) as one:
        paged = asyncio.Event()
        one.gateway.incoming = lambda _account: paged.set()
        visit = asyncio.create_task(read(one, tmp_path))
        await paged.wait()
        visit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await visit
        assert [job.state for job in stored(tmp_path)] == ["created"]
        assert (await read(one, tmp_path)).registers
        assert len(one.gateway.submitted) == 1


async def test_the_recording_has_everything_but_the_code(tmp_path: Path) -> None:
    path = tmp_path / "visit.rec"
    async with carrier("other-pin") as one:
        await PagerDriver().read(replace(one.task(tmp_path / "keep"), record=path))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["line"] == f"wctp+{one.url}"
    assert lines[-1]["event"] == "close"
    sent, received = (
        b"".join(bytes.fromhex(line["hex"]) for line in lines if line.get("dir") == direction) for direction in "><"
    )
    assert b"<wctp-SubmitRequest>" in sent
    assert b'securityCode="***' in sent
    assert b"KWH=0045678.9" in received
    assert b"s3cret" not in sent + received


async def test_wrong_settings_are_told_before_anybody_is_paged(tmp_path: Path) -> None:
    shipped = (SHIPPED / "pager" / "ascii-checked.toml").read_text()
    (tmp_path / "pager").mkdir()
    (tmp_path / "pager" / "local.toml").write_text(
        shipped.replace('"ascii-checked"', '"local"', 1).replace('zone = "UTC"', 'zone = "site"')
    )
    async with carrier() as one:
        local = replace(one.task(tmp_path, {"format": "local"}), profile_dirs=(tmp_path,))
        secure = replace(one.task(tmp_path, {"ca": "/nowhere"}), url=f"wctp+https://x/?recipient=1&meter={METER}")
        for task, reason in (
            (replace(local, site_zone=None), "nobody was paged"),
            (one.task(tmp_path, {"format": "no-such"}), "no message format is called 'no-such'"),
            (one.task(tmp_path, meter="TOO-LONG-FOR-EIGHT-DIGITS"), "cannot be written"),
            (secure, "certificates in /nowhere"),
        ):
            with pytest.raises(UsageError, match=reason):
                await PagerDriver().read(task)
        assert one.gateway.submitted == []
        assert (await PagerDriver().read(local)).registers


async def test_without_aiohttp_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with carrier() as one:
        monkeypatch.setitem(sys.modules, "aiohttp", None)
        with pytest.raises(UsageError, match=r"mrsp-agent\[pager\]"):
            await read(one, tmp_path)


def test_requests_are_kept_somewhere_even_if_nobody_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/var/lib/somebody")
    assert default_keep() == Path("/var/lib/somebody/mrsp/pager")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_keep() == Path("/home/somebody/.local/state/mrsp/pager")
