"""A person's mistakes in a TOML file are named with file, line and key."""

from pathlib import Path

import msgspec
import pytest

from drivers.errors import UsageError
from drivers.toml_file import line_of, load_toml, parse_toml


class Meter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    dials: int = 5


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    agent: dict[str, str] = {}
    meters: list[Meter] = []


TEXT = """\
[agent]
name = "x"

[[meters]]
url = "a"

[[meters]]
# a comment
url = "b"
dials = "six"
"""


def test_a_wrong_value_is_named_with_line_and_key() -> None:
    with pytest.raises(UsageError, match=r"config f\.toml, line 10: `meters\[1\]\.dials`: Expected `int`, got `str`"):
        parse_toml(TEXT, Config, name="f.toml", what="config")


def test_an_unknown_key_is_named_with_its_line() -> None:
    text = TEXT.replace('dials = "six"', "dails = 6")
    with pytest.raises(UsageError, match=r"line 10: `meters\[1\]\.dails`: unknown key"):
        parse_toml(text, Config, name="f.toml", what="config")


def test_a_missing_key_points_at_its_table() -> None:
    with pytest.raises(UsageError, match=r"line 2: `meters\[0\]`: the key `url` is missing"):
        parse_toml("\n[[meters]]\ndials = 4\n", Config, name="f.toml", what="config")


def test_broken_toml_says_where() -> None:
    with pytest.raises(UsageError, match=r"is not TOML: .*line 1"):
        parse_toml("a = = 1", Config, name="f.toml", what="config")


def test_a_missing_file_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load_toml(tmp_path / "none.toml", Config, what="config")
    (tmp_path / "bin.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_toml(tmp_path / "bin.toml", Config, what="config")


def test_line_of_an_unknown_path_is_its_nearest_table() -> None:
    assert line_of("a = 1\n[b.c]\nd = 2\n", ["b", "c", "x"]) == 2
