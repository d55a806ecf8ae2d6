"""Code sets: the one that ships, and those of an operator."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from agent.errors import ConfigError, UsageError
from agent.routes.codes import CodeSet, code_set_names, load_codes
from agent.routes.loading import Known, parse_route
from drivers.visual.trouble import Trouble
from tests.routes.routes_kit import octets, route, stop

HEAD = 'title = "Own"\nbased_on = "mrsp-field"\n'


@pytest.fixture(scope="module")
def shipped() -> CodeSet:
    return load_codes("mrsp-field")


def own(directory: Path, text: str, name: str = "own") -> CodeSet:
    (directory / f"{name}.toml").write_text(f'name = "{name}"\n{text}')
    return load_codes(name, [directory])


def test_every_reason_of_a_visual_reading_has_a_code_of_its_name(shipped: CodeSet) -> None:
    for trouble in get_args(Trouble):
        assert shipped[trouble].kind == "trouble"
        assert shipped.trouble_of(trouble) == trouble


def test_every_trouble_is_reported_and_every_hazard_is_noticed(shipped: CodeSet) -> None:
    assert all(code.anomaly for _, code in shipped.of_kind("trouble"))
    assert all(code.signals for _, code in shipped.of_kind("hazard"))
    assert {"flash", "sound", "vibrate"} == set(shipped["life_support"].signals)


def test_the_most_urgent_comes_first(shipped: CodeSet) -> None:
    priorities = [code.priority for _, code in shipped.of_kind("hazard")]
    assert priorities == sorted(priorities)
    assert [key for key, _ in shipped.sorted(["stairs", "unknown", "vicious_dog", "stairs"])] == [
        "vicious_dog",
        "stairs",
    ]


def test_an_unknown_code_is_named_with_those_that_there_are(shipped: CodeSet) -> None:
    with pytest.raises(UsageError, match=r"'dgo' is no code of mrsp-field.*no_access"):
        shipped["dgo"]


def test_a_set_says_what_differs(tmp_path: Path) -> None:
    codes = own(
        tmp_path,
        HEAD + 'without = ["vacant"]\n[codes.dog]\ntext = "Dog (17)"\n'
        '[codes.k9]\ntext = "Key missing"\nkind = "trouble"\nnon_reading = true\nmeans = "locked"\n',
    )
    assert codes["dog"].text == "Dog (17)"
    assert codes["dog"].non_reading
    assert codes.trouble_of("k9") == "locked"
    assert "vacant" not in codes.codes
    assert codes.trouble_of("seal_missing") == "seal_broken"
    assert code_set_names([tmp_path]) == ("mrsp-field", "own")


def test_a_code_that_stands_for_nothing_is_called_other(tmp_path: Path) -> None:
    codes = own(tmp_path, HEAD + '[codes.x1]\ntext = "Odd"\nkind = "trouble"\n')
    assert codes.trouble_of("x1") == "other"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + '[codes.dog]\ntxt = "Dog"\n', r"own.toml, line 4: `codes.dog`: .*unknown field `txt`"),
        (HEAD + '[codes.new]\ntext = "New"\n', "`kind`"),
        (HEAD + 'without = ["nobody"]\n', "line 4: `without`: nobody is no code of what"),
        (HEAD + "[codes.vacant]\nnon_reading = true\n", "non_reading.*only a code of the kind trouble"),
        (HEAD + '[codes.vacant]\nmeans = "dog"\n', "`means` goes with"),
        (HEAD + '[codes.dog]\nanomaly = "barking"\n', "barking"),
        (HEAD + '[codes.dog]\ntext = "god \\u202e"\n', "U\\+202E"),
        (HEAD + '[codes."bad key"]\ntext = "x"\n', "matching regex"),
        ('title = "Own"\nbased_on = "nothing"\n', "there is no code set 'nothing'"),
        ('title = "Own"\nbased_on = "own"\n', "goes round in a circle"),
        ('title = "Own"\n[codes.a]\ntext = "A"\n', "codes.a.*missing required field `kind`"),
        ('title = "Own"\n', "0 codes; a set has 1 to 500"),
        ('title = "Own"\nbased_on = 5\n', "based_on"),
        ("title = ", "is not TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        own(tmp_path, text)


def test_names_are_nobody_elses(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('name = "other"\ntitle = "T"\ncodes = {}\n')
    with pytest.raises(ConfigError, match=r"`name`: is 'other', but the file is called own\.toml"):
        load_codes("own", [tmp_path])
    (tmp_path / "mrsp-field.toml").write_text("")
    with pytest.raises(ConfigError, match="taken by one that ships"):
        load_codes("own", [tmp_path])
    with pytest.raises(ConfigError, match="not a directory"):
        load_codes("own", [tmp_path / "nowhere"])


def test_a_route_is_walked_with_the_codes_it_names(tmp_path: Path) -> None:
    own(tmp_path, HEAD + '[codes.geese]\ntext = "Geese"\nkind = "hazard"\n')
    tree = route(0, codes="own", orders=[stop(1, hazards=["geese", "stairs"])])
    loaded = parse_route(octets(tree), "json", known=Known([tmp_path]))
    assert loaded.codes["geese"].text == "Geese"
    with pytest.raises(UsageError, match=r"line 24, `codes`: there is no code set 'own'"):
        parse_route(octets(tree), "json")
