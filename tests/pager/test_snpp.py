"""SNPP: its octets, conversations with our strict terminal and with the real Net::SNPP::Server, and wake-up pages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import LineLost, LocalProtocolError, MeterProtocolError, MeterSilent, TransportError, UsageError
from drivers.pager.formats import load_format
from drivers.pager.jobs import JobStore, Limits
from drivers.pager.snpp import SnppReply, Tag, TagStatus, command, data_lines, parse_reply, parse_status, parse_tag
from drivers.pager.snpp_client import PageRefused, open_snpp
from drivers.pager.snpp_wake import answered, page
from drivers.pager.wake import Wake, parse_wake
from drivers.secret import Secret
from metersim.pager.meters import PagerMeter, fleet
from metersim.pager.snpp import SnppTerminal, Trouble, serving_snpp

PIN = "5550000000"
SERVER = Path(__file__).with_name("snpp_server.pl")
NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)
HAS_PERL_SERVER = Path("/usr/share/perl5/Net/SNPP/Server.pm").exists()
real_server = pytest.mark.skipif(not HAS_PERL_SERVER, reason="Debian's libnet-snpp-perl is not installed")


def terminal(trouble: Trouble = "", login: tuple[str, str] | None = None) -> SnppTerminal:
    meters = fleet(load_format("ascii-checked"), UTC, count=2, first_pin=int(PIN), first_meter=123456)
    return SnppTerminal(meters, lambda: datetime.now(UTC), trouble=trouble, login=login)


@asynccontextmanager
async def up(trouble: Trouble = "", login: tuple[str, str] | None = None) -> AsyncIterator[tuple[SnppTerminal, Wake]]:
    one = terminal(trouble, login)
    async with serving_snpp(one) as address:
        yield one, parse_wake(f"{address}?pager={PIN}")


@asynccontextmanager
async def perl_server(mode: str) -> AsyncIterator[tuple[str, int, asyncio.StreamReader]]:
    process = await asyncio.create_subprocess_exec("perl", str(SERVER), mode, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        yield "127.0.0.1", port, process.stdout
    finally:
        process.kill()
        await process.wait()


# Octets.


def test_commands() -> None:
    assert command("PAGE", PIN) == b"PAGE 5550000000\r\n"
    assert command("MESS", text="two words") == b"MESS two words\r\n"
    assert data_lines("one\n.two") == b"one\r\n..two\r\n.\r\n"


@given(st.text(), st.text())
def test_no_text_can_give_commands(argument: str, text: str) -> None:
    with contextlib.suppress(LocalProtocolError):
        line = command("MESS", argument, text=text)
        assert line.count(b"\n") == line.count(b"\r") == 1
        assert line.endswith(b"\r\n")
    with contextlib.suppress(LocalProtocolError):
        assert data_lines(text).split(b"\r\n").count(b".") == 1


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"250 OK\r\n", SnppReply(250, "OK")),
        (b"250\n", SnppReply(250)),
        (b"214-more\r\n", SnppReply(214, "more")),
        (b"250 caf\xe9\r\n", SnppReply(250, "caf\xe9")),
    ],
)
def test_replies(line: bytes, reply: SnppReply) -> None:
    assert parse_reply(line) == reply


@pytest.mark.parametrize(
    "line", [b"", b"25\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"2500 OK\r\n", b"\xb2\xb2\xb2 x\r\n"]
)
def test_what_is_no_reply(line: bytes) -> None:
    with pytest.raises(MeterProtocolError):
        parse_reply(line)


def test_tags_and_statuses() -> None:
    assert parse_tag(SnppReply(960, "77 4321 OK, Queued")) == Tag("77", "4321")
    assert parse_tag(SnppReply(960, "77")) is None
    assert parse_tag(SnppReply(250, "77 4321 OK")) is None
    at = datetime(2026, 11, 21, 20, 0, 5, tzinfo=UTC)
    status = parse_status(SnppReply(889, "3 261121200005+0 KWH=5 T=1"))
    assert status == TagStatus(889, "3", at, "KWH=5 T=1")
    assert status.state == "answered"
    assert parse_status(SnppReply(861, "3 261121150005-5 Waiting")).at == at
    assert parse_status(SnppReply(861, "3 20261121193005-0030 Waiting")).at == at
    assert parse_status(SnppReply(960, "3 261321150005 Queued")).at is None
    assert [parse_status(SnppReply(code, "1 261121200005")).state for code in (960, 880, 780)] == [
        "queued",
        "delivered",
        "failed",
    ]
    for bad in (SnppReply(250, "3 261121200005"), SnppReply(889, "3"), SnppReply(550, "Unknown")):
        with pytest.raises(MeterProtocolError, match="not a status"):
            parse_status(bad)


# Conversations.


async def test_a_one_way_page(tmp_path: Path) -> None:
    async with up() as (one, wake):
        host, port = wake.gateways[0]
        async with open_snpp(host, port) as client:
            assert (await client.page(PIN, "CALL")).state == "sent"
            assert (await client.page(PIN, "two\nlines")).state == "sent"
            with pytest.raises(PageRefused, match="550 Error, Invalid Pager ID"):
                await client.page("1", "CALL")
        assert one.sent == [(PIN, "CALL"), (PIN, "two\nlines")]


async def test_a_two_way_message_and_its_reply() -> None:
    async with up() as (one, wake):
        meter: PagerMeter = one._meters[PIN]
        async with open_snpp(*wake.gateways[0]) as client:
            sent = await client.page(PIN, meter.form.ask(meter.meter_id), two_way=True)
            assert sent.state == "queued"
            assert sent.tag is not None
            status = await client.status(sent.tag)
            assert status.state == "answered"
            assert meter.form.parse(status.text, site_zone=UTC).meter_id == meter.meter_id
            silent = await client.page(PIN, "something else", two_way=True)
            assert silent.tag is not None
            assert (await client.status(silent.tag)).state == "delivered"
            with pytest.raises(PageRefused, match="Unknown Message Tag"):
                await client.status(Tag("99", "1"))


async def test_a_terminal_of_level_1_is_given_a_one_way_page() -> None:
    async with up("no-level-3") as (one, wake), open_snpp(*wake.gateways[0]) as client:
        sent = await client.page(PIN, "CALL", two_way=True)
        assert (sent.state, sent.tag) == ("sent", None)
        assert one.sent == [(PIN, "CALL")]


async def test_logins() -> None:
    async with up(login=("mrsp", "secret")) as (one, wake):
        async with open_snpp(*wake.gateways[0]) as client:
            with pytest.raises(PageRefused) as caught:
                await client.log_in("mrsp", Secret(b"wrong"))
            assert "wrong" not in str(caught.value)
            await client.log_in("mrsp", Secret(b"secret"))
            assert (await client.page(PIN, "CALL")).state == "sent"
        with pytest.raises(PageRefused, match="Log In First"):
            async with open_snpp(*wake.gateways[0]) as client:
                await client.page(PIN, "CALL")
        assert len(one.sent) == 1


@pytest.mark.parametrize(
    ("trouble", "error"),
    [("421", LineLost), ("mute", MeterSilent), ("half-line", LineLost), ("long-line", MeterProtocolError)],
)
async def test_greetings_that_are_none(trouble: Trouble, error: type[Exception]) -> None:
    async with up(trouble) as (one, wake):
        with pytest.raises(error):
            async with open_snpp(*wake.gateways[0], reply_s=0.2):
                pass
        assert one.sent == []


@pytest.mark.parametrize("trouble", ["hang-at-send", "drop-at-send"])
async def test_after_send_nothing_is_certain(trouble: Trouble) -> None:
    async with up(trouble) as (one, wake), open_snpp(*wake.gateways[0], reply_s=0.2) as client:
        assert (await client.page(PIN, "CALL")).state == "unknown"
        assert one.sent == [(PIN, "CALL")]


@real_server
async def test_the_real_server_takes_pages() -> None:
    async with perl_server("plain") as (host, port, pages):
        async with open_snpp(host, port) as client:
            await client.log_in("mrsp", Secret(b"secret"))  # 500: it knows no logins
            assert (await client.page("5551234", "CALL HOME")).state == "sent"
            assert await pages.readline() == b"5551234 CALL HOME\n"
            assert (await client.page("5551234", "two\nlines")).state == "sent"
            assert await pages.readline() == b"5551234 two|lines|\n"
            with pytest.raises(PageRefused, match="550 Error, Invalid Pager ID"):
                await client.page("12", "CALL")
        async with open_snpp(host, port) as client:
            assert any("PAGEr" in line for line in await client.help())


@real_server
async def test_the_real_server_answers_two_way_messages() -> None:
    async with perl_server("level3") as (host, port, pages), open_snpp(host, port) as client:
        await client.log_in("mrsp", Secret(b"secret"))
        sent = await client.page("5551234", "READ", two_way=True)
        assert (sent.state, sent.tag) == ("queued", Tag("77", "4321"))
        assert await pages.readline() == b"5551234 READ\n"
        status = await client.status(Tag("77", "4321"))
        assert (status.state, status.text) == ("answered", "KWH=5")
        with pytest.raises(PageRefused):
            await client.status(Tag("78", "4321"))


@real_server
async def test_the_real_server_hangs_up_on_errors() -> None:
    async with perl_server("plain") as (host, port, _pages), open_snpp(host, port) as client:
        for _ in range(5):
            with pytest.raises((PageRefused, LineLost)):
                await client.page("12", "CALL")
        with pytest.raises(LineLost):
            await client.page("5551234", "CALL")


@real_server
async def test_a_meter_is_woken_by_the_real_server(tmp_path: Path) -> None:
    async with perl_server("plain") as (host, port, pages):
        woken = await page(parse_wake(f"snpp://{host}:{port}?pager=5551234&text=CALL%20NOW"), tmp_path)
        assert woken.outcome == "sent"
        assert await pages.readline() == b"5551234 CALL NOW\n"


# Wake-up pages.


async def test_a_meter_is_woken_once_while_its_call_is_expected(tmp_path: Path) -> None:
    async with up() as (one, wake):
        woken = await page(wake, tmp_path, now=lambda: NOW)
        assert (woken.outcome, woken.until) == ("sent", NOW + timedelta(seconds=900))
        again = await page(wake, tmp_path, now=lambda: NOW + timedelta(seconds=899))
        assert (again.outcome, again.message_id) == ("under way", woken.message_id)
        assert (await page(wake, tmp_path, now=lambda: woken.until)).outcome == "sent"
        assert len(one.sent) == 2


async def test_a_meter_that_has_called_may_be_woken_again_within_the_limits(tmp_path: Path) -> None:
    async with up() as (one, wake):
        woken = await page(wake, tmp_path, now=lambda: NOW)
        await answered(woken, tmp_path, now=lambda: NOW)
        with pytest.raises(TransportError, match="no page to 5550000000 before 2026-11-21 20:15:00 UTC"):
            await page(wake, tmp_path, now=lambda: NOW + timedelta(seconds=60))
        again = await page(
            wake, tmp_path, limits=Limits(meter_spacing_s=30, fresh_s=0), now=lambda: NOW + timedelta(seconds=60)
        )
        assert again.outcome == "sent"
        assert len(one.sent) == 2


@pytest.mark.parametrize("trouble", ["hang-at-send", "drop-at-send"])
async def test_a_page_that_may_be_out_is_not_sent_through_the_next_terminal(tmp_path: Path, trouble: Trouble) -> None:
    async with up(trouble) as (one, wake), up() as (spare, other):
        both = replace(wake, gateways=(*wake.gateways, *other.gateways), reply_s=0.2)
        assert (await page(both, tmp_path)).outcome == "unknown"
        assert (await page(both, tmp_path)).outcome == "under way"
        assert (len(one.sent), spare.sent) == (1, [])


@pytest.mark.parametrize("trouble", ["421", "mute", "half-line", "long-line"])
async def test_a_terminal_that_has_no_time_is_passed_over(tmp_path: Path, trouble: Trouble) -> None:
    async with up(trouble) as (one, wake), up() as (spare, other):
        both = replace(wake, gateways=(*wake.gateways, *other.gateways), reply_s=0.2)
        assert (await page(both, tmp_path)).outcome == "sent"
        assert (one.sent, spare.sent) == ([], [(PIN, "CALL")])


async def test_where_no_terminal_takes_it_nobody_was_paged(tmp_path: Path) -> None:
    async with up("421") as (_, wake):
        with pytest.raises(TransportError, match="no terminal took the page") as caught:
            await page(wake, tmp_path)
        assert caught.value.retry
    async with up("reject") as (_, wake):
        with pytest.raises(PageRefused):
            await page(replace(wake, login="mrsp"), tmp_path)
    store = JobStore(tmp_path)
    assert {(job.state, job.code) for job in store.jobs()} == {("failed", None), ("failed", 550)}
    store.close()


def test_addresses_of_wake_up_pages() -> None:
    wake = parse_wake(
        "snpp://a.example,[2001:db8::1]:4444?pager=5551234&text=CALL%20ME&login=mrsp&expect_s=60&reply_s=5"
    )
    assert wake == Wake((("a.example", 444), ("2001:db8::1", 4444)), "5551234", "CALL ME", "mrsp", 60, 5.0)
    assert wake.carrier == "snpp://a.example:444"


@pytest.mark.parametrize(
    "url",
    [
        "snpp://host",
        "snpp://host?pager=",
        "snpp://host?pager=1%202",
        "snpp://host?pager=1&text=%0d%0aSEND",
        "snpp://host?pager=1&login=a%0ab",
        "snpp://host?pager=1&expect_s=0",
        "snpp://host?pager=1&other=1",
        "snpp://host?pager",
        "snpp://host:x?pager=1",
        "snpp://,b?pager=1",
        "snpp://user:secret@host?pager=1",
        "snpp://host/path?pager=1",
        "http://host?pager=1",
    ],
)
def test_addresses_that_make_no_sense(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_wake(url)
    assert "secret" not in str(caught.value)
