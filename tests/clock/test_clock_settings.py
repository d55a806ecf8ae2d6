"""The `[clock]` table, the clocks of the box, and its zone."""

from __future__ import annotations

import re
import time
from datetime import UTC
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import ClockSettings, SystemClock, read_instant
from agent.clock.settings import Server, parse_server
from agent.clock.system import box_zone


def test_the_defaults_ask_chrony() -> None:
    settings = ClockSettings()
    assert (settings.asked, settings.servers) == (("chrony",), ())
    assert settings.ppm == 50
    assert settings.max_offset_s == 60


def test_a_full_table() -> None:
    table = """
        sources = ["kernel", "ntp"]
        ntp = ["time.example", "192.0.2.1:1123", "time.example:123"]
        ppm = 2.5
        max_offset_s = 30
        zone = "America/Denver"
    """
    settings = msgspec.toml.decode(table, type=ClockSettings)
    assert settings.asked == ("kernel", "ntp")
    assert settings.servers == (Server("time.example", 123), Server("192.0.2.1", 1123))
    assert settings.ppm == Decimal("2.5")


def test_servers_that_are_named_are_asked_too() -> None:
    settings = ClockSettings(ntp=("a.example", "[::1]:1123"))
    assert settings.asked == ("chrony", "ntp")
    assert settings.servers == (Server("a.example", 123), Server("::1", 1123))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("bogus = 1", "unknown field `bogus`"),
        ('sources = ["sundial"]', "sundial"),
        ('gpsd = "a b"', "`a b` is not a gpsd"),
        ('gpsd = "a:70000"', "the port of a gpsd"),
        ("gnss_timeout_s = 61", "gnss_timeout_s"),
        ('sources = ["ntp"]', "lists no server"),
        ('ntp = ["a b"]', "`a b` is not an NTP server"),
        ('ntp = ["a:0"]', "1 to 65535"),
        ("chronyc = []", "length >= 1"),
        ("ppm = 0", "`ppm`"),
        ("ppm = nan", "`ppm`"),
        ("max_offset_s = -1", "`max_offset_s`"),
        ('zone = "Mars/Olympus"', "`zone`: Mars/Olympus"),
        ('zone = "../../etc/passwd"', "`zone`"),
        ("ntp_timeout_s = 0", "ntp_timeout_s"),
        ("ntp_samples = 1000", "ntp_samples"),
    ],
)
def test_what_cannot_work_is_refused_on_load(table: str, words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(words)):
        msgspec.toml.decode(table, type=ClockSettings)


@pytest.mark.parametrize(
    ("text", "server", "again"),
    [
        ("time.nist.gov", Server("time.nist.gov", 123), "time.nist.gov:123"),
        ("127.0.0.1:11123", Server("127.0.0.1", 11_123), "127.0.0.1:11123"),
        ("::1", Server("::1", 123), "[::1]:123"),
        ("[2001:db8::1]", Server("2001:db8::1", 123), "[2001:db8::1]:123"),
        ("[fe80::1%eth0]:1123", Server("fe80::1%eth0", 1123), "[fe80::1%eth0]:1123"),
    ],
)
def test_servers_are_read_and_written(text: str, server: Server, again: str) -> None:
    assert parse_server(text) == server
    assert str(server) == again
    assert parse_server(again) == server


@pytest.mark.parametrize(
    "text", ["", ":", ":123", "a:", "a:65536", "a:-1", "a:1x", "[::1", "[a]:1", "[]", "::g", "-a", "a/b", "a\n"]
)
def test_no_servers(text: str) -> None:
    with pytest.raises(ValueError, match="NTP server"):
        parse_server(text)


@given(st.text(max_size=30))
def test_any_text_is_a_server_or_refused(text: str) -> None:
    try:
        server = parse_server(text)
    except ValueError:
        return
    assert parse_server(str(server)) == server


def test_the_system_clock_reads_both_counters() -> None:
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns()
    now = read_instant(SystemClock())
    assert before[0] <= now.boottime_ns <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before[1] <= now.realtime_ns <= time.time_ns()


def test_an_instant_is_the_tightest_of_three() -> None:
    class Descheduled:
        """Loses 5 s between the counters of the first look, 1 µs after that."""

        def __init__(self) -> None:
            self.now = 0
            self.looks = 0

        def boottime_ns(self) -> int:
            return self.now

        def realtime_ns(self) -> int:
            self.now += 5_000_000_000 if not self.looks else 1_000
            self.looks += 1
            return self.now

    assert read_instant(Descheduled()).difference_ns == 500


class TestZone:
    def test_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TZ", ":America/Denver")
        assert str(box_zone()) == "America/Denver"

    def test_of_the_link(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("TZ", raising=False)
        link = tmp_path / "localtime"
        link.symlink_to("/usr/share/zoneinfo/America/Chicago")
        assert str(box_zone(link)) == "America/Chicago"

    def test_of_a_copy(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("TZ", raising=False)
        copy = tmp_path / "localtime"
        copy.write_bytes(Path("/usr/share/zoneinfo/America/Chicago").read_bytes())
        assert str(box_zone(copy)) == "local"

    def test_of_none(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("TZ", raising=False)
        assert box_zone(tmp_path / "localtime") is UTC
        monkeypatch.setenv("TZ", "<+03>-3")
        assert box_zone(tmp_path / "localtime") is UTC
