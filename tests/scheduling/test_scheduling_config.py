"""What a configuration says of lines, routes, cycles and windows: its meaning, and what is refused with its reason."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agent.config import Settings, load_config
from agent.errors import ConfigError
from agent.ledger import roster_of
from agent.ledger_lines import Roster, folded
from agent.lines import ModemBank, Way, key_of, url_on, way_of
from agent.scheduling.reads import Standing
from drivers.errors import UsageError
from tests.scheduling.scheduling_kit import utc

HEAD = """\
[agent]
agent_id = "gw-1"
[clock]
zone = "America/Denver"
[schedule]
sessions = 4
[[modem_banks]]
name = "city"
lines = ["/dev/ttyS0", "modem+tcp://10.0.0.9:4001?init=%26K0&speed=follow"]
[[routes]]
name = "north"
cycle = "daily at 23:15"
call_window = "22:00-05:00"
deadline = "06:00"
"""
METER = """
[[meters]]
name = "a"
url = "modem://city?dial=555-0100"
"""


def loaded(tmp_path: Path, more: str) -> Settings:
    file = tmp_path / "mrsp.toml"
    file.write_text(HEAD + METER + more)
    return load_config(file).settings


def one(tmp_path: Path, more: str) -> Standing:
    (standing,) = loaded(tmp_path, more).standings()
    return standing


def test_a_route_says_when_and_a_meter_says_otherwise(tmp_path: Path) -> None:
    by_route = one(tmp_path, 'route = "north"')
    assert by_route.cycle.words() == "every day at 23:15 (America/Denver)"
    assert by_route.window is not None
    assert by_route.window.words() == "22:00-05:00 every day (America/Denver)"
    assert by_route.longest == timedelta(minutes=15)
    own = one(tmp_path, 'route = "north"\nevery = "1d"\nat = "6h"\ncall_window = "22:00-07:00"\nlongest_call = "5m"')
    assert own.cycle.words() == "every 1d at 6h (UTC)"
    assert own.longest == timedelta(minutes=5)
    zoned = one(tmp_path, 'cycle = "daily at 06:00"\nsite = { zone = "Europe/Berlin" }')
    assert zoned.cycle.words() == "every day at 06:00 (Europe/Berlin)"
    assert zoned.deadline_of(utc(2026, 1, 5, 5)) == utc(2026, 1, 5, 20)


def test_a_bank_is_any_of_its_lines(tmp_path: Path) -> None:
    way = one(tmp_path, "").way
    assert way == Way("bank city", ("/dev/ttyS0", "10.0.0.9:4001"), "5550100", "city")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('cycle = "daily"', r"line 16: `meters\[0\]`: `cycle`: 'daily' is not a read cycle; write"),
        ('cycle = "daily at 06:00"\nevery = "1d"', "`cycle` says when; it goes without `every` and `at`"),
        ('call_window = "22"', r"`call_window`: '22' is not a call window; write"),
        ('call_days = "mo"', "`call_days`: 'mo' is no day of the week"),
        ('deadline = "9 pm"', "`deadline`: '9 pm' is not a time of day"),
        ('longest_call = "long"', "`longest_call`: 'long' is not a duration"),
        ('route = "south"', r"the meter 'a': `route`: there is no route 'south' among \[\[routes\]\]: north"),
        (
            'cycle = "daily at 06:00"\ncall_window = "22:00-05:00"',
            "the meter 'a': `call_window` 22:00-05:00 .* has no room for a call of 15m between a due time",
        ),
        (
            'cycle = "mon at 06:00"\ncall_window = "05:00-22:00"\ncall_days = "sat, sun"',
            "`call_window` 05:00-22:00 sat, sun .* let it fall due within the window",
        ),
        (
            'every = "1d"\nat = "13h"\ncall_window = "06:00-06:10"\ndeadline = "12:00"',
            "has no room for a call of 15m",
        ),
        ('site = { zone = "Mars/Olympus" }', "the meter 'a': `zone`: Mars/Olympus is no time zone"),
        ("[[modem_banks]]\nname = 'city'\nlines = ['/dev/ttyS7']", "`modem_banks`: the name 'city' is used twice"),
        ("[[modem_banks]]\nname = 'x'\nlines = ['tcp://h:1']", "tcp://h:1 is no modem"),
        ("[[modem_banks]]\nname = 'x'\nlines = ['modem://city?dial=1']", "is no modem"),
        (
            "[[modem_banks]]\nname = 'x'\nlines = ['modem:///dev/ttyS7?dial=1']",
            "the number to dial belongs to the meter",
        ),
        ("[[modem_banks]]\nname = 'x'\nlines = ['/dev/ttyS7', 'modem:///dev/ttyS7']", "/dev/ttyS7 is named twice"),
        ("[[routes]]\nname = 'r'\ncycle = 'sometimes'", r"`routes\[1\]`: `cycle`: 'sometimes' is not a read cycle"),
        ('[call_in]\nmodems = ["/dev/ttyS9"]\nmeters = [{ meter = "z" }]', "there is no meter 'z' among"),
        (
            '[call_in]\nmodems = ["modem:///dev/ttyS0"]\nmeters = [{ meter = "a" }]',
            "/dev/ttyS0 waits for calls, and is in",
        ),
        ("[[meters]]\nname = 'b'\nurl = 'modem://town?dial=1'", "there is no modem bank 'town' .*there are city"),
    ],
)
def test_a_mistake_is_named_with_its_reason(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        loaded(tmp_path, more)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('deadline = "later"', "`deadline`: 'later'"),
        ('call_gap = "30s"', "`call_gap` must be at least 60s"),
        ("sessions = 0", "schedule.sessions"),
        ('spread = "0"', "schedule.spread"),
    ],
)
def test_the_schedule_s_own_mistakes(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "mrsp.toml"
    file.write_text(HEAD.replace("sessions = 4", line) + METER)
    with pytest.raises(ConfigError, match=message):
        load_config(file)


@pytest.mark.parametrize(
    ("urls", "key"),
    [
        (("/dev/ttyUSB0", "serial:///dev/ttyUSB0?baud=300", "modem:///dev/ttyUSB0?dial=5", "modbus:///dev/ttyUSB0?unit=3"),
         "/dev/ttyUSB0"),
        (("tcp://Gate:4001", "rfc2217://gate:4001", "modem+tcp://GATE:4001?dial=1"), "gate:4001"),
        (("modbus+tcp://10.0.0.5?unit=1", "modbus+tcp://10.0.0.5:502?unit=2"), "10.0.0.5:502"),
        (("modbus+tls://10.0.0.5?unit=1",), "10.0.0.5:802"),
        (("wctp+https://gw/wctp?recipient=1",), "wctp+https://gw/wctp?recipient=1"),
        (("visual:///house",), "visual:///house"),
    ],
)  # fmt: skip
def test_addresses_of_one_line_are_one_line(urls: tuple[str, ...], key: str) -> None:
    assert {key_of(url) for url in urls} == {key}
    assert {way_of(url, {}).lines for url in urls} == {(key,)}


def test_a_device_has_many_names(tmp_path: Path) -> None:
    device, name = tmp_path / "ttyUSB0", tmp_path / "by-id"
    device.touch()
    name.symlink_to(device)
    assert key_of(f"serial://{name}") == key_of(str(device))


def test_a_meter_is_called_by_the_modem_that_is_free() -> None:
    lines = ("/dev/ttyS0", "modem+tcp://10.0.0.9:4001?init=%26K0%7C%5CN0&speed=follow")
    banks = {"city": ModemBank(name="city", lines=lines)}
    url = "modem://city?dial=%2B15550100&wait_s=50"
    assert url_on(url, "/dev/ttyS0", banks) == "modem:///dev/ttyS0?dial=%2B15550100&wait_s=50"
    through = url_on(url, "10.0.0.9:4001", banks, most_s=600)
    assert through.startswith("modem+tcp://10.0.0.9:4001?init=%26K0|%5CN0&speed=follow&dial=%2B15550100&wait_s=50")
    assert through.endswith("max_call_s=600")
    assert way_of(through, banks).number == way_of(url, banks).number == "+15550100"
    assert url_on("tcp://h:1", "h:1", banks, most_s=600) == "tcp://h:1"
    assert url_on("modem:///dev/ttyS5?dial=7", "/dev/ttyS5", {}, most_s=5) == "modem:///dev/ttyS5?dial=7&max_call_s=30"
    with pytest.raises(UsageError, match="there is no modem bank 'town'"):
        way_of("modem://town?dial=1", banks)


def test_the_ledger_expects_what_the_calendar_says(tmp_path: Path) -> None:
    settings = loaded(tmp_path, 'route = "north"')
    cycles = {standing.meter: standing.cycle for standing in settings.standings()}
    roster = Roster(utc(2026, 3, 7), tuple(roster_of(settings.meters, cycles)))
    entries = folded([roster], utc(2026, 3, 7), utc(2026, 3, 10))
    assert [entry.due for entry in entries] == [utc(2026, 3, 7, 6, 15), utc(2026, 3, 8, 6, 15), utc(2026, 3, 9, 5, 15)]


def test_a_meter_that_calls_when_it_is_read_is_waited_for(tmp_path: Path) -> None:
    call_in = '\n[call_in]\nmodems = ["modem:///dev/ttyS9"]\nmeters = [{ meter = "a" }, { meter = "b", cycle = "%s" }]'
    text = "\n[[meters]]\nname = 'b'\nurl = 'modem:///dev/ttyS9'" + call_in % "daily at 02:30"
    first, second = loaded(tmp_path, text).standings()
    assert (first.waits, first.only_calls) == (timedelta(hours=1), False)
    assert (second.waits, second.only_calls) == (timedelta(0), False)  # its calls have a cycle of their own
    both = text.replace(', cycle = "daily at 02:30"', "")
    assert loaded(tmp_path, both).standings()[1].only_calls
