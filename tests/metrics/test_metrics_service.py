"""The figures of a running agent: counted where it happens, measured when asked, served and written."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.clock.instant import read_instant
from agent.clock.system import SystemClock
from agent.errors import LocalTrouble
from agent.forward.reconnect import LinkState
from agent.keys import create_device_key
from agent.metrics.box_figures import Watched
from agent.metrics.exposition import exposition
from agent.metrics.running import write_whole
from agent.metrics.server import serve_metrics
from agent.metrics.settings import MetricsSettings
from agent.metrics.tally import CountedLedger, Tally
from agent.reading import CheckResult
from agent.seal import Sealer
from agent.spool import Spool
from drivers.data import Identity, IntervalBlock, LineReport, MeterData, Slots
from drivers.errors import LineTooBad, MeterSilent
from tests.agent.test_service import reading

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeLink:
    state = LinkState.ONLINE
    acks_refused = 3


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    sealer = Sealer(create_device_key(tmp_path / "keys"))
    async with await Spool.open(
        tmp_path / "spool.sqlite", agent_id="gw-1", sealer=sealer, now=lambda: NOW - timedelta(hours=2)
    ) as spool:
        yield Watched(
            tally=Tally(),
            spool=spool,
            state_directory=tmp_path,
            proof=lambda: None,
            instant=lambda: read_instant(SystemClock()),
            now=lambda: NOW,
            certificate_days=lambda: 42,
            link=FakeLink(),
            backlog=lambda: {"waiting": 4, "ready": 1, "visiting": 2, "late": 3},
        )


async def figures(watched: Watched) -> dict[str, float]:
    """Return every sample as the parser of Prometheus reads it."""
    text = exposition(await watched.families())
    return {
        sample.name + "".join(f"|{value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_what_is_asked_for_is_measured(watched: Watched) -> None:
    await watched.spool.add("reading", "r-1", lambda _number: b"{}")
    found = await figures(watched)
    assert found["mrsp_spool_documents"] == 1
    assert found["mrsp_spool_oldest_age_seconds"] == 7200
    assert found["mrsp_certificate_days"] == 42
    assert found["mrsp_clock_proven"] == 0
    assert (found["mrsp_link_state|online"], found["mrsp_acknowledgements_refused_total"]) == (1, 3)
    assert (found["mrsp_schedule_reads|ready"], found["mrsp_schedule_late_reads"]) == (1, 3)
    assert found["process_resident_memory_bytes"] > 1_000_000
    assert "mrsp_spool_forecast_days" not in found


async def test_every_visit_is_counted_by_what_came_of_it(watched: Watched, tmp_path: Path) -> None:
    ledger = CountedLedger(tmp_path / "ledger", watched.tally)
    check = CheckResult("tou_sum", "fail", "ubp-2000", "A4")
    judged = msgspec.structs.replace(reading("r-1"), checks=(check, msgspec.structs.replace(check, outcome="skipped")))
    await ledger.came("main", NOW, judged)
    await ledger.came("main", NOW, reading("r-2"), LineTooBad("noise"))
    await ledger.failed("main", NOW, NOW, MeterSilent("nobody answers"))
    await ledger.given_up("main", NOW, NOW, "silent", "deadline")
    found = await figures(watched)
    counted = {name: value for name, value in found.items() if name.startswith(("mrsp_reads", "mrsp_checks"))}
    assert counted == {
        "mrsp_reads_total|complete": 1,
        "mrsp_reads_total|incomplete": 1,
        "mrsp_reads_total|silent": 1,
        "mrsp_reads_given_up_total|silent": 1,
        "mrsp_checks_total|tou_sum|fail": 1,
    }
    assert "main" not in exposition(await watched.families())


async def test_the_efficiency_of_the_lines_can_be_told(watched: Watched) -> None:
    report = LineReport(Decimal("12.5"), bytes_sent=100, bytes_received=900, retries=2)
    block = IntervalBlock(1, "Wh", "delivered", "Wh", 900, NOW, (1, 2, 3), Decimal(1), (None,) * 3, ((),) * 3)
    blocks = tuple(replace(block, channel=one, slots=Slots(0, 1, 2 * one, 10, 2)) for one in (1, 2, 3))
    data = MeterData(Identity("ACME"), "generic-c1219", line=report, tables={"ST23": b"x" * 500}, blocks=blocks)
    watched.tally.met(data)
    watched.tally.met(replace(data, line=None))
    found = await figures(watched)
    assert found["mrsp_line_payload_bytes_total"] == 500 + 3 * 10
    assert (found["mrsp_line_bytes_total|sent"], found["mrsp_line_bytes_total|received"]) == (100, 900)
    assert (found["mrsp_line_retries_total"], found["mrsp_line_seconds_total"]) == (2, 12.5)


@asynccontextmanager
async def served(text: object) -> AsyncIterator[int]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve_metrics("127.0.0.1", 0, text, listening=port.set_result))  # type: ignore[arg-type]
    try:
        yield await port
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_the_figures_are_served_and_nothing_else() -> None:
    async def text() -> str:
        return "mrsp_x 1\n"

    async with served(text) as port:
        answer = await asked(port, b"GET /metrics?x=1 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")
        assert answer.endswith(b"\r\n\r\nmrsp_x 1\n")
        head = await asked(port, b"HEAD /metrics HTTP/1.0\r\n\r\n")
        assert b"Content-Length: 9\r\n" in head
        assert head.endswith(b"\r\n\r\n")
        for request, status in (
            (b"GET / HTTP/1.1", b"404"),
            (b"POST /metrics HTTP/1.1", b"405"),
            (b"nonsense", b"400"),
        ):
            assert (await asked(port, request + b"\r\n\r\n")).startswith(b"HTTP/1.1 " + status)
        assert await asked(port, b"GET /metrics HTTP/1.1\r\n" + b"x" * 20_000 + b"\r\n\r\n") == b""


async def test_trouble_with_the_spool_is_said_and_not_hidden(caplog: pytest.LogCaptureFixture) -> None:
    async def text() -> str:
        raise LocalTrouble("the spool cannot be asked")

    async with served(text) as port:
        assert (await asked(port, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503")
    assert "cannot be given" in caplog.text


async def test_a_client_that_says_nothing_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def text() -> str:
        return "mrsp_x 1\n"

    caplog.set_level(logging.DEBUG, "agent.metrics")
    async with served(text) as port:
        _, silent = await asyncio.open_connection("127.0.0.1", port)
        assert (await asked(port, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")
        silent.close()
        await silent.wait_closed()


async def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(LocalTrouble, match="cannot be listened on"):
            await serve_metrics("127.0.0.1", taken.getsockname()[1], lambda: asyncio.sleep(0, ""))


def test_the_file_is_there_whole_and_readable_by_others(tmp_path: Path) -> None:
    write_whole(tmp_path / "mrsp.prom", "mrsp_x 1\n")
    write_whole(tmp_path / "mrsp.prom", "mrsp_x 2\n")
    assert (tmp_path / "mrsp.prom").read_text() == "mrsp_x 2\n"
    assert (tmp_path / "mrsp.prom").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["mrsp.prom"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "says where the figures go"),
        ({"listen": "localhost:1"}, "no ADDRESS:PORT"),
        ({"listen": "127.0.0.1:70000"}, "no ADDRESS:PORT"),
        ({"textfile": "mrsp.txt"}, r"end with \.prom"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MetricsSettings(**given)  # type: ignore[arg-type]
    assert MetricsSettings(listen="[::1]:9754").place() == ("::1", 9754)


async def test_every_figure_stands_in_the_documents(watched: Watched) -> None:
    page = Path(__file__).parents[2].joinpath("docs/operations.md").read_text("utf-8")
    names = {family.name for family in await watched.families()}
    assert {name for name in names if f"`{name}" not in page} == set()
