"""`mrsp explain` as a person and as a script use it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

import msgspec
import pytest

from agent.box import recordings_of
from agent.cli.main import main
from agent.config import Config, load_config
from agent.document import encode
from agent.errors import ConfigError
from agent.housekeeping import waiting_readings
from agent.keeping import keep, link_recording, open_spool
from agent.keys import create_device_key
from agent.order import Order
from agent.reading import Reading
from tests.provenance.visits import SERIAL, Visited, visited

CONFIG = '[agent]\nagent_id = "gw-1"\nstate_directory = "state"\n'
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@lru_cache
def visit() -> Visited:
    return visited("closure-1997", Path(mkdtemp()) / "visit.rec")


@lru_cache
def home() -> Visited:
    return visited("residential-tou", Path(mkdtemp()) / "visit.rec")


@pytest.fixture
def reading(tmp_path: Path) -> Path:
    path = tmp_path / "reading.json"
    path.write_bytes(encode(visit().reading))
    return path


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "mrsp.toml").write_text(CONFIG)
    return load_config(tmp_path / "mrsp.toml")


def config_file(config: Config) -> str:
    return str(config.base / "mrsp.toml")


def keep_recording(config: Config, one: Visited) -> None:
    async def story() -> None:
        part = await recordings_of(config).keep(one.recording, NOW)
        await link_recording(config, msgspec.structs.replace(one.reading, recording=part))
        assert one.reading.recording is not None
        assert one.reading.recording.sha256 == part.sha256

    asyncio.run(story())


def keep_reading(config: Config, reading: Reading) -> None:
    create_device_key(config.key_directory)

    async def story() -> None:
        async with open_spool(config) as (spool, _keys):
            await keep(spool, reading)

    asyncio.run(story())


def explain(*arguments: str | Path) -> int:
    return main(["explain", *map(str, arguments)])


def recorded(reading: Path, *path: str) -> tuple[str | Path, ...]:
    return (reading, *path, "--recording", visit().recording)


def test_a_register_from_the_wire_to_the_document(reading: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = visit().reading.registers[0]
    assert part.provenance is not None
    assert explain(*recorded(reading, "registers[0].value")) == 0
    out = capsys.readouterr().out
    assert visit().rederived().evidence.sha256 in out
    assert f"ST23 octet {part.provenance.offset}, " in out
    octets = bytes.fromhex(part.provenance.octets or "").hex(" ").upper()
    assert f"[{octets}]" in out
    assert "NI_FORMAT1" in out
    assert "ST16 octet" in out
    assert "ST12 octet" in out
    assert out.rstrip().endswith(f"re-derived {part.value} {part.unit} = document")


@pytest.mark.parametrize(
    ("path", "ending"),
    [
        ("interval_blocks[1].values[2]", "= document"),
        ("interval_blocks[1].pulses[2]", "= document"),
        ("interval_blocks[1].status[2]", "= document"),
        ("interval_blocks[0]", "= document"),
        ("interval_blocks[0].first_interval_end", "Z = document"),
        ("clock.meter_time", "Z = document"),
        ("meter.meter_id", "= document"),
        ("meter.firmware_version", "= document"),
        ("meter_status", "= document"),
        ("meter_status.flags", "= document"),
        ("events[4]", "= document"),
        ("events[0].at", "= document"),
        ("registers[0]", "= document"),
        ("registers[0].unit", "= document"),
    ],
)
def test_every_kind_of_value(reading: Path, path: str, ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(*recorded(reading, path)) == 0
    out = capsys.readouterr().out
    assert out.rstrip().endswith(ending), out


@pytest.mark.parametrize("scenario", ["big-endian-float-bcd", "commercial-4ch"])
def test_the_registers_at_the_ends_of_a_block(
    scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = visited(scenario, tmp_path / "visit.rec")
    (tmp_path / "reading.json").write_bytes(encode(one.reading))
    index, block = next((n, block) for n, block in enumerate(one.reading.interval_blocks) if block.start_register)
    for key in ("start_register", "stop_register"):
        path = f"interval_blocks[{index}].{key}"
        assert explain(tmp_path / "reading.json", path, "--recording", one.recording) == 0
        out = capsys.readouterr().out
        assert f"re-derived {getattr(block, key)} {block.unit} = document" in out
        assert "BLOCK_END_" in out


def test_the_times_of_a_demand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "home.json"
    file.write_bytes(encode(home().reading))
    index = next(n for n, part in enumerate(home().reading.registers) if part.occurred_at and part.period_end)
    assert explain(file, f"registers[{index}]", "--recording", home().recording) == 0
    out = capsys.readouterr().out
    assert "TM_ZN_APPLIED 1" in out
    assert out.count("= document") == 3


def test_dials_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = visited("residential-tou", tmp_path / "visit.rec", order=Order(url=SERIAL, dials=9))
    (tmp_path / "reading.json").write_bytes(encode(one.reading))
    assert explain(tmp_path / "reading.json", "registers[0]", "--recording", one.recording) == 0
    assert "shown with 9 digits (dials)" in capsys.readouterr().out


def test_words_find_a_register(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "home.json"
    file.write_bytes(encode(home().reading))
    recording = ("--recording", home().recording)
    assert explain(file, "Wh", "delivered", "cumulative", "total", *recording) == 0
    assert capsys.readouterr().out.startswith("registers[0].value\n")
    assert explain(file, "wh delivered cumulative rate A", *recording) == 0
    capsys.readouterr()
    assert explain(file, "delivered", *recording) == 2
    assert "'delivered' fits" in capsys.readouterr().err
    assert explain(file, "bananas", *recording) == 2
    assert "names no value" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("registers[999]", r"the document has [0] to ["),
        ("registers", "of registers"),
        ("registers[0].colour", "has no colour"),
        ("interval_blocks[0].values[99999]", "has the intervals 0 to"),
        ("clock[3]", "is not in the document"),
        ("events[0].", "names no value"),
    ],
)
def test_a_path_that_leads_nowhere(reading: Path, path: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(*recorded(reading, path)) == 2
    assert message in capsys.readouterr().err


def test_a_changed_value_is_a_mismatch(reading: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = json.loads(reading.read_bytes())
    old = tree["registers"][0]["value"]
    tree["registers"][0]["value"] = new = ("1" if old[0] != "1" else "2") + old[1:]
    tree["interval_blocks"][1]["values"][2] = "9999"
    reading.write_text(json.dumps(tree))
    assert explain(*recorded(reading, "registers[0].value")) == 1
    assert f"MISMATCH registers[0].value: the document says {new}, the bytes say {old}" in capsys.readouterr().out
    assert explain(*recorded(reading, "interval_blocks[1].values[2]")) == 1
    assert "MISMATCH interval_blocks[1].values[2]: the document says 9999" in capsys.readouterr().out
    assert explain(*recorded(reading, "interval_blocks[1].values[1]")) == 0
    capsys.readouterr()
    assert explain(*recorded(reading)) == 1
    out = capsys.readouterr().out
    assert "MISMATCH: 2 values differ" in out


def test_every_value_at_once(reading: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(*recorded(reading)) == 0
    out = capsys.readouterr().out
    assert "every value that comes from the meter was re-derived" in out
    assert explain(*recorded(reading), "--json") == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["agrees"]
    assert tree["values"] == tree["agree"] > 100
    assert tree["recording"]["verified"]


def test_json_has_every_step_with_its_octets_on_the_wire(reading: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(*recorded(reading, "registers[0].value"), "--json") == 0
    (tree,) = json.loads(capsys.readouterr().out)
    part = visit().reading.registers[0]
    assert (tree["document"], tree["derived"], tree["unit"]) == (part.value, part.value, part.unit)
    cited = [one for step in tree["steps"] for one in step["cited"]]
    assert cited
    for one in cited:
        wire = "".join(place["packet"][2 * place["start"] : 2 * place["end"]] for place in one["wire"])
        assert wire == one["octets"]
    lines = visit().recording.read_text().splitlines()
    (place,) = cited[0]["wire"]
    told = "".join(json.loads(line)["hex"] for line in lines[place["line"] - 1 : place["last_line"]])
    assert place["packet"] in told


def test_a_changed_recording_is_refused(reading: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray(visit().recording.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "changed.rec").write_bytes(content)
    assert explain(reading, "registers[0].value", "--recording", tmp_path / "changed.rec") == 1
    captured = capsys.readouterr()
    assert "MISMATCH" in captured.err
    assert "re-derived" not in captured.out


def test_the_recording_has_to_be_given(reading: Path, config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(reading, "registers[0]") == 2
    assert "--recording" in capsys.readouterr().err
    assert explain(reading, "registers[0]", "--config", config_file(config)) == 6
    assert "there is no recording of" in capsys.readouterr().err
    assert explain(reading, "registers[0]", "--recording", "nowhere.rec") == 2


def test_the_agents_own_recordings_are_found_by_hash(
    reading: Path, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_recording(config, visit())
    assert explain(reading, "registers[0].value", "--config", config_file(config)) == 0
    assert "= document" in capsys.readouterr().out
    (file,) = (file for file in config.recording_directory.glob("*.rec.gz") if not file.is_symlink())
    assert explain(reading, "registers[0].value", "--recording", file) == 0


def test_a_reading_of_the_spool_is_found_by_id(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    keep_recording(config, visit())
    keep_reading(config, visit().reading)
    name = visit().reading.reading_id
    assert explain(name, "registers[0].value", "--config", config_file(config)) == 0
    assert "= document" in capsys.readouterr().out
    assert explain(name, "--config", config_file(config)) == 0
    assert name in capsys.readouterr().out


def test_of_a_delivered_reading_the_recording_alone_is_told(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    keep_recording(config, visit())
    name = visit().reading.reading_id
    assert explain(name, "registers[0].value", "--config", config_file(config)) == 0
    assert "there is no document to compare it with" in capsys.readouterr().out
    assert explain("0193-unknown", "--config", config_file(config)) == 6
    assert explain("0193-unknown") == 2


def test_the_document_may_come_by_standard_input(
    reading: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with reading.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert explain("-", "registers[0].value", "--recording", visit().recording) == 0


def test_a_document_without_a_recording_needs_the_file(
    tmp_path: Path, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bare.json"
    file.write_bytes(encode(msgspec.structs.replace(visit().reading, recording=None)))
    assert explain(file, "meter.meter_id", "--config", config_file(config)) == 2
    assert "names no recording" in capsys.readouterr().err
    assert explain(file, "meter.meter_id", "--recording", visit().recording) == 0
    assert "not proven" in capsys.readouterr().out


def test_another_profile_may_be_asked_for(reading: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(*recorded(reading), "--profile", "no-such-profile") == 2
    assert explain(*recorded(reading), "--profile", "generic-c1219") == 0


def test_readings_that_wait_are_known_to_the_service(config: Config) -> None:
    keep_reading(config, visit().reading)

    async def story() -> set[str]:
        async with open_spool(config) as (spool, _keys):
            return await waiting_readings(spool)

    assert asyncio.run(story()) == {visit().reading.reading_id}


def settings(tmp_path: Path, *lines: str) -> Config:
    (tmp_path / "mrsp.toml").write_text(CONFIG + "\n".join(lines))
    return load_config(tmp_path / "mrsp.toml")


def test_recordings_are_configured(tmp_path: Path) -> None:
    config = settings(tmp_path)
    assert config.recording_directory == tmp_path / "state" / "recordings"
    assert config.settings.recordings.period.days == 400
    config = settings(tmp_path, "[recordings]", 'keep = "30d"', "budget_octets = 5000000", 'directory = "rec"')
    assert (config.recording_directory, config.settings.recordings.period.days) == (tmp_path / "rec", 30)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (('recording_directory = "x"',), r'write `directory = "x"` under `\[recordings\]` instead'),
        (("[recordings]", 'keep = "40000d"'), "`keep` must be at most 36500d"),
        (("[recordings]", 'keep = "soon"'), "is not a duration"),
        (("[recordings]", "budget_octets = 5"), "budget_octets"),
    ],
)
def test_mistakes_in_the_configuration_are_named(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(tmp_path, *lines)


def test_over_an_echoing_probe_no_password_is_in_the_recording(tmp_path: Path) -> None:
    for number, faults in enumerate((("echo",), ("echo", "garble=0.002"), ("echo", "lose=0.002"), ())):
        path = tmp_path / f"{number}.rec"
        visited("commercial-4ch", path, faults=faults, registers_only=True)
        text = path.read_bytes()
        assert b"READ-ONLY".hex().encode() not in text
        assert b"**" in text
