"""Every profile that ships is valid, says where each of its settings comes from, and claims no more than is proven."""

import json
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from drivers.c1219.interval_status import STATUS_WORDS
from drivers.c1219.quirks import Override, Quirks
from drivers.profiles import GENERIC, Profile, as_dict, describe, load_profiles, summary
from drivers.profiles.schema import Baud, C1219Keys, Displays, LineKeys, PsemKeys, StatusWord
from drivers.psem.bauds import CODE_OF_BAUD
from drivers.psem.options import PsemOptions, Timing
from drivers.toml_library import SHIPPED

PROFILES = tuple(load_profiles())
FAMILIES = {
    "elster-a1800",
    "elster-a3-alpha",
    "echelon-ansi",
    "elster-rex2",
    "elster-rexu",
    "ge-i210",
    "ge-kv2c",
    "itron-centron",
    "itron-sentinel",
    "landisgyr-focus-ax",
    "landisgyr-s4e",
    "sensus-icon",
    "sensus-icon-apx",
}
TRANSLATED = {"register_scale", "interval_scale", "channel_status", "event_names", "tables_absent", "tables_present"}
TRANSLATED |= {"override"}  # written in another form than the quirk has, see `C1219Keys.settings`


def test_the_families_of_the_field_are_there_and_none_hides_another() -> None:
    profiles = load_profiles()
    assert set(profiles.names) >= FAMILIES | {GENERIC}
    profiles.check()


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_every_setting_rests_on_a_fact(profile: Profile) -> None:
    sourced = {key for fact in profile.fact for key in fact.keys}
    assert set(profile.said_keys()) == sourced


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_tried_on_hardware_needs_a_proof(profile: Profile) -> None:
    assert profile.tried == bool(profile.proof)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_it_can_be_shown_to_a_person_and_to_a_program(profile: Profile) -> None:
    text = describe(profile)
    assert profile.title in text
    assert profile.status in text
    assert all((fact.url or fact.source) in text and fact.fact in text for fact in profile.fact)
    assert all(f"{key} = " in text for key in profile.said_keys() if not key.startswith("detect."))
    assert json.loads(json.dumps(as_dict(profile)))["name"] == profile.name
    assert summary(profile)["status"] == profile.status


def test_generic_changes_nothing() -> None:
    generic = load_profiles().generic
    assert generic.psem_options() == PsemOptions()
    assert generic.quirks() == Quirks()
    assert generic.line_options() == {}
    assert generic.detect is None


def test_the_sections_mirror_the_settings_that_they_feed() -> None:
    in_seconds = {f"{name.removesuffix('_s')}_ms" if name.endswith("_s") else name for name in _names(PsemOptions)}
    timing = {f"{name.removesuffix('_s')}_ms" if name.endswith("_s") else name for name in _names(Timing)}
    assert set(PsemKeys.__struct_fields__) == in_seconds - {"timing"} | timing
    assert set(C1219Keys.__struct_fields__) | {"dials_table", "dials_offset"} == _names(Quirks)
    ours, theirs = get_type_hints(C1219Keys), get_type_hints(Quirks)
    for name in set(C1219Keys.__struct_fields__) - TRANSLATED:
        assert ours[name] == theirs[name] | None, name


def test_translated_settings_have_the_type_of_the_quirk() -> None:
    section = C1219Keys(
        register_scale="0.001",
        interval_scale="2",
        channel_status={"9": "missing"},
        event_names={"20": "cover"},
        tables_absent=("ST28",),
        tables_present=("ST55", "ST100"),
        override={"ST61.sets[0].nbr_blk_ints": 96, "ST15.entries[0].multiplier": "0.1", "ST52.dst_applied": True},
    )
    assert Quirks(**section.settings()) == Quirks(
        register_scale=Decimal("0.001"),
        interval_scale=Decimal(2),
        channel_status=((9, "missing"),),
        event_names=((20, "cover"),),
        tables_absent=frozenset({28}),
        tables_present=frozenset({55, 100}),
        override=(
            Override(61, "sets[0].nbr_blk_ints", 96),
            Override(15, "entries[0].multiplier", Decimal("0.1")),
            Override(52, "dst_applied", value=True),
        ),
    )
    assert set(get_args(StatusWord)) == STATUS_WORDS.keys()


def test_the_speeds_are_those_that_negotiate_can_say() -> None:
    assert set(get_args(Baud)) == set(CODE_OF_BAUD)


def test_the_manual_lists_every_key_with_its_default() -> None:
    rows = dict(_rows((SHIPPED / "README.md").read_text(encoding="utf-8")))
    psem, timing, quirks = PsemOptions(), Timing(), Quirks()
    for name in PsemKeys.__struct_fields__:
        seconds = f"{name.removesuffix('_ms')}_s"
        if name.endswith("_ms"):
            value: float = getattr(timing, seconds) if hasattr(timing, seconds) else getattr(psem, seconds)
            assert rows[f"psem.{name}"] == f"{value * 1000:g}", name
        else:
            default = timing.retries if name == "retries" else getattr(psem, name)
            assert rows[f"psem.{name}"] == _toml(default), name
    for name in C1219Keys.__struct_fields__:
        default = getattr(quirks, name)
        assert rows[f"c1219.{name}"] == _toml(
            str(default) if isinstance(default, Decimal) else _plain(name, default)
        ), name
    for section, keys in (("line", LineKeys), ("displays", Displays)):
        for name in keys.__struct_fields__:
            assert f"{section}.{name}" in rows


def test_the_directory_holds_data_only() -> None:
    assert {path.suffix for path in SHIPPED.rglob("*") if path.is_file()} == {".toml", ".md"}


def test_the_shipped_directory_lies_beside_the_drivers() -> None:
    assert (Path(__file__).parents[2] / "firmware_profiles").resolve() == SHIPPED


def _names(kind: type) -> set[str]:
    return {field.name for field in fields(kind)}


def _rows(text: str) -> list[tuple[str, str]]:
    """Return (dotted key, default) of each table row of the manual."""
    section, rows = "", []
    for line in text.splitlines():
        if line.startswith("#"):
            section = line.partition("[")[2].partition("]")[0]
        elif line.startswith("| `"):
            cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
            rows.append((f"{section}.{cells[0]}", cells[-1]))
    return rows


def _plain(name: str, value: object) -> object:
    if name not in TRANSLATED:
        return value
    return [] if name.startswith("tables") else {}


def _toml(value: object) -> str:
    return json.dumps(value)
