"""The most special profile that means a meter is taken; a meter that none means is read with `generic-c1219`."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import UsageError
from drivers.profiles import Profiles, load_profiles
from drivers.profiles.match import matches, may_collide, overlap, specificity, within
from drivers.profiles.schema import Detect, Versions


def library(tmp_path: Path, **detects: str) -> Profiles:
    """Make a library of small profiles: name=lines of `[detect]`."""
    for name, lines in detects.items():
        text = f'name = "{name}"\ntitle = "x"\nstatus = "not tried on hardware"\n[detect]\n{lines}\n'
        (tmp_path / f"{name}.toml").write_text(text)
    return load_profiles([tmp_path])


@pytest.mark.parametrize(
    ("manufacturer", "model", "name"),
    [
        ("EE  ", "A3R     ", "elster-a3-alpha"),
        ("EE", "A3K", "elster-a3-alpha"),
        ("ee\0\0", "a3d\0\0\0\0\0", "elster-a3-alpha"),
        ("EE  ", "A1800   ", "elster-a1800"),
        ("ELST", "A1800", "elster-a1800"),
        ("EE  ", "REXILC  ", "generic-c1219"),
        ("XY  ", "A3R     ", "generic-c1219"),
        ("", "", "generic-c1219"),
        ("GE  ", "KV2C    ", "generic-c1219"),  # what a kV2c really says is not known: see its file
        ("*", "A3*", "generic-c1219"),
    ],
)
def test_shipped_profiles_recognise_what_their_sources_say(manufacturer: str, model: str, name: str) -> None:
    assert load_profiles().recognise(manufacturer=manufacturer, model=model).name == name


def test_the_most_special_wins(tmp_path: Path) -> None:
    profiles = library(
        tmp_path,
        maker='manufacturer = "ACME"',
        family='manufacturer = "ACME"\nmodel = "SX*"',
        member='manufacturer = "ACME"\nmodel = ["SX-2", "SX-3"]',
        update='manufacturer = "ACME"\nmodel = "SX-2"\nfirmware = { min = "3.1", max = "3" }',
        classed='manufacturer = "*"\nmodel = "QQ*"\ndevice_class = "0600*"',
    )
    profiles.check()

    def name(model: str, firmware: str = "", device_class: str = "") -> str:
        return profiles.recognise(
            manufacturer="ACME", model=model, firmware_version=firmware, device_class=device_class
        ).name

    assert name("TZ") == "maker"
    assert name("SX-9") == "family"
    assert name("SX-3") == "member"
    assert name("SX-2", "3.0") == "member"
    assert name("SX-2", "3.1") == "update"
    assert name("SX-2", "3.255") == "update"
    assert name("SX-2", "4.0") == "member"
    assert name("SX-2", "garbage") == "member"
    assert name("QQ", device_class="060016") == "maker"
    assert profiles.recognise(manufacturer="ZZ", model="QQ1", device_class="060016").name == "classed"
    assert profiles.recognise(manufacturer="ZZ", model="QQ1").name == "generic-c1219"


def test_two_equally_special_profiles_are_refused_at_once_and_at_the_meter(tmp_path: Path) -> None:
    profiles = library(tmp_path, one='manufacturer = "ACME"\nmodel = "S*2"', two='manufacturer = "ACME"\nmodel = "SX*"')
    with pytest.raises(UsageError, match=r"profiles one .*one\.toml.* and two .*two\.toml.*make one \[detect\] more"):
        profiles.check()
    with pytest.raises(UsageError, match=r"both mean the meter 'ACME SX-2' equally well"):
        profiles.recognise(manufacturer="ACME", model="SX-2  ")
    assert profiles.recognise(manufacturer="ACME", model="SX-3").name == "two"


def test_ranges_that_do_not_meet_do_not_collide(tmp_path: Path) -> None:
    profiles = library(
        tmp_path,
        old='manufacturer = "ACME"\nhardware = { max = "1" }',
        new='manufacturer = "ACME"\nhardware = { min = "2" }',
        red='manufacturer = "ZZ"\ndevice_class = "R*"',
        blue='manufacturer = "ZZ"\ndevice_class = "B*"',
    )
    profiles.check()
    assert profiles.recognise(manufacturer="ACME", hardware_version="1.9").name == "old"
    assert profiles.recognise(manufacturer="ACME", hardware_version="2.0").name == "new"


@pytest.mark.parametrize(
    ("a", "b", "collide"),
    [
        (Detect(manufacturer="ACME"), Detect(manufacturer="acme"), True),
        (Detect(manufacturer="ACME"), Detect(manufacturer="ACM*"), False),  # the first is more special
        (Detect(manufacturer="A*"), Detect(manufacturer="*E"), True),
        (Detect(manufacturer="A?"), Detect(manufacturer="A??"), False),
        (Detect(manufacturer="A", hardware=Versions(max="1")), Detect(manufacturer="A"), False),
        (
            Detect(manufacturer="A", hardware=Versions(max="1")),
            Detect(manufacturer="A", hardware=Versions(min="2")),
            False,
        ),
        (
            Detect(manufacturer="A", hardware=Versions(max="2")),
            Detect(manufacturer="A", hardware=Versions(min="2.9")),
            True,
        ),
        (Detect(manufacturer="A", hardware=Versions()), Detect(manufacturer="A", firmware=Versions()), True),
        (Detect(manufacturer="A", device_class="R*"), Detect(manufacturer="A", device_class="B*"), False),
        (Detect(manufacturer="A", device_class="R*"), Detect(manufacturer="A", device_class="*B"), True),
    ],
)
def test_what_could_mean_one_meter_equally_well(a: Detect, b: Detect, *, collide: bool) -> None:
    assert may_collide(a, b) is collide
    assert may_collide(b, a) is collide


@pytest.mark.parametrize(
    ("versions", "text", "inside"),
    [
        (None, "", True),
        (Versions(), "0.0", True),
        (Versions(), "", False),
        (Versions(min="3"), "3", True),
        (Versions(min="3"), "2.255", False),
        (Versions(max="3"), "3.255", True),
        (Versions(max="3.0"), "3.1", False),
        (Versions(min="3.9"), "3.10", True),
        (Versions(min="1"), "1.2.3", False),
    ],
)
def test_versions(versions: Versions | None, text: str, *, inside: bool) -> None:
    assert within(versions, text) is inside


words = st.text("ab", max_size=4)
globs = st.text("ab*?", min_size=1, max_size=5)


@given(globs, words)
def test_a_text_is_a_pattern_of_its_own(pattern: str, text: str) -> None:
    assert matches(pattern, text) == overlap(pattern, text)


@given(globs, globs, words)
def test_patterns_that_match_one_text_overlap(a: str, b: str, text: str) -> None:
    if matches(a, text) and matches(b, text):
        assert overlap(a, b)


@given(globs, globs)
def test_overlapping_patterns_match_one_text(a: str, b: str) -> None:
    reach = ["".join(letters) for n in range(9) for letters in _words(n)] if len(a) + len(b) <= 6 else []
    if reach and overlap(a, b):
        assert any(matches(a, text) and matches(b, text) for text in reach)


def _words(length: int) -> list[str]:
    return [""] if length == 0 else [word + letter for word in _words(length - 1) for letter in "ab"]


several = st.lists(globs, min_size=1, max_size=2).map(tuple)
detects = st.builds(lambda maker, model: Detect(manufacturer=maker, model=model), several, several)


@given(detects, detects, words, words)
def test_equally_special_matches_are_found_beforehand(a: Detect, b: Detect, maker: str, model: str) -> None:
    found = [specificity(detect, manufacturer=maker, model=model) for detect in (a, b)]
    if found[0] is not None and found[0] == found[1]:
        assert may_collide(a, b)
