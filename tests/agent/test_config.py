"""A configuration is right as a whole, or refused with file, line and key."""

from datetime import timedelta
from pathlib import Path

import pytest

from agent.config import load_config
from agent.errors import ConfigError

GOOD = """\
[agent]
agent_id = "gw-0001"
state_directory = "state"

[clock]
sources = ["chrony"]

[keys]
mdsp = "mdsp.jwks"

[forward]
host = "mdsp.example"
ca = "ca.crt"
certificate = "gw.crt"
key = "gw.key"

[[meters]]
name = "main"
url = "/dev/ttyUSB0"
every = "15m"
at = "2m"
expected_meter_id = "10012345"
dials = 6
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mrsp.toml"
    path.write_text(text)
    return path


def test_a_good_configuration_means_what_it_says(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, GOOD))
    assert config.agent_id == "gw-0001"
    assert config.spool_file == tmp_path / "state" / "spool.sqlite"
    assert config.key_directory == tmp_path / "state" / "keys"
    meter = config.settings.meters[0]
    assert (meter.period, meter.offset) == (timedelta(minutes=15), timedelta(minutes=2))
    order = meter.order()
    assert (order.url, order.expected_meter_id, order.dials) == ("/dev/ttyUSB0", "10012345", 6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('agent_id = "gw-0001"', 'agent_id = "gw/1"', r"line 2: `agent\.agent_id`"),
        ('every = "15m"', 'every = "15 parsecs"', r"line 17: `meters\[0\]`.*for example 15m"),
        ('every = "15m"', 'every = "5s"', "at least 10s"),
        ('at = "2m"', 'at = "20m"', "`at` must be less than `every`"),
        ("dials = 6", "dials = 0", r"line 23: `meters\[0\]\.dials`"),
        ("dials = 6", "dial = 6", r"line 23: `meters\[0\]\.dial`: unknown key"),
        ('url = "/dev/ttyUSB0"', 'url = "ttyUSB0"', "not a meter URL"),
        ('mdsp = "mdsp.jwks"', "", "`forward` needs `keys.mdsp`"),
        ('host = "mdsp.example"', "", r"line 11: `forward`: the key `host` is missing"),
        ("[clock]", "[clock", "is not TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(written(tmp_path, GOOD.replace(old, new)))


def test_a_name_used_twice_is_refused(tmp_path: Path) -> None:
    twice = GOOD + '\n[[meters]]\nname = "main"\nurl = "tcp://10.0.0.1:4001"\n'
    with pytest.raises(ConfigError, match="the name 'main' is used twice"):
        load_config(written(tmp_path, twice))
