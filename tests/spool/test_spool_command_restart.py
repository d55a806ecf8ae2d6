"""`mrsp spool restart-chain` and its neighbours on a damaged spool, as an operator types them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.keys import create_device_key, load_device_key
from agent.seal import Sealer
from agent.spool import Spool
from tests.spool.spool_kit import document

CONFIG = '[agent]\nagent_id = "gw-1"\nstate_directory = "state"\n'
LEAVE = ["--by", "ops@example.com", "--reason", "the SD card failed"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An agent with ten documents in its spool, which nothing uses at the moment."""
    path = tmp_path / "mrsp.toml"
    path.write_text(CONFIG)
    create_device_key(tmp_path / "state" / "keys")

    async def fill() -> None:
        sealer = Sealer(load_device_key(tmp_path / "state" / "keys"))
        async with await Spool.open(spool_of(path), agent_id="gw-1", sealer=sealer) as spool:
            for number in range(10):
                await spool.add("reading", f"r{number}", document("x" * 5_000))

    asyncio.run(fill())
    return path


def spool_of(config: Path) -> Path:
    return config.parent / "state" / "spool.sqlite"


def break_first_page(config: Path) -> None:
    content = spool_of(config).read_bytes()
    spool_of(config).write_bytes(b"\xff" * 200 + content[200:])


def test_a_damaged_spool_is_named_and_started_again(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    break_first_page(config)
    assert main(["spool", "verify", "--config", str(config)]) == 6
    said = capsys.readouterr().err
    assert "damaged" in said
    assert "restart-chain" in said
    assert main(["spool", "restart-chain", "--config", str(config), "--by", "", "--reason", "x"]) == 2
    assert main(["spool", "restart-chain", "--config", str(config), *LEAVE]) == 0
    out = capsys.readouterr().out
    assert "10 waiting documents are carried over as they were" in out
    assert "links 11 to 1010 are not here: delivered, lost, or never made" in out
    assert "the chain goes on at link 1011" in out
    assert "spool.sqlite.damaged-1" in out
    assert main(["spool", "verify", "--config", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"sound": True, "links": 11, "documents": 11, "problems": []}
    assert main(["spool", "show", "chain-restart-1011", "--config", str(config)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["schema"], report["by"], report["reason"]) == ("mrsp.chain-restart/1", LEAVE[1], LEAVE[3])
    assert report["missing"] == [[11, 1010]]


def test_what_came_of_it_as_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    break_first_page(config)
    assert main(["spool", "restart-chain", "--config", str(config), *LEAVE, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["report"]["carried_over"] == 10
    assert Path(told["kept"]).name == "spool.sqlite.damaged-1"


def test_a_sound_spool_is_left_alone(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spool", "restart-chain", "--config", str(config), *LEAVE]) == 2
    assert "nothing is wrong" in capsys.readouterr().err


def test_a_spool_that_has_gone_back_does_not_verify(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = spool_of(config).read_bytes()

    async def add() -> None:
        sealer = Sealer(load_device_key(config.parent / "state" / "keys"))
        async with await Spool.open(spool_of(config), agent_id="gw-1", sealer=sealer) as spool:
            await spool.add("reading", "later", document())

    asyncio.run(add())
    spool_of(config).write_bytes(old)
    assert main(["spool", "verify", "--config", str(config)]) == 6
    assert "it has gone back: it ends at link 10, but link 11 was made" in capsys.readouterr().out


def test_an_export_says_what_could_not_be_read(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["spool", "export", "--config", str(config), str(tmp_path / "out")]) == 0
    assert "wrote 10 sealed documents" in capsys.readouterr().err
    body = (tmp_path / "out" / "0000000003-r2.jws").read_bytes()
    content = bytearray(spool_of(config).read_bytes())
    place = content.index(body[:100]) // 4096 * 4096
    content[place : place + 64] = b"\xa5" * 64
    spool_of(config).write_bytes(content)
    assert main(["spool", "export", "--config", str(config), str(tmp_path / "rest")]) == 6
    assert "these links cannot be read" in capsys.readouterr().err
    assert len(list((tmp_path / "rest").iterdir())) >= 5
