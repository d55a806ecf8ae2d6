"""`[call_in]`: what it may say, and the meters that it makes callers of."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from agent.call_in_service import callers_of
from agent.call_in_settings import CallInSettings
from agent.config import Config, load_config
from agent.errors import ConfigError

CONFIG = """\
[agent]
agent_id = "gw-1"
[clock]
zone = "America/Denver"
[[meters]]
name = "house"
url = "modem:///dev/ttyS0?dial=5550100"
expected_meter_id = "87654321"
cycle = "daily at 06:00"
site = { zone = "America/New_York" }
[[meters]]
name = "shed"
url = "modem:///dev/ttyS0?dial=5550101"
expected_meter_id = "M-1"
[[meters]]
name = "twin"
url = "modem:///dev/ttyS0?dial=5550102"
expected_meter_id = "M-1"
[[meters]]
name = "stranger"
url = "modem:///dev/ttyS0?dial=5550103"
"""


def settings(**given: object) -> CallInSettings:
    defaults = {"modems": ["modem:///dev/ttyS1"], "meters": [{"meter": "house"}]}
    return msgspec.convert({**defaults, **given}, CallInSettings)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "mrsp.toml").write_text(CONFIG)
    return load_config(tmp_path / "mrsp.toml")


def test_calls_are_due_when_the_meter_is_read_or_as_said_where_it_stands(config: Config) -> None:
    chosen = settings(meters=[{"meter": "house"}, {"meter": "shed", "cycle": "daily at 02:30", "number": "5550101"}])
    house, shed = callers_of(config, chosen, config.settings.standings())
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert house.cycle.after(noon) == datetime(2026, 11, 22, 11, tzinfo=UTC)  # 06:00 in New York
    assert shed.cycle.after(noon) == datetime(2026, 11, 22, 9, 30, tzinfo=UTC)  # 02:30 in Denver
    assert (house.order.expected_meter_id, house.may_tell, shed.number) == ("87654321", False, "5550101")


@pytest.mark.parametrize(
    ("meters", "words"),
    [
        ([{"meter": "nobody"}], "no meter 'nobody'"),
        ([{"meter": "stranger"}], "needs `expected_meter_id`"),
        ([{"meter": "shed"}, {"meter": "twin"}], "'twin' needs `expected_meter_id`"),
    ],
)
def test_meters_that_cannot_be_known_by_their_call(config: Config, meters: list[object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        callers_of(config, settings(meters=meters), config.settings.standings())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"modems": []}, "modems"),
        ({"modems": ["modem:///dev/ttyS1"] * 2}, "named twice"),
        ({"meters": [{"meter": "house"}] * 2}, "named twice"),
        ({"meters": [{"meter": "house", "cycle": "now and then"}]}, "cycle"),
        ({"early": "13h"}, "at most 12h"),
        ({"early": "soon"}, "not a duration"),
        ({"rings": 0}, "rings"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_mistakes(given: dict[str, object], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        settings(**given)
