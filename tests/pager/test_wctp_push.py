"""Replies that are pushed to us: confirmed once they are on the disk, and only then."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import aiohttp
import msgspec
import pytest

from drivers.errors import UsageError
from drivers.pager.driver import PagerDriver
from drivers.pager.jobs import JobStore
from drivers.pager.push_settings import PushSettings
from drivers.pager.wctp_decode import decode
from drivers.pager.wctp_encode import encode
from drivers.pager.wctp_push import MOST_OCTETS, push_endpoint, serve_push
from drivers.pager.wctp_values import (
    Alphanumeric,
    Confirmation,
    Failure,
    MessageControl,
    MessageReply,
    Operation,
    Originator,
    PollForMessages,
    Recipient,
    ResponseHeader,
    StatusInfo,
    Success,
    VersionQuery,
    VersionResponse,
)
from metersim.pager.serving import Pusher
from metersim.pki import create_pki
from tests.pager.carrier import carrier

LOCAL = PushSettings(port=0)
HEADER = ResponseHeader(Originator("555"), MessageControl("m2"), Recipient("mrsp"), "never-sent")
STRAY = MessageReply(HEADER, Alphanumeric("KWH=1"))


async def post(url: str, body: bytes) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as response:
        return response.status, await response.read()


async def answer(url: str, body: bytes) -> Operation:
    return decode((await post(url, body))[1]).operation


def code_of(operation: Operation) -> int:
    assert isinstance(operation, Confirmation)
    return operation.result.code


@asynccontextmanager
async def running(task: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_reading_by_push(tmp_path: Path) -> None:
    async with carrier("duplicate") as one, push_endpoint(LOCAL, tmp_path) as url:
        pusher = Pusher(one.gateway, one.account, url)
        async with running(asyncio.create_task(pusher.run())):
            data = await PagerDriver().read(one.task(tmp_path, {"replies": "push"}))
        assert data.registers[0].value == Decimal("45678.9")
        assert not any(b"PollForMessages" in body for body in one.door.requests)


async def test_a_push_that_comes_before_the_confirmation_of_the_page_is_kept(tmp_path: Path) -> None:
    async with carrier("submit.silence", "early", silence_s=5) as one, push_endpoint(LOCAL, tmp_path) as url:
        pusher = Pusher(one.gateway, one.account, url)
        async with running(asyncio.create_task(pusher.run())):
            task = one.task(tmp_path, {"replies": "push", "request_s": "0.5"})
            assert (await PagerDriver().read(task)).registers


async def test_what_was_pushed_while_nobody_waited_is_there_for_the_next_visit(tmp_path: Path) -> None:
    async with carrier() as one:
        with pytest.raises(Exception, match="no reply"):
            await PagerDriver().read(one.task(tmp_path, {"replies": "push", "wait_s": "0.1"}))
        async with push_endpoint(LOCAL, tmp_path) as url:
            pusher = Pusher(one.gateway, one.account, url)
            pusher._wake.set()
            async with running(asyncio.create_task(pusher.run())):
                assert (await PagerDriver().read(one.task(tmp_path, {"replies": "push"}))).registers
        assert len(one.gateway.submitted) == 1


async def test_strays_are_confirmed_and_put_away(tmp_path: Path) -> None:
    async with push_endpoint(LOCAL, tmp_path) as url:
        assert code_of(await answer(url, encode(STRAY))) == 200
        assert code_of(await answer(url, encode(StatusInfo(HEADER, "READ")))) == 200
    store = JobStore(tmp_path)
    assert len(store.quarantine()) == 2
    store.close()


async def test_versions_are_told_and_other_operations_refused(tmp_path: Path) -> None:
    async with push_endpoint(LOCAL, tmp_path) as url:
        told = await answer(url, encode(VersionQuery("carrier")))
        assert isinstance(told, VersionResponse)
        assert isinstance(told.result, tuple)
        assert [dtd.dtd_name for dtd in told.result][-1] == "wctp-dtd-v1r3"
        for other in (PollForMessages("x"), Confirmation(Success(200)), Confirmation(Failure(500))):
            assert code_of(await answer(url, encode(other))) == 300


@pytest.mark.parametrize("body", [b"", b"<html/>", b"\xff\xfe\0", encode(STRAY)[:-9]])
async def test_what_is_no_message_is_refused(tmp_path: Path, body: bytes) -> None:
    async with push_endpoint(LOCAL, tmp_path) as url:
        assert code_of(await answer(url, body)) == 302


async def test_a_body_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with push_endpoint(LOCAL, tmp_path) as url:
        status, body = await post(url, encode(STRAY) + b" " * MOST_OCTETS)
        assert status == 413
        assert code_of(decode(body).operation) == 302


async def test_strangers_are_turned_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = PushSettings(port=0, allow=("192.0.2.0/24", "2001:db8::/32"))
    async with push_endpoint(settings, tmp_path) as url:
        assert (await post(url, encode(STRAY)))[0] == 403
        assert "security" in caplog.text
    store = JobStore(tmp_path)
    assert store.quarantine() == ()
    store.close()


async def test_what_cannot_be_stored_is_not_confirmed(tmp_path: Path) -> None:
    async with push_endpoint(LOCAL, tmp_path) as url:
        with sqlite3.connect(tmp_path / "pager.sqlite") as db:
            db.execute("DROP TABLE quarantine")
        db.close()
        assert code_of(await answer(url, encode(STRAY))) == 604


async def test_a_port_that_is_taken_and_a_certificate_that_is_none(tmp_path: Path) -> None:
    async with push_endpoint(LOCAL, tmp_path) as url:
        taken = msgspec.structs.replace(LOCAL, port=int(url.rpartition(":")[2].partition("/")[0]))
        with pytest.raises(UsageError, match=r"replies cannot be taken at 127\.0\.0\.1 port"):
            await serve_push(taken, tmp_path)
    with pytest.raises(UsageError, match="cannot be used"):
        await serve_push(PushSettings(certificate="/nowhere.pem"), tmp_path)


@pytest.mark.parametrize(
    "settings",
    [{"allow": ["here"]}, {"key": "k"}, {"path": "wctp"}, {"port": 70_000}, {"listen": ""}, {"other": 1}],
)
def test_settings_that_make_no_sense(settings: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(settings, PushSettings)
    assert msgspec.convert({"allow": ["10.0.0.0/8"]}, PushSettings).port == 8443


async def test_the_endpoint_and_a_poller_may_both_bring_the_same_reply(tmp_path: Path) -> None:
    async with carrier() as one:
        data = await PagerDriver().read(one.task(tmp_path))
        async with push_endpoint(LOCAL, tmp_path) as url:
            for message in list(one.account.outbox.values()):
                assert code_of(await answer(url, encode(message))) == 200
        again = await PagerDriver().read(replace(one.task(tmp_path), record=tmp_path / "rec"))
        assert again.registers == data.registers
    store = JobStore(tmp_path)
    assert store.quarantine() == ()
    store.close()


async def test_a_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    pki = create_pki(tmp_path / "pki", now=datetime.now(UTC), encryption=False)
    files = PushSettings(port=0, certificate=str(pki.broker_certificate), key=str(pki.broker_key))
    async with push_endpoint(files, tmp_path) as url:
        assert url.startswith("https://")
    pki.broker_key.chmod(0o644)
    with pytest.raises(UsageError, match=f"open to other users.*chmod 600 {pki.broker_key}"):
        await serve_push(files, tmp_path)
