"""Our tables against the second reader: the same octets must mean the same to both, field by field.

The octets come from our encoder, from chance, and from the two reference meters.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.c1219 import Context, ProfileData, decode, encode, size
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade2 as d2
from drivers.c1219 import decade6 as d6
from drivers.c1219.tables import TABLES
from drivers.errors import DataError
from tests.c1219 import independent, independent_profile
from tests.c1219.drawer import Drawer, draw_context
from tests.c1219.independent import General
from tests.c1219.second_opinion import COMPARED, Same, as_blocks, mask, ours, second_limits, theirs

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text())


@pytest.mark.parametrize("number", COMPARED, ids=lambda n: f"ST{n:02}")
@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_both_read_what_our_encoder_writes(number: int, seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - hypothesis draws the seed
    context = draw_context(chance)
    general, limits = second_limits(context)
    table = context.decoded(number).table if number in context else Drawer(chance, context).table(TABLES[number])
    octets = encode(table, context)
    assert ours(number, table, Same(general)) == mask(number, theirs(number, octets, general, limits))


@pytest.mark.parametrize("number", COMPARED[1:], ids=lambda n: f"ST{n:02}")
@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_both_read_chance_octets_alike(number: int, seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - hypothesis draws the seed
    context = draw_context(chance)
    general, limits = second_limits(context)
    octets = chance.randbytes(size(number, context) or 0)
    if chance.random() < 0.5:  # digits, so that dates and BCD numbers are good more often
        octets = bytes(chance.choice(b"\0\1\2\3\5\x09\x10\x12\x23\x20 .-0159\xaa\xab\xff") for _ in octets)
    table = decode(number, octets, context).table
    assert ours(number, table, Same(general)) == mask(number, theirs(number, octets, general, limits))


def draw_profile(chance: Random) -> Context:
    """Return a meter with random formats and one or two profile sets of few blocks."""
    general = Drawer(chance, Context()).table(d0.GeneralConfiguration)
    assert isinstance(general, d0.GeneralConfiguration)
    used = frozenset(chance.sample((64, 65, 66, 67), chance.randint(1, 2)))
    parts = {name: getattr(general, name) for name in general.__dataclass_fields__}
    context = Context().with_tables(d0.GeneralConfiguration(**parts | {"std_tbls_used": used}))
    limits = Drawer(chance, context).table(d6.ProfileLimits)
    context = context.with_tables(limits)
    control = Drawer(chance, context).table(d6.ProfileControl)
    assert isinstance(control, d6.ProfileControl)
    code = 1 << chance.randrange(8)
    sets = tuple(
        d6.ProfileSetControl(channels=one.channels, int_fmt_cde=code, scalars=one.scalars, divisors=one.divisors)
        if one is not None
        else None
        for one in control.sets
    )
    return context.with_tables(d6.ProfileControl(sets=sets))


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_both_read_profile_blocks_alike(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - hypothesis draws the seed
    context = draw_profile(chance)
    general = independent.st00(encode(context.st00, context))[1]
    actual = independent_profile.st61(encode(context.st61, context), general)
    controls = independent_profile.st62(encode(context.st62, context), general, actual)
    for n, shape in actual["sets"].items():
        if not (shape["blocks"] and shape["channels"] and shape["ints"]):
            continue
        code = controls[n]["format"]
        closure = chance.random() < 0.3
        one = independent_profile.block_size(general, actual, n, code, closure=closure)
        octets = chance.randbytes(one * shape["blocks"])
        wanted = independent_profile.st64(octets, general, actual, controls[n], n)
        table = decode(64 + n, octets, context).table
        assert isinstance(table, ProfileData)
        assert as_blocks(tuple(table.blocks), Same(general), code) == wanted


@pytest.mark.parametrize("meter", ["meter_A", "meter_B"])
def test_both_read_the_reference_meters_alike(meter: str) -> None:
    context, general = Context(), independent.st00(bytes.fromhex(VECTORS["tables"][meter]["hex"]["ST00"]))[1]
    limits: dict[int, Any] = {}
    for name, text in VECTORS["tables"][meter]["hex"].items():
        number, octets = int(name[2:]), bytes.fromhex(text)
        context = context.with_table(decode(number, octets, context))
        if number in COMPARED:
            found = theirs(number, octets, general, limits)
            limits[number] = found
            assert ours(number, context.decoded(number).table, Same(general)) == mask(number, found), name
        elif number == 64:
            found = independent_profile.st64(octets, general, limits[61], limits[62][0], 0)
            table: Any = context.decoded(64).table
            assert as_blocks(table.blocks, Same(general), limits[62][0]["format"]) == found


@pytest.mark.parametrize("vector", VECTORS["ni_formats"], ids=lambda v: f"{v['ni_format']}-{v['hex']}")
def test_the_second_reader_reads_the_numbers_of_the_vectors(vector: dict[str, Any]) -> None:
    order = "big" if vector["data_order"] == "MSB" else "little"
    form = vector["ni_format"]
    general = General(order, vector["int_format"], 2, form, form, 0, 1, 0, (0, 0, 0, 0), set())  # type: ignore[arg-type]
    found = independent.number(bytes.fromhex(vector["hex"]), form, general)
    assert found is not None
    assert float(found) == vector["value"]


@pytest.mark.parametrize("vector", VECTORS["times"], ids=lambda v: f"{v['type']}-{v['tm_format']}-{v['hex']}")
def test_the_second_reader_reads_the_times_of_the_vectors(vector: dict[str, Any]) -> None:
    order = "big" if vector["data_order"] == "MSB" else "little"
    general = General(order, 0, vector["tm_format"], 8, 8, 0, 1, 0, (0, 0, 0, 0), set())  # type: ignore[arg-type]
    octets = bytes.fromhex(vector["hex"])
    if vector["type"] == "TIME":
        hour, minute, second = map(int, vector["value"].split(":"))
        assert independent.time_of_day(octets, general) == hour * 3600 + minute * 60 + second
    else:
        found = independent.moment(octets, general, seconds=vector["type"] == "LTIME_DATE")
        assert found == datetime.fromisoformat(vector["value"])


def test_a_reserved_number_format_is_refused_by_both() -> None:
    context = Context().with_tables(d0.GeneralConfiguration(ni_format1=14), d2.RegistersLimits(nbr_summations=1))
    with pytest.raises(DataError, match="reserved number format 14"):
        decode(23, bytes(4), context)
    general = independent.st00(encode(context.st00, context))[1]
    with pytest.raises(KeyError):
        theirs(23, bytes(4), general, {21: {"demand_reset_ctr": 0, "nbr_summations": 1}})
