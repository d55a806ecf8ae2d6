"""Register maps: what ships is sound, and each mistake is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.errors import UsageError
from drivers.modbus.describe import as_dict, describe, summary
from drivers.modbus.library import SUNSPEC, check_map, is_map_file, load_map, load_maps
from drivers.profiles import load_profiles

GOOD = """\
name = "acme-m3"
title = "Acme M3"
status = "not tried on hardware"

[modbus]
base = 40001

[identity]
serial_number = { address = 40101, type = "u32" }

[[constant]]
name = "ct_ratio"
address = 40201
type = "u16"

[[register]]
address = 40011
type = "u32"
quantity = "kWh"
unit = "kWh"
direction = "delivered"
scale = "0.1"
times = ["ct_ratio"]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "modbus" / "acme-m3.toml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    return path


def test_what_ships_loads_and_can_be_shown() -> None:
    maps = load_maps()
    assert set(maps.names) == {SUNSPEC, "eastron-sdm630", "gavazzi-em24-din", "schneider-iem3155"}
    for one in maps:
        assert one.status == "not tried on hardware"
        assert one.fact
        assert all(fact.url for fact in one.fact)
        assert one.title in describe(one)
        assert as_dict(one)["name"] == one.name
        assert summary(one).keys() == summary(maps.find(SUNSPEC)).keys()
        path = maps.path_of(one.name)
        assert path is not None
        assert is_map_file(path)
        assert check_map(path).mistakes == ()


def test_maps_and_table_profiles_do_not_mix() -> None:
    assert not set(load_profiles().names) & set(load_maps().names)


def test_a_map_of_ones_own(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    assert load_maps((tmp_path,)).find("acme-m3").register[0].address == 40011


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('scale = "0.1"', 'scale = "0"', 22, "every value 0"),
        ('scale = "0.1"', "scale = 0.1", 22, "allowed"),
        ('times = ["ct_ratio"]', 'times = ["vt"]', 23, "no constant 'vt'"),
        ("address = 40011", "address = 40000", 17, "not from 40001"),
        ('type = "u32"\nquantity', 'type = "u33"\nquantity', 18, "u32"),
        ('type = "u32"\nquantity', 'type = "bcd"\nquantity', 16, "needs a length of 1 to 8"),
        ('type = "u32"\nquantity', 'type = "u32"\nlength = 2\nquantity', 19, "a u32 has 2 registers"),
        ('type = "u32"\nquantity', 'type = "string"\nlength = 2\nquantity', 18, "cannot be text"),
        ('scale = "0.1"', 'absent = ["0x8000"]', 22, "not as long as 2 registers"),
        ("base = 40001", "base = 40001\nmots = 3", 7, "did you mean `most`"),
        ("base = 40001", "base = 40001\nmost = 1", 10, "more than `most`"),
        ('name = "acme-m3"', 'name = "acme-m4"', 1, "the file is called acme-m3"),
        ("[[constant]]", "[sunspec]\n[[constant]]", 11, "need each other"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_key(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        load_map(path)
    assert f"{path}, line {line}" in str(caught.value)
    assert says in str(caught.value)
    assert any(says in mistake for mistake in check_map(path).mistakes)


def test_the_same_value_twice_is_a_mistake(tmp_path: Path) -> None:
    register = GOOD[GOOD.index("[[register]]") :]
    path = written(tmp_path, GOOD + "\n" + register.replace("40011", "40013"))
    assert "same value as register 1" in check_map(path).mistakes[0]


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean eastron-sdm630"):
        load_maps().find("eastron-sdm63")


def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    path.rename(path.with_name("eastron-sdm630.toml"))
    with pytest.raises(UsageError, match="exists twice"):
        load_maps((tmp_path,))
