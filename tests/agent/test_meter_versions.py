"""How a meter was set up is kept in versions: each change once, with old and new, and nothing that was not read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import meter_versions as module
from agent.backup.contents import state_sources
from agent.cli.main import main
from agent.config import load_config
from agent.errors import LocalTrouble
from agent.follow_up import FollowUp
from agent.history import MOST_SETTINGS, Before, Settings, before_of
from agent.keys import create_device_key
from agent.meter_record import MeterRecords, record_key
from agent.meter_versions import MOST_OCTETS, Change, MeterVersions, Seen, differences, joined
from agent.order import Order
from agent.reading import ProblemPart
from agent.seal import Sealer
from agent.spool import Spool
from drivers.data import Identity, MeterData, Register
from tests.anomalies.anomalies_kit import METER, reading
from tests.anomalies.anomalies_kit import visited as plain_visit

AT = datetime(2026, 3, 1, 6, tzinfo=UTC)
KEY = f"id {METER}"
SET_UP = {
    "identity": {"model": "RES", "firmware version": "1.2"},
    "registers": {"multiplier of kWh delivered": "1"},
    "channels": {"channel 1 records": "kWh delivered", "interval length of channel 1": "900 s"},
    "constants": {"program id": "7"},
}
Sections = dict[str, Settings]


def seen(
    configuration: Sections, day: int = 0, *, meter: str = METER, whole: bool = True, reading_id: str = ""
) -> Seen:
    at = AT + timedelta(days=day)
    return Seen(Before(meter, at, configuration=configuration), reading_id or f"r-{day}", whole)


def changed(section: str, **values: str) -> Sections:
    return SET_UP | {section: SET_UP[section] | {name.replace("_", " "): text for name, text in values.items()}}


@pytest.fixture
def versions(tmp_path: Path) -> MeterVersions:
    return MeterVersions(tmp_path / "versions")


def numbers(versions: MeterVersions, key: str = KEY) -> list[int]:
    history = versions.of(key)
    return [] if history is None else [version.number for version in history.versions]


def test_a_meter_that_stays_as_it_is_has_one_version(versions: MeterVersions, tmp_path: Path) -> None:
    versions.note(KEY, seen(SET_UP, 0))
    (file,) = (tmp_path / "versions").iterdir()
    written = file.stat().st_mtime_ns
    again = seen(SET_UP)
    versions.note(KEY, replace(again, before=replace(again.before, read_at=AT + timedelta(hours=1))))
    assert file.stat().st_mtime_ns == written  # what is the same is set down once a day
    versions.note(KEY, seen(SET_UP, 4))
    history = versions.of(KEY)
    assert history is not None
    (only,) = history.versions
    assert (only.number, only.first_seen, only.last_seen) == (1, AT, AT + timedelta(days=4))
    assert (only.reading_id, only.settings, only.changes) == ("r-0", SET_UP, ())
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_change_is_a_version_with_old_and_new(versions: MeterVersions, caplog: pytest.LogCaptureFixture) -> None:
    versions.note(KEY, seen(SET_UP))
    versions.note(KEY, seen(changed("constants", program_id="8"), 1))
    versions.note(KEY, seen(changed("constants", program_id="8") | {"channels": {"channel 1 records": "kWh net"}}, 2))
    history = versions.of(KEY)
    assert history is not None
    _, second, third = history.versions
    assert (second.number, second.reading_id, second.first_seen) == (2, "r-1", AT + timedelta(days=1))
    assert second.changes == (Change("constants", "program id", "7", "8"),)
    assert third.changes == (
        Change("channels", "channel 1 records", "kWh delivered", "kWh net"),
        Change("channels", "interval length of channel 1", "900 s", None),
    )
    assert [record.message for record in caplog.records] == [
        f"{KEY} is set up otherwise than before: version {number}" for number in (2, 3)
    ]


def test_what_a_reading_leaves_out_is_not_gone(versions: MeterVersions) -> None:
    versions.note(KEY, seen(SET_UP))
    versions.note(KEY, seen({"identity": {"model": "RES"}, "registers": {}, "channels": {}, "constants": {}}, 1))
    versions.note(KEY, seen(SET_UP | {"constants": {"other": "1"}}, 2, whole=False))
    history = versions.of(KEY)
    assert history is not None
    assert [version.changes for version in history.versions] == [(), (Change("constants", "other", None, "1"),)]


def test_another_meter_on_the_line_shares_nothing_with_the_one_before(versions: MeterVersions) -> None:
    versions.note("url /dev/ttyUSB0", seen(SET_UP))
    versions.note("url /dev/ttyUSB0", seen({"identity": {"model": "RES"}}, 1, meter="200"))
    history = versions.of("url /dev/ttyUSB0")
    assert history is not None
    newest = history.versions[-1]
    assert (newest.meter_id, {name: found for name, found in newest.settings.items() if found}) == (
        "200",
        {"identity": {"model": "RES"}},
    )


def test_nothing_is_kept_of_a_reading_without_configuration(versions: MeterVersions) -> None:
    versions.note(KEY, seen({"identity": {}, "registers": {}}))
    assert versions.of(KEY) is None
    assert list(versions.all()) == []


def test_the_oldest_versions_go_and_that_is_said(tmp_path: Path) -> None:
    versions = MeterVersions(tmp_path, most=3)
    for day in range(5):
        versions.note(KEY, seen(changed("constants", program_id=str(day)), day))
    history = versions.of(KEY)
    assert history is not None
    assert (history.dropped, numbers(versions)) == (2, [3, 4, 5])
    assert history.versions[0].settings["constants"] == {"program id": "2"}
    assert history.versions[1].changes == (Change("constants", "program id", "2", "3"),)


def test_a_file_never_grows_beyond_its_bound(versions: MeterVersions, tmp_path: Path) -> None:
    for day in range(6):
        large = {f"{day} setting {i}": "\x01" * 120 for i in range(MOST_SETTINGS)}
        versions.note(KEY, seen(dict.fromkeys(("identity", "registers", "channels", "constants"), large), day))
    (file,) = (tmp_path / "versions").iterdir()
    assert file.stat().st_size <= MOST_OCTETS
    history = versions.of(KEY)
    assert history is not None
    assert (history.versions[-1].number, history.versions[-1].reading_id) == (6, "r-5")
    assert history.dropped > 0


def test_as_many_meters_are_kept_as_there_is_room_for(tmp_path: Path) -> None:
    versions = MeterVersions(tmp_path, most_files=2)
    for number in range(4):
        versions.note(f"id {number}", seen(SET_UP, meter=str(number)))
    assert len(list(versions.all())) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b'{"key":"k","oldest":{},"versions":[]}'])
def test_a_damaged_file_is_put_aside_and_named(versions: MeterVersions, tmp_path: Path, content: bytes) -> None:
    versions.note(KEY, seen(SET_UP))
    (file,) = (tmp_path / "versions").iterdir()
    file.write_bytes(content)
    with pytest.raises(LocalTrouble, match="cannot be read"):
        versions.of(KEY)
    assert list(versions.all()) == []
    versions.note(KEY, seen(SET_UP, 1))
    assert numbers(versions) == [1]
    assert file.with_suffix(".damaged").read_bytes() == content


def test_trouble_with_the_disk_costs_nothing_but_a_later_version(tmp_path: Path) -> None:
    (tmp_path / "versions").write_text("no directory")
    versions = MeterVersions(tmp_path / "versions")
    versions.note(KEY, seen(SET_UP))
    (tmp_path / "versions").unlink()
    versions.note(KEY, seen(SET_UP, 1))
    assert numbers(versions) == [1]


texts = st.text(max_size=3)
sections = st.dictionaries(st.sampled_from(list(SET_UP)), st.dictionaries(texts, texts, max_size=3), max_size=4)


@settings(max_examples=60, deadline=None)
@given(found=st.lists(st.tuples(sections, st.booleans()), min_size=1, max_size=8))
def test_the_newest_version_is_all_that_was_learnt(found: list[tuple[Sections, bool]]) -> None:
    kept: module._File | None = None
    expected: Sections = {}
    for day, (configuration, whole) in enumerate(found):
        kept = module._noted(kept, KEY, seen(configuration, day, whole=whole), 3) or kept
        expected = joined(expected, configuration, whole=whole) if day else configuration
    assert kept is not None
    history = module._history(kept)
    assert not differences(history.versions[-1].settings, expected)
    assert len(history.versions) <= 3
    for before, after in pairwise(history.versions):
        assert after.changes == differences(before.settings, after.settings) != ()
        assert after.number == before.number + 1


def data(multiplier: int) -> MeterData:
    register = Register("kWh", "delivered", "cumulative", 0, "1", Decimal(1), Decimal(1), "kWh")
    return MeterData(Identity(METER), "generic", registers=(replace(register, multiplier=Decimal(multiplier)),))


async def test_a_reading_in_the_spool_makes_a_version(tmp_path: Path) -> None:
    sealer = Sealer(create_device_key(tmp_path / "keys"))
    records = MeterRecords(tmp_path / "meters")
    order = Order(url="/dev/ttyUSB0", expected_meter_id=METER)
    async with await Spool.open(tmp_path / "spool.sqlite", agent_id="gw-1", sealer=sealer) as spool:
        follower = FollowUp(records, spool)
        for day, multiplier in enumerate((1, 1, 40), start=1):
            found = replace(plain_visit(day=day), before=before_of(data(multiplier), AT + timedelta(days=day)))
            prepared = await follower.prepare(order, found)
            assert numbers(records.versions, record_key(order)) == ([] if day == 1 else [1])
            await follower.complete(prepared)
        await follower.complete(await follower.prepare(order, plain_visit(day=4)))  # no good reading
        lost = reading(day=5, problems=(ProblemPart("ST61", "it was not answered", lost=True),))
        held = replace(plain_visit(day=5), reading=lost, before=before_of(data(40), AT + timedelta(days=5)))
        prepared = await follower.prepare(order, held)
        assert prepared.seen is not None
        assert not prepared.seen.whole
    history = records.versions.of(record_key(order))
    assert history is not None
    assert [version.reading_id for version in history.versions] == ["r-1", "r-3"]
    assert history.versions[1].changes == (Change("registers", "multiplier of kWh delivered", "1", "40"),)


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    """Return the configuration of an agent that knows a meter of its own with two versions, and one that it heard."""
    file = tmp_path / "mrsp.toml"
    file.write_text(
        f'[agent]\nagent_id = "gw-1"\nstate_directory = "{tmp_path}/state"\n'
        f'[[meters]]\nname = "main"\nurl = "/dev/ttyUSB0"\nexpected_meter_id = "{METER}"\n'
        '[[meters]]\nname = "never"\nurl = "/dev/ttyUSB1"\n'
    )
    versions = MeterRecords(tmp_path / "state" / "meters").versions
    versions.note(KEY, seen(SET_UP))
    versions.note(KEY, seen(changed("constants", program_id="8\n\x1b[2J"), 1))
    versions.note("id 555", seen(SET_UP, meter="555"))
    return file


def test_the_meters_that_are_known_are_listed(agent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meter", "list", "--config", str(agent)]) == 0
    rows = [line.split()[:4] for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == [
        ["main", METER, "2026-03-02T06:00:00Z", "2"],
        ["never", "never", "0", "url"],
        ["–", "555", rows[2][2], "1"],
    ]
    assert main(["meter", "list", "--config", str(agent), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["meter_id"], one["version"]) for one in listed] == [
        ("main", METER, 2),
        ("never", None, 0),
        (None, "555", 1),
    ]


def test_what_changed_is_said_with_old_and_new(agent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meter", "config", "main", "--config", str(agent)]) == 0
    page = capsys.readouterr().out
    assert "  constants: program id: 7 → 8\\n\\x1b[2J\n" in page
    assert "version 1: 2026-03-01T06:00:00Z to 2026-03-01T06:00:00Z, reading r-0" in page
    assert main(["meter", "config", METER, "--version", "1", "--json", "--config", str(agent)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["shown"], document["settings"]) == (1, SET_UP)
    assert document["versions"][1]["changes"] == [
        {"section": "constants", "name": "program id", "old": "7", "new": "8\n\x1b[2J"}
    ]


@pytest.mark.parametrize(
    ("asked", "says"),
    [(["main", "--version", "9"], "kept are 1 to 2"), (["never"], "no good reading"), (["else"], "mrsp meter list")],
)
def test_a_meter_or_version_that_is_not_known_is_said(
    agent: Path, capsys: pytest.CaptureFixture[str], asked: list[str], says: str
) -> None:
    assert main(["meter", "config", *asked, "--config", str(agent)]) == 2
    assert says in capsys.readouterr().err


def test_a_backup_has_the_versions(agent: Path) -> None:
    sources, _ = state_sources(load_config(agent))
    assert len([source for source in sources if source.name.startswith("state/meters/versions/")]) == 2
