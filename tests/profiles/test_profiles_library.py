"""Profiles are found by name, read when needed, and turned into the settings of the line and of the tables."""

from decimal import Decimal
from pathlib import Path

import pytest

from drivers.c1219.described import BitName
from drivers.c1219.quirks import Quirks
from drivers.errors import UsageError
from drivers.profiles import describe, load_profile, load_profiles, summary
from drivers.psem.options import PsemOptions, Timing
from drivers.transport.urls import SerialAddress, parse_url

HEAD = 'name = "{}"\ntitle = "Acme"\nstatus = "not tried on hardware"\n'


def write(directory: Path, name: str, text: str = "") -> Path:
    path = directory / f"{name}.toml"
    path.write_text(HEAD.format(name) + text)
    return path


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ("ge-kv2", "did you mean ge-kv2c"),
        ("KV2C", "ge-kv2c"),
        ("elster-a3", "elster-a3-alpha"),
        ("zzzzzz", r"\(known: echelon-ansi, elster-a1800"),
    ],
)
def test_an_unknown_name_is_answered_with_its_neighbours(wrong: str, advice: str) -> None:
    with pytest.raises(UsageError, match=rf"no profile is called '{wrong}'.*{advice}") as caught:
        load_profiles().find(wrong)
    assert "known: " in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_directory_of_ones_own_adds_profiles(tmp_path: Path) -> None:
    write(tmp_path, "acme-sx")
    (tmp_path / "README.md").write_text("not a profile")
    assert load_profiles([tmp_path]).find("acme-sx").title == "Acme"


def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "ge-kv2c")
    with pytest.raises(UsageError, match=r"ge-kv2c exists twice: .*firmware_profiles.* and .*rename one"):
        load_profiles([tmp_path])


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"profile directory .*/none cannot be read: No such file"):
        load_profiles([tmp_path / "none"])


def test_only_the_file_that_is_needed_is_read(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("name = ")
    profiles = load_profiles([tmp_path])
    assert profiles.find("ge-kv2c") is profiles.find("ge-kv2c")
    with pytest.raises(UsageError, match=r"broken\.toml is not TOML"):
        profiles.check()
    with pytest.raises(UsageError, match=r"broken\.toml is not TOML"):
        profiles.recognise(manufacturer="ACME")


def test_keys_become_the_settings_of_the_line(tmp_path: Path) -> None:
    profile = load_profile(
        write(
            tmp_path,
            "acme-sx",
            """
            [psem]
            inter_character_ms = 1000
            response_ms = 4000
            channel_traffic_ms = 30000
            turnaround_ms = 20
            retries = 5
            identity = 5
            toggles = false
            password_padding = "space"
            user_id = 2
            user = "READER"
            packet_size = 128
            packets = 8
            bauds = [28800, 9600]
            size_excludes_overhead = true
            wake_up = true
            busy_wait_ms = 250
            logoff = false
            [line]
            baud = 9600
            dtr = "leave"
            warmup_ms = 200
            echo = "off"
            """,
        )
    )
    assert profile.psem_options() == PsemOptions(
        timing=Timing(inter_character_s=1, response_s=4, channel_traffic_s=30, turnaround_s=0.02, retries=5),
        identity=5,
        toggles=False,
        password_padding="space",  # noqa: S106 - not a password
        user_id=2,
        user="READER",
        packet_size=128,
        packets=8,
        bauds=(28800, 9600),
        size_excludes_overhead=True,
        wake_up=True,
        busy_wait_s=0.25,
        logoff=False,
    )
    assert profile.line_options() == {"baud": "9600", "dtr": "leave", "warmup_ms": "200", "echo": "off"}
    address = parse_url("/dev/ttyUSB0?echo=on", profile.line_options())
    assert address == SerialAddress("/dev/ttyUSB0", baud=9600, dtr="leave", warmup_ms=200, echo="on")


def test_what_a_profile_does_not_say_is_left_as_it_was(tmp_path: Path) -> None:
    profile = load_profile(write(tmp_path, "acme-sx", "[psem]\nresponse_ms = 3000\n[c1219]\nbcd_point = 2\n"))
    modem = PsemOptions(timing=Timing(inter_character_s=1, response_s=4, channel_traffic_s=30), packets=16)
    options = profile.psem_options(modem)
    assert options.timing == Timing(inter_character_s=1, response_s=3, channel_traffic_s=30)
    assert options.packets == 16
    assert profile.quirks(Quirks(scaling="none")) == Quirks(scaling="none", bcd_point=2)


@pytest.mark.parametrize(("table", "number"), [("ST04", 4), ("MT16", 2064), ("MT0", 2048)])
def test_dials_are_found_by_table_and_offset(tmp_path: Path, table: str, number: int) -> None:
    text = f'[displays]\ndials_at = {{ table = "{table}", offset = 3 }}\ndigits = 6\n'
    profile = load_profile(write(tmp_path, "acme-sx", text))
    assert profile.quirks() == Quirks(dials_table=number, dials_offset=3)
    assert profile.displays.digits == 6


def test_a_setting_without_a_source_is_shown_as_such(tmp_path: Path) -> None:
    profile = load_profile(write(tmp_path, "acme-sx", '[detect]\nmanufacturer = "ACME"\n[psem]\nuser_id = 2\n'))
    assert "psem.user_id = 2  (no source given)" in describe(profile)
    assert "recognised by  manufacturer ACME\n" in describe(profile)
    assert summary(profile) == {
        "name": "acme-sx",
        "title": "Acme",
        "recognised_by": "manufacturer ACME",
        "status": "not tried on hardware",
        "facts": 0,
        "proofs": 0,
    }


def test_described_tables_are_known_by_the_id_that_a_request_carries(tmp_path: Path) -> None:
    text = """
        [[manufacturer_table]]
        number = 16
        name = "Display"
        [[manufacturer_table]]
        number = 110
        name = "Present values"
        [[manufacturer_table.field]]
        name = "power"
        type = "I32"
        scale = "0.001"
        unit = "kW"
        register = { quantity = "kW", direction = "net", kind = "instantaneous" }
        [[manufacturer_table]]
        number = 1
        name = "Boards"
        [[manufacturer_table.field]]
        name = "flags"
        type = "BITS8"
        bits = { lock = 0, mode = [1, 3] }
        names = { 9 = "nine" }
    """
    profile = load_profile(write(tmp_path, "acme-sx", text))
    tables = profile.described_tables()
    assert {number: table.name for number, table in tables.items()} == {2158: "MT110", 2049: "MT1"}
    assert profile.register_tables() == (2158,)
    assert tables[2158].fields[0].scale == Decimal("0.001")
    assert tables[2049].fields[0].bits == (BitName("lock", 0, 0), BitName("mode", 1, 3))
    assert tables[2049].fields[0].names == ((9, "nine"),)
    assert "power I32 × 0.001 kW: a register of the reading" in describe(profile)
