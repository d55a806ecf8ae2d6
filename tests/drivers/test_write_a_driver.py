"""The example of `docs/write-a-driver.md` is a driver: installed as its page says, it reads a meter."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "write-a-driver.md"
LONGEST = 75  # lines, blank ones included: what a newcomer reads at one go


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A package of its own, as pip would leave it."""
    (example,) = blocks("python")
    assert len(example.splitlines()) <= LONGEST
    (tmp_path / "acme_driver.py").write_text(example)
    (points,) = blocks("toml")
    name = re.search(r"^(\w+) = \"(\S+)\"", points, re.MULTILINE)
    assert name is not None
    info = tmp_path / "acme_driver-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-driver\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[mrsp.drivers]\n{name[1]} = {name[2]}\n")
    return tmp_path


async def read(site: Path, answer: bytes, *options: str) -> tuple[int, str, str]:
    """Let `mrsp read` visit a meter that answers so."""

    async def meter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readline() == b"READ\r\n":
            writer.write(answer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(meter, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        arguments = ("read", f"acme://127.0.0.1:{port}", "--no-clock-check", "--format", "json", *options)
        mrsp = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent.cli.main", *arguments),
            env={**os.environ, "PYTHONPATH": str(site)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await mrsp.communicate()
    assert mrsp.returncode is not None
    return mrsp.returncode, out.decode(), err.decode()


@pytest.mark.system
async def test_reads_a_meter_as_its_page_says(site: Path) -> None:
    status, out, err = await read(site, b"10012345;0045678.9 kWh\r\n", "--meter-id", "10012345", "--dials", "7")
    assert status == 0, err
    reading = json.loads(out)
    assert reading["meter"]["meter_id"] == "10012345"
    (register,) = reading["registers"]
    assert (register["raw"], register["value"], register["unit"]) == ("0045678.9", "45678.9", "kWh")
    assert register["provenance"]["octets"] == b"0045678.9".hex()


@pytest.mark.system
async def test_its_recording_holds_what_was_said(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "visit.rec"
    status, _out, err = await read(site, b"10012345;0045678.9 kWh\r\n", "--record", str(file))
    assert status == 0, err
    assert b"READ\r\n".hex() in file.read_text().replace(" ", "").lower()


@pytest.mark.system
@pytest.mark.parametrize("answer", [b"10012345;0045x78.9 kWh\r\n", b"?" * 1000])
async def test_rubbish_is_a_clear_error(site: Path, answer: bytes) -> None:
    status, out, err = await read(site, answer)
    assert (status, out) == (3, "")
    assert "acme://127.0.0.1" in err
    assert "is no reading" in err
