"""What a source cannot put out is refused before a single octet is sent to it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import UsageError
from drivers.instruments import OutOfRange, Setting, check_setting
from drivers.instruments.limits import phase_degrees, setting_commands
from tests.instruments.bench_kit import PROFILES, bench, profile

SOURCE = profile("source")


def setting(
    volts: str = "240", amps: str = "30", hertz: str = "60", factor: str = "1", *, leading: bool = False
) -> Setting:
    return Setting(Decimal(volts), Decimal(amps), Decimal(hertz), Decimal(factor), leading)


@pytest.mark.parametrize(
    ("wanted", "wrong"),
    [
        (setting(volts="600.001"), "600.001 V: it can put out 0 to 600 V"),
        (setting(volts="-1"), "-1 V"),
        (setting(volts="NaN"), "NaN V"),
        (setting(volts="Infinity"), "Infinity V"),
        (setting(amps="121"), "121 A: it can put out 0 to 120 A"),
        (setting(amps="0.00001"), "steps of 0.0001 A"),
        (setting(hertz="400"), "400 Hz"),
        (setting(factor="1.1"), "power factor 1.1"),
        (setting(factor="-0.5"), "power factor -0.5"),
        (setting(factor="NaN"), "power factor NaN"),
    ],
)
async def test_nothing_is_sent_of_a_setting_out_of_range(wanted: Setting, wrong: str) -> None:
    with pytest.raises(OutOfRange, match=wrong):
        check_setting(SOURCE, wanted)


async def test_an_open_source_hears_nothing_of_it() -> None:
    async with bench() as one:
        before = list(one.served.source.heard)
        with pytest.raises(OutOfRange):
            await one.set(volts="601")
        with pytest.raises(OutOfRange, match="100001 pulses"):
            await one.counter.arm(100_001)
        assert one.served.source.heard == before
        assert not one.served.world.output_on


def test_only_a_source_can_be_set() -> None:
    with pytest.raises(UsageError, match="of no source"):
        check_setting(profile("counter"), setting())


def test_the_commands_are_those_of_the_profile() -> None:
    fluke = PROFILES.find("fluke-5522a").source
    assert fluke is not None
    assert setting_commands(fluke, setting(volts="240.0", amps="2.50", factor="0.5")) == [
        "OUT 240 V, 2.5 A, 60 HZ",
        "PHASE -60 DEG",
    ]
    assert setting_commands(fluke, setting(factor="0.5", leading=True))[1] == "PHASE 60 DEG"
    assert setting_commands(fluke, setting(factor="1", leading=True))[1] == "PHASE 0 DEG"


@given(st.decimals(min_value=0, max_value=1, places=4), st.booleans())
def test_an_angle_lies_within_a_right_one(factor: Decimal, leading: bool) -> None:
    source = SOURCE.source
    assert source is not None
    angle = phase_degrees(source, setting(factor=str(factor), leading=leading))
    assert abs(angle) <= 90
    assert angle == 0 or (angle < 0) == leading
