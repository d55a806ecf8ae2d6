"""`mrsp requests list`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from agent.cli import requests
from agent.errors import LocalTrouble
from tests.requests.requests_kit import Place, said, signed, with_route
from tests.routes.routes_kit import route


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    requests.add_arguments(parser)
    return requests.run(parser.parse_args(["list", *arguments]))


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "mrsp.toml").write_text('[agent]\nagent_id = "gw-0001"\nstate_directory = "."\n')
    return str(tmp_path / "mrsp.toml")


async def test_requests_are_listed_with_their_answers(
    place: Place, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--config", config) == 0
    assert capsys.readouterr().out == "the MDSP asked for nothing yet\n"
    place.field_work = True
    async with place.agent() as agent:
        await agent.take(signed(said(1)), signed(said(2, meter_id="other")), signed(said(3, action="no such")))
        await agent.take(signed(with_route(4, route(day="2026-11-23"))))
        await agent.handler.carry_on()
    assert run("--config", config, "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["agent_id"] == "gw-0001"
    assert (listed["requests"][0]["route_id"], listed["requests"][0]["stops"]) == ("R-1", 3)
    assert [(one["jti"][-1], one["state"], one["outcome"], one.get("reason")) for one in listed["requests"]] == [
        ("4", "open", "accepted", None),
        ("3", "settled", "refused", "malformed"),
        ("2", "settled", "refused", "not_contracted"),
        ("1", "open", "accepted", None),
    ]
    assert listed["requests"][2]["meter_id"] == "other"
    assert run("--config", config, "--limit", "2") == 0
    listing = capsys.readouterr().out
    assert "malformed: " in listing
    assert "R-1" in listing


def test_a_box_that_never_took_requests_says_so(tmp_path: Path, config: str) -> None:
    with pytest.raises(LocalTrouble, match="there are no requests"):
        run("--config", config)
    with pytest.raises(SystemExit):
        run("--config", config, "--limit", "0")
