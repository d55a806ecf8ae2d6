"""A bundle is installed as a whole or not at all; what is refused leaves everything as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.audit_verify import entries, verify
from agent.backup.contents import configuration_sources, state_sources
from agent.box import audit_file_of
from agent.config import Config, load_config
from agent.errors import ConfigError, LocalTrouble, MrspError, UsageError
from agent.fleet.errors import BundleRefused
from agent.fleet.keys import load_fleet_keys
from agent.fleet.template import fill
from tests.backup.dying import dies_before
from tests.fleet.fleet_kit import Fleet, Gateway, configuration


def tree(directory: Path) -> dict[str, bytes]:
    """Return what is there, but for locks and the audit log."""
    files = (path for path in directory.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {str(path.relative_to(directory)): path.read_bytes() for path in files if "audit" not in path.name}


def test_a_bundle_takes_the_place_of_the_own_file(box: Gateway, fleet: Fleet) -> None:
    assert box.number() == 0
    assert load_config(box.file).fleet_version == 0
    assert box.install(fleet.sign(7)).result == "installed"
    config = load_config(box.file)
    assert (box.number(), config.fleet_version, config.agent_id) == (7, 7, "gw-1")
    assert config.settings.meters[0].expected_meter_id == "10012345"
    assert config.state_directory == box.own.state_directory
    assert config.key_directory == box.own.key_directory
    assert config.path("rule_sets") == box.store.files(7) / "rule_sets"
    assert box.events() == [("fleet_installed", 7)]
    written = entries(audit_file_of(box.own))[0]
    assert (written["from"], written["by"]) == (0, "a test")
    assert fleet.key.kid in written["why"]
    assert not verify(audit_file_of(box.own)).broken


def test_only_later_versions_are_taken(box: Gateway, fleet: Fleet) -> None:
    seven = fleet.sign(7)
    box.install(seven)
    assert box.install(seven).result == "already_installed"
    assert box.install(fleet.sign(7, percent=100, groups=["north"])).result == "already_installed"
    with pytest.raises(BundleRefused, match="not later than version 7"):
        box.install(fleet.sign(7, {"mrsp.toml": configuration(3)}))
    with pytest.raises(BundleRefused, match="version 6 is not later than version 7"):
        box.install(fleet.sign(6))
    assert box.number() == 7


def test_what_is_for_others_changes_nothing(box: Gateway, fleet: Fleet) -> None:
    for bundle in (fleet.sign(7, agents=["gw-2"]), fleet.sign(7, groups=["south"])):
        assert box.install(bundle).result == "not_for_this_box"
    assert box.number() == 0
    assert box.install(fleet.sign(7, groups=["north"], agents=["gw-1", "gw-2"])).result == "installed"


def test_two_versions_are_kept(box: Gateway, fleet: Fleet) -> None:
    for number in (7, 8, 9):
        box.install(fleet.sign(number))
        box.store.put(msgspec.structs.replace(box.store.deployment(), trial=None))
    assert sorted(path.name for path in box.store.files(9).parents[1].iterdir() if path.is_dir()) == ["8", "9"]


def test_the_way_back_is_a_version_that_came_up(box: Gateway, fleet: Fleet) -> None:
    box.install(fleet.sign(7))
    box.store.put(msgspec.structs.replace(box.store.deployment(), trial=None))
    box.install(fleet.sign(8))  # on trial, and replaced before it came up
    box.install(fleet.sign(9))
    assert box.store.deployment().previous == 7


def test_a_dry_run_changes_nothing(box: Gateway, fleet: Fleet) -> None:
    before = tree(box.file.parent)
    assert box.installer.install(fleet.sign(7), dry_run=True).result == "would_install"
    assert tree(box.file.parent) == before


def with_text(old: str, new: str) -> dict[str, str]:
    return {"mrsp.toml": configuration(7).replace(old, new)}


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (with_text('rule_set = "ours"', 'rule_set = "theirs"'), "theirs"),
        (with_text("[spool]", "[pool]"), r"line 6: `pool`: unknown key"),
        (with_text("{meter}", "{metre}"), "line 12: there is no value for {metre}"),
        (with_text('"{agent_id}"', '"gw-2"'), "`agent.agent_id`: this box is gw-1"),
        (with_text("[agent]", '[fleet]\nkeys = "a.jwks"\n[agent]'), "`fleet`: whom a box trusts"),
        (with_text("[spool]", '[keys]\ndirectory = "/tmp/keys"\n[spool]'), "`keys.directory`: where a box"),
        (with_text("[spool]", '[recordings]\ndirectory = "/tmp/r"\n[spool]'), "`recordings.directory`: where a box"),
        (with_text("profile_dir", 'state_directory = "/tmp/s"\nprofile_dir'), "`agent.state_directory`: where a box"),
        (with_text("/dev/ttyUSB0", "nowhere://x"), "nowhere"),
        (with_text('"{meter}"', '"{meter}"\npassword_file = "/nonexistent/p"'), "there is no /nonexistent/p"),
    ],
)
def test_a_configuration_that_makes_no_sense_here_changes_nothing(
    box: Gateway, fleet: Fleet, files: dict[str, str], why: str
) -> None:
    bundle = fleet.sign(7, files)
    before = tree(box.file.parent)
    with pytest.raises(MrspError, match=why) as raised:
        box.install(bundle)
    assert raised.value.exit_code in {2, 6}
    assert tree(box.file.parent) == before
    assert box.number() == 0


def test_files_that_forwarding_needs_must_be_there(box: Gateway, fleet: Fleet) -> None:
    forward = (
        '[keys]\nmdsp = "mdsp.jwks"\n[forward]\nhost = "h"\nca = "/nonexistent/ca.crt"\ncertificate = "c"\nkey = "k"\n'
    )
    with pytest.raises(UsageError, match=r"`forward\.ca`: there is no /nonexistent/ca\.crt"):
        box.install(fleet.sign(7, {"mrsp.toml": configuration(7) + forward}))


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("rule_sets/bad.toml", "name = 5\n", "bad"),
        ("code_sets/bad.toml", "name = 5\n", "bad"),
        ("profiles/bad.toml", "name = 5\n", "bad"),
        ("profiles/modbus/bad.toml", "name = 5\n", "bad"),
        ("profiles/pager/bad.toml", "name = 5\n", "bad"),
        ("more/bad.toml", "name = 5\n", "none of the files that a bundle has"),
        ("secret.pem", "-----BEGIN PRIVATE KEY-----\n", "private key"),
        ("a b.toml", "", "a bundle has no file"),
        ("program.sh", "", "a bundle has no file"),
        ("agents/gw-9.toml", "= 5\n", "not TOML"),
    ],
)
def test_what_cannot_be_used_is_not_signed(fleet: Fleet, name: str, text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        fleet.sign(7, {name: text})


def test_a_key_file_that_others_may_write_is_not_trusted(box: Gateway, fleet: Fleet) -> None:
    (box.file.parent / "fleet.jwks").chmod(0o666)
    with pytest.raises(LocalTrouble, match="can be changed by others"):
        box.install(fleet.sign(7))


@pytest.mark.parametrize("text", ["", "{}", '{"keys": []}', '{"keys": [{"kty": "RSA"}]}', "[" * 100_000, "\xff"])
def test_a_key_file_of_no_use_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "fleet.jwks"
    file.write_bytes(text.encode("latin-1"))
    file.chmod(0o644)
    with pytest.raises(LocalTrouble, match=r"fleet\.jwks"):
        load_fleet_keys(file)


def test_another_user_is_refused(box: Gateway, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    with pytest.raises(LocalTrouble, match="as the user of the service"):
        box.install(fleet.sign(7))


def test_an_audit_log_that_cannot_be_written_keeps_everything_as_it_was(box: Gateway, fleet: Fleet) -> None:
    audit_file_of(box.own).mkdir()
    with pytest.raises(LocalTrouble):
        box.install(fleet.sign(7))
    assert box.number() == 0


def test_a_person_goes_one_version_back(box: Gateway, fleet: Fleet) -> None:
    with pytest.raises(UsageError, match="no version before"):
        box.installer.rollback("why not")
    box.install(fleet.sign(7))
    box.store.put(msgspec.structs.replace(box.store.deployment(), trial=None))
    box.install(fleet.sign(8))
    assert box.installer.rollback("too many calls") == 7
    assert box.number() == 7
    assert entries(audit_file_of(box.own))[-1]["why"] == "too many calls"
    with pytest.raises(UsageError, match="no version before"):
        box.installer.rollback("further")
    with pytest.raises(BundleRefused, match="was taken back"):
        box.install(fleet.sign(8))
    box.install(fleet.sign(9))
    assert box.store.deployment().previous == 7


def test_nobody_goes_back_to_damaged_files(box: Gateway, fleet: Fleet) -> None:
    box.install(fleet.sign(7))
    box.store.put(msgspec.structs.replace(box.store.deployment(), trial=None))
    box.install(fleet.sign(8))
    (box.store.files(7) / "mrsp.toml").write_text("")
    with pytest.raises(BundleRefused, match="not as it was signed"):
        box.installer.rollback("too many calls")
    assert box.number() == 8


def test_values_are_put_in_and_missing_ones_named() -> None:
    assert fill('a = "{agent_id}"\nb = {x = 1}\n', {"agent_id": "gw-1"}, name="f") == 'a = "gw-1"\nb = {x = 1}\n'
    with pytest.raises(ConfigError, match=r"f, line 2: there is no value for \{site\}"):
        fill('a = 1\nb = "{site}"', {"agent_id": "gw-1"}, name="f")


@pytest.mark.parametrize("value", ['x"y', "x\\\\y", "x\\ny", "{agent_id}"])
def test_a_value_cannot_say_more_than_a_value(box: Gateway, value: str) -> None:
    text = box.file.read_text().replace('meter = "10012345"', f"meter = '{value}'")
    box.file.write_text(text if "\\n" not in value else text.replace(f"'{value}'", f'"{value}"'))
    with pytest.raises(ConfigError, match=r"fleet\.values"):
        load_config(box.file)


def test_a_backup_brings_the_version_back(box: Gateway, fleet: Fleet) -> None:
    box.install(fleet.sign(7))
    config = load_config(box.file)
    names = {source.name for source in state_sources(config)[0]}
    assert {"state/fleet/state.json", "state/fleet/7/manifest.jws", "state/fleet/7/files/mrsp.toml"} <= names
    named = {source.name for source in configuration_sources(box.file, config, passwords=True)[0]}
    assert named == {"config/mrsp.toml", "config/fleet.jwks"}


def _install(box: Gateway, bundle: bytes) -> Callable[[], Any]:
    return lambda: box.install(bundle)


def test_whatever_ends_an_installation_leaves_one_version_whole(box: Gateway, fleet: Fleet) -> None:
    for number in (6, 7):
        box.install(fleet.sign(number))
        box.store.put(msgspec.structs.replace(box.store.deployment(), trial=None))
    start, bundle = box.file.parent / "state", fleet.sign(8)
    saved = box.file.parent / "saved"
    shutil.copytree(start, saved)
    seen = set()
    change = 0
    while dies_before(change, _install(box, bundle)):
        found = box.number()
        seen.add(found)
        box.store.verify(found)
        assert (box.store.deployment().trial is None) is (found == 7)
        again = box.install(bundle)
        assert again.result == ("installed" if found == 7 else "already_installed")
        assert box.number() == 8
        box.store.verify(8)
        box.store.verify(7)  # the way back
        assert not verify(audit_file_of(box.own)).broken
        shutil.rmtree(start)
        shutil.copytree(saved, start)
        change += 1
    assert seen == {7, 8}
    assert change > 10


def test_a_damaged_state_is_said(box: Gateway, fleet: Fleet) -> None:
    box.install(fleet.sign(7))
    (box.own.state_directory / "fleet" / "state.json").write_bytes(b"{")
    with pytest.raises(LocalTrouble, match="is damaged"):
        load_config(box.file)


def test_a_box_without_a_fleet_is_as_before(tmp_path: Path) -> None:
    file = tmp_path / "mrsp.toml"
    file.write_text('[agent]\nagent_id = "gw-1"\n')
    config: Config = load_config(file)
    assert (config.fleet_version, config.base) == (None, tmp_path)
