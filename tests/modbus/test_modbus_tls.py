"""Modbus over TLS: the other end is always verified, and may verify us."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drivers.base import Task
from drivers.data import MeterData
from drivers.errors import LineLost, TransportError, UsageError
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.library import load_maps
from metersim.modbus.server import running_modbus
from metersim.modbus.world import world_of
from metersim.pki import Pki, create_pki, issue_server

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return create_pki(tmp_path_factory.mktemp("pki"), now=NOW, encryption=False)


def served_by(pki: Pki, files: tuple[Path, Path] | None = None, *, wants_client: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*(files or (pki.broker_certificate, pki.broker_key)))
    if wants_client:
        context.load_verify_locations(pki.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def read(address: str, query: str) -> MeterData:
    return await ModbusDriver().read(Task(url=f"{address}?{query}&timeout_ms=2000"))


async def test_a_server_of_the_named_authority_is_read(pki: Pki) -> None:
    truth = world_of(load_maps().find("sunspec-meter"))
    async with running_modbus({1: truth}, tls=served_by(pki)) as running:
        data = await read(running.address, f"ca={pki.ca}")
    assert sorted(f"{one.value:f}" for one in data.registers) == sorted(one.value for one in truth.truth)


async def test_a_server_that_wants_a_certificate_gets_ours(pki: Pki) -> None:
    truth = world_of(load_maps().find("sunspec-meter"))
    async with running_modbus({1: truth}, tls=served_by(pki, wants_client=True)) as running:
        ours = f"cert={pki.mdsp_certificate}&key={pki.mdsp_key}"
        data = await read(running.address, f"ca={pki.ca}&{ours}")
        assert len(data.registers) == len(truth.truth)
        with pytest.raises(LineLost, match="may want a certificate"):
            await read(running.address, f"ca={pki.ca}")


async def test_an_unknown_authority_is_refused(pki: Pki) -> None:
    async with running_modbus({1: world_of(load_maps().find("sunspec-meter"))}, tls=served_by(pki)) as running:
        with pytest.raises(TransportError, match=r"not trusted.*ca=FILE"):
            await ModbusDriver().read(Task(url=running.address))
    assert running.tally.requests == []


async def test_another_name_is_refused_unless_it_is_said(pki: Pki) -> None:
    files = issue_server(pki, "meter-7", now=NOW, hosts=("meter-7.example",), valid=timedelta(days=1))
    world = world_of(load_maps().find("sunspec-meter"))
    async with running_modbus({1: world}, tls=served_by(pki, files)) as running:
        with pytest.raises(TransportError, match=r"not trusted.*name=NAME"):
            await read(running.address, f"ca={pki.ca}")
        data = await read(running.address, f"ca={pki.ca}&name=meter-7.example")
    assert data.registers


async def test_an_expired_certificate_is_refused(pki: Pki) -> None:
    files = issue_server(pki, "old", now=NOW, hosts=("localhost",), valid=timedelta(days=-1))
    world = world_of(load_maps().find("sunspec-meter"))
    async with running_modbus({1: world}, tls=served_by(pki, files)) as running:
        with pytest.raises(TransportError, match="expired"):
            await read(running.address, f"ca={pki.ca}&name=localhost")


async def test_a_port_without_tls_is_told(pki: Pki) -> None:
    async with running_modbus({1: world_of(load_maps().find("sunspec-meter"))}) as running:
        address = running.address.replace("modbus+tcp", "modbus+tls")
        with pytest.raises(TransportError):
            await ModbusDriver().read(Task(url=f"{address}?ca={pki.ca}&connect_ms=300"))


@pytest.mark.parametrize("query", ["ca=/nowhere/ca.pem", "cert=/nowhere/cert.pem"])
async def test_files_that_are_missing_are_named(query: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be used.*there is no /nowhere"):
        await read("modbus+tls://127.0.0.1:1", query)


async def test_files_that_are_no_certificates_are_named(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("nothing", encoding="utf-8")
    with pytest.raises(UsageError, match="PEM files"):
        await read("modbus+tls://127.0.0.1:1", f"ca={path}")


async def test_a_key_that_others_may_read_is_not_used(pki: Pki, tmp_path: Path) -> None:
    key, both = tmp_path / "key.pem", tmp_path / "both.pem"
    key.write_bytes(pki.mdsp_key.read_bytes())
    both.write_bytes(pki.mdsp_certificate.read_bytes() + pki.mdsp_key.read_bytes())
    for path, query in ((key, f"cert={pki.mdsp_certificate}&key={key}"), (both, f"cert={both}")):
        path.chmod(0o640)
        with pytest.raises(UsageError, match=f"open to other users.*chmod 600 {path}"):
            await read("modbus+tls://127.0.0.1:1", f"ca={pki.ca}&{query}")
        path.chmod(0o600)
        with pytest.raises(TransportError, match="refuses the connection"):
            await read("modbus+tls://127.0.0.1:1", f"ca={pki.ca}&{query}")
