"""The console as a job of the service: real connections, real TLS, renewed certificates, and a quick end."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from starlette.requests import Request
from starlette.responses import Response

from agent.console import server
from agent.console.app import build_app
from agent.console.page import Page
from agent.console.pages import PAGES
from agent.console.server import serve_console
from agent.console.settings import ConsoleSettings
from agent.console.stream import Event, events
from agent.console.tls import complaints
from agent.errors import ConfigError, LocalTrouble
from tests.console.console_kit import NOW, PASSWORD, FakeClock, accounts_in, csrf_in, world_in
from tests.identity.identity_kit import make_root

PATIENCE_S = 20.0
NAMES = x509.SubjectAlternativeName([x509.DNSName("box.example"), x509.IPAddress(ip_address("192.0.2.7"))])


async def ticks(request: Request) -> Response:
    async def source() -> AsyncIterator[Event]:
        yield Event("first")
        await asyncio.Event().wait()

    return events(request, source())


def certificate_in(directory: Path, name: str) -> tuple[Path, Path]:
    """Write a key and a certificate that says `name`, as a renewal does: each file is replaced."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = NOW.replace(year=2020)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files = directory / "tls.pem", directory / "tls.key"
    for file, content in zip(files, (made.public_bytes(pem), private), strict=True):
        draft = file.with_suffix(".part")
        draft.write_bytes(content)
        draft.chmod(0o600)
        draft.replace(file)
    return files


class Told(logging.Handler):
    """Notes when the console says where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.event = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "the console is at" in record.msg:
            self.event.set()


@asynccontextmanager
async def served(
    directory: Path, settings: ConsoleSettings, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[tuple[str, asyncio.Task[None]]]:
    """Run the console; give its URL and its task."""
    caplog.set_level(logging.INFO, logger="agent.console")
    accounts_in(directory / "console-accounts.json", (("ann", "reader"),))
    logger, told = logging.getLogger("agent.console"), Told()
    logger.addHandler(told)
    task = asyncio.create_task(serve_console(settings, world_in(directory, FakeClock())))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await told.event.wait()
        url = next(one.getMessage().rpartition(" ")[2] for one in caplog.records if "the console is at" in one.msg)
        yield url.replace("127.0.0.1", "localhost"), task
    finally:
        logger.removeHandler(told)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def answer_to(url: str, octets: bytes) -> bytes:
    """Return what the console says to octets, up to where it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
    try:
        writer.write(octets)
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def log_in(client: httpx.AsyncClient) -> None:
    page = await client.get("/login")
    entered = await client.post("/login", data={"csrf": csrf_in(page), "name": "ann", "password": PASSWORD})
    assert entered.status_code == 303


async def shown_certificate(port: int) -> str:
    """Return whom the certificate of a new connection names."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    writer.close()
    await writer.wait_closed()
    return str(found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


async def test_over_tls_a_person_logs_in_and_a_renewed_certificate_is_taken_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = certificate_in(tmp_path, "first")
    settings = ConsoleSettings(listen="127.0.0.1:0", certificate=str(certificate), key=str(key))
    async with served(tmp_path, settings, caplog) as (url, _):
        trust = ssl.create_default_context(cafile=str(certificate))
        async with httpx.AsyncClient(verify=trust, base_url=url) as client:
            await log_in(client)
            assert (await client.get("/status")).status_code == 200
            assert (await client.get("/status")).http_version == "HTTP/1.1"
            port = httpx.URL(url).port
            assert port is not None
            assert await shown_certificate(port) == "first"
            certificate_in(tmp_path, "second")
            assert await shown_certificate(port) == "second"
            certificate.write_text("half a certi")
            assert await shown_certificate(port) == "second"
            assert (await client.get("/status")).status_code == 200  # the connection of before goes on
    assert "shows the certificate of before" in caplog.text
    assert not [one for one in caplog.records if one.name.startswith("uvicorn")]


async def test_it_ends_at_once_also_with_streams_and_half_a_request_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = (*PAGES, Page("/ticks", ticks, background=True))
    monkeypatch.setattr(server, "build_app", lambda world, settings: build_app(world, settings, pages=pages))
    loop = asyncio.get_running_loop()
    async with served(tmp_path, ConsoleSettings(listen="127.0.0.1:0"), caplog) as (url, task):
        async with httpx.AsyncClient(base_url=url) as client:
            await log_in(client)
            _, half = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
            half.write(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
            await half.drain()
            async with client.stream("GET", "/ticks") as stream:
                assert stream.headers["content-type"].startswith("text/event-stream")
                lines = stream.aiter_lines()
                while await anext(lines) != "data: first":
                    pass
                begun = loop.time()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert task.cancelled()
                assert [line async for line in lines] == [""]
            assert loop.time() - begun < PATIENCE_S
            half.close()
            await asyncio.gather(half.wait_closed(), return_exceptions=True)
        assert not [one for one in asyncio.all_tasks() if "uvicorn" in repr(one.get_coro())]


async def test_who_takes_the_time_to_ask_is_shown_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.console.connection.HEAD_S", -server.KEEP_ALIVE_S + 0.05)
    async with served(tmp_path, ConsoleSettings(listen="127.0.0.1:0"), caplog) as (url, _):
        assert await answer_to(url, b"GET /login HTTP/1.1\r\nHost: lo") == b""


async def test_nonsense_on_the_line_is_answered_and_forgotten(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with served(tmp_path, ConsoleSettings(listen="127.0.0.1:0"), caplog) as (url, _):
        for octets in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"A" * 100_000):
            assert (await answer_to(url, octets + b"\r\n\r\n"))[:10] in {b"HTTP/1.1 4", b""}
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/login")).status_code == 200


async def test_a_port_that_is_taken_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with served(tmp_path, ConsoleSettings(listen="127.0.0.1:0"), caplog) as (url, _):
        taken = ConsoleSettings(listen=f"127.0.0.1:{httpx.URL(url).port}")
        with pytest.raises(ConfigError, match="cannot be reached at"):
            await serve_console(taken, world_in(tmp_path, FakeClock()))


@pytest.mark.parametrize("wrong", ["missing", "open", "nonsense", "other"])
async def test_a_certificate_that_cannot_be_used_is_named_at_the_start(tmp_path: Path, wrong: str) -> None:
    certificate, key = certificate_in(tmp_path, "x")
    match wrong:
        case "missing":
            key.unlink()
        case "open":
            key.chmod(0o644)
        case "nonsense":
            certificate.write_text("nonsense")
        case _:
            other = tmp_path / "other"
            other.mkdir()
            certificate = certificate_in(other, "y")[0]
    settings = ConsoleSettings(listen="127.0.0.1:0", certificate=str(certificate), key=str(key))
    with pytest.raises(LocalTrouble):
        await serve_console(settings, world_in(tmp_path, FakeClock()))


@pytest.mark.parametrize(
    ("options", "names", "said"),
    [
        ({"purpose": ExtendedKeyUsageOID.SERVER_AUTH, "names": NAMES}, ("box.example", "192.0.2.7"), []),
        ({"purpose": None, "names": NAMES}, (), []),
        ({"purpose": ExtendedKeyUsageOID.CLIENT_AUTH, "names": NAMES}, ("BOX.example",), ["serverAuth"]),
        ({"purpose": None, "names": None}, ("box.example",), ["does not name box.example"]),
    ],
)
def test_what_browsers_will_not_like_about_a_certificate_is_said(
    tmp_path: Path, options: dict[str, Any], names: tuple[str, ...], said: list[str]
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    file = tmp_path / "c.pem"
    file.write_bytes(make_root().issue(key.public_key(), **options))
    found = complaints(file, names)
    assert len(found) == len(said)
    assert all(words in complaint for words, complaint in zip(said, found, strict=True))


def test_settings_know_when_the_device_shows_its_own_certificate() -> None:
    settings = msgspec.convert({"listen": "0.0.0.0:8443"}, ConsoleSettings)
    assert settings.tls
    assert server.url_of(settings, "::1", 8443) == "https://[::1]:8443/"
    assert server.url_of(ConsoleSettings(), "127.0.0.1", 80) == "http://127.0.0.1:80/"
