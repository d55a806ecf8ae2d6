"""A person who brings no reading, outside the console: what they say is reported by the service, and by `mrsp read`."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import main
from agent.cli.progress import ProgressLine
from agent.keys import create_device_key
from agent.scheduling.reads import GivenUp
from agent.scheduling.retry import Failure
from agent.seal import Sealer
from agent.spool import Spool
from drivers.visual.trouble import NotRead
from tests.anomalies.anomalies_kit import reports
from tests.scheduling.test_scheduling_attending import DUE, brings, due_read, opened

CONFIG = """\
[agent]
agent_id = "gw-1"
state_directory = "."
"""


async def test_the_service_reports_what_the_give_up_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as place:
        trouble = NotRead("not read: a dog (dog); it is locked (locked)", trouble=("dog", "locked"))
        brings(monkeypatch, trouble)
        read = due_read()
        result = await place.attend(read)
        assert isinstance(result, Failure)
        assert not result.retry
        read.failure = result
        await place.attendant.given_up(GivenUp(read, DUE, "no_retry"))
        found = await reports(place.spool)
    assert [one["anomaly"] for one in found] == ["physical_danger", "meter_not_reached"]
    assert found[0]["found"] == ["dog"]
    assert "it is locked (locked)" in found[1]["description"]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("agent.cli.read.ProgressLine", lambda: ProgressLine(sys.stderr))  # as it is in this test
    create_device_key(tmp_path / "keys")
    path = tmp_path / "mrsp.toml"
    path.write_text(CONFIG)
    return path


def test_a_read_by_hand_reports_it(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = "visual://?nameplate=100&trouble=seal_broken&trouble=locked&remark=cut%20through&read_by=ann"
    assert main(["read", url, "--config", str(config), "--meter-id", "100", "--no-questions"]) == 3
    words = "not read by ann: a seal is broken (seal_broken); the place is locked (locked); cut through"
    assert words in capsys.readouterr().err

    async def stored() -> list[dict[str, Any]]:
        sealer = Sealer(create_device_key(config.parent / "other"))
        async with await Spool.open(config.parent / "spool.sqlite", agent_id="gw-1", sealer=sealer) as spool:
            return await reports(spool)

    found = asyncio.run(stored())
    assert [(one["anomaly"], one["found"], one["meter_id"]) for one in found] == [
        ("seal_defect", ["seal_broken"], "100"),
        ("no_access", ["locked"], "100"),
    ]


def test_a_spool_that_is_not_there_does_not_hide_why_there_is_no_reading(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(config.parent / "keys")
    assert main(["read", "visual://?nameplate=1&trouble=dog", "--config", str(config), "--no-questions"]) == 3
    told = capsys.readouterr().err
    assert "what was found at the meter is not reported" in told
    assert "a dog guards the place" in told
