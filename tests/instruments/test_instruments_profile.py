"""A profile that cannot be right is refused, with file, line and key; those that ship say that nobody tried them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from drivers.errors import UsageError
from drivers.instruments import load_instrument, load_instruments, open_source
from drivers.instruments.library import parse_instrument

SHIPPED = load_instruments()
SOURCE = (Path(__file__).parents[2] / "firmware_profiles/instruments/metersim-source.toml").read_text()
COUNTER = (Path(__file__).parents[2] / "firmware_profiles/instruments/metersim-counter.toml").read_text()
STANDARD = (Path(__file__).parents[2] / "firmware_profiles/instruments/metersim-standard.toml").read_text()


@pytest.mark.parametrize("name", SHIPPED.names)
def test_shipped_profiles_say_that_nobody_tried_them(name: str) -> None:
    one = SHIPPED.find(name)
    assert one.status == "not tried on hardware"
    assert sum(table is not None for table in (one.source, one.standard, one.counter)) == 1


@pytest.mark.parametrize(
    ("text", "old", "new", "wrong"),
    [
        (SOURCE, 'kind = "source"', 'kind = "counter"', r"\[source\] is there, and kind is counter"),
        (SOURCE, 'name = "metersim-source"', 'name = "other"', "the file is metersim-source.toml"),
        (SOURCE, '"VOLT {volts}", ', "", "amps.*are set"),
        (SOURCE, "{volts}", "{power}", "placeholder is unknown"),
        (SOURCE, "{volts}", "{volts!r}", "placeholder is unknown"),
        (SOURCE, "{volts}", "{volts", "placeholder is unknown"),
        (SOURCE, "SYST:WDOG {seconds}", "SYST:WDOG", "must hold {seconds}"),
        (SOURCE, 'max = "600"', 'max = "-1"', "0 to -1 is no range"),
        (SOURCE, 'step = "0.001"', 'step = "0"', "not above 0"),
        (SOURCE, 'yes = ["1"], no = ["0"]', 'yes = ["1"], no = ["1"]', "must both be said, and differ"),
        (SOURCE, '"METERSIM,AC-SOURCE,"', '"("', "no regular expression"),
        (SOURCE, 'on = "OUTP 1"', 'on = "OUTP 1\\n*RST"', "no line end"),
        (SOURCE, 'on = "OUTP 1"', 'no = "OUTP 1"', "unknown key"),
        (SOURCE, 'status = "not tried on hardware"', 'status = "sure"', "tried on hardware: which"),
        (STANDARD, 'percent = "0.02"', 'percent = "-1"', "is negative"),
        (STANDARD, 'pulses_per_wh = "100000"', 'pulses_per_wh = "0"', "not above 0"),
        (STANDARD, '"FETC:ENER?"', '"FETC:ENER?", scale = "0"', "not above 0"),
        (COUNTER, "{pulses}", "{volts}", "placeholder is unknown"),
        (COUNTER, "100_000", "0", "a whole number from 1"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, old: str, new: str, wrong: str) -> None:
    assert old in text
    stem = text.split('"')[1]
    with pytest.raises(UsageError, match=wrong) as raised:
        parse_instrument(text.replace(old, new, 1), "x.toml", stem)
    assert "x.toml, line " in str(raised.value)


def test_profiles_of_the_user_are_found_beside_the_shipped_ones(tmp_path: Path) -> None:
    folder = tmp_path / "instruments"
    folder.mkdir()
    (folder / "mine.toml").write_text(SOURCE.replace("metersim-source", "mine"))
    found = load_instruments([tmp_path])
    assert found.find("mine").kind == "source"
    assert load_instrument(folder / "mine.toml") == found.find("mine")
    with pytest.raises(UsageError, match="did you mean metersim-source"):
        found.find("metersim-sorce")


def test_the_example_of_the_readme_is_a_profile() -> None:
    text = (Path(__file__).parents[2] / "firmware_profiles/instruments/README.md").read_text()
    example = text.split("```toml\n")[1].split("```")[0]
    one = parse_instrument(example, "README.md", "acme-ps3")
    assert one.source is not None
    assert one.source.state.yes == ("1", "ON")
    assert one.line.finish == "*OPC?"


def test_importing_the_package_does_not_import_pyvisa() -> None:
    code = "import sys, drivers.instruments; print([name for name in sys.modules if name.startswith('pyvisa')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


async def test_without_the_extra_the_operator_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvisa", None)
    with pytest.raises(UsageError, match=r"pyvisa is not installed.*mrsp-agent\[bench\]"):
        async with open_source(SHIPPED.find("metersim-source"), "TCPIP::127.0.0.1::5025::SOCKET"):
            pass
