"""Fields that a family reports wrong: put right, remarked, and everything that depends on them follows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from drivers.c1219 import Context, Quirks, decode, encode, size, with_quirks
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade1 as d1
from drivers.c1219 import decade2 as d2
from drivers.c1219 import decade5 as d5
from drivers.c1219 import decade6 as d6
from drivers.c1219.overriding import NoSuchField, fits, path_steps, wire_at
from drivers.c1219.quirks import Override
from drivers.c1219.record import Table
from drivers.errors import DataError

GENERAL = d0.GeneralConfiguration(std_tbls_used=frozenset({0, 1, 11, 15, 21, 23, 64}))


def quirks(**paths: Any) -> Quirks:
    """Return overrides: `ST21__nbr_tiers=2`."""
    return Quirks(override=tuple(Override(int(key[2:4]), key[6:], value) for key, value in paths.items()))


def reread(table: Table, made: Quirks, *before: Table) -> Table:
    """Return a table encoded by the meter and decoded with quirks."""
    context = Context().with_tables(GENERAL, *before)
    return decode(table.number, encode(table, context), Context(made, context.tables)).table


def test_a_field_is_put_right_and_remarked() -> None:
    table = d2.RegistersLimits(nbr_summations=3, nbr_tiers=0)
    decoded = decode(21, encode(table, Context().with_table(GENERAL)), Context(quirks(ST21__nbr_tiers=2)))
    assert decoded.table == d2.RegistersLimits(nbr_summations=3, nbr_tiers=2)
    assert decoded.remarks == ("nbr_tiers is 0, taken as 2: the profile says so",)
    assert decoded.source("nbr_tiers") is not None


def test_what_is_right_already_is_not_remarked() -> None:
    octets = encode(d2.RegistersLimits(nbr_tiers=2), Context().with_table(GENERAL))
    assert decode(21, octets, Context(quirks(ST21__nbr_tiers=2))).remarks == ()


def test_a_wrong_dimension_is_why_registers_cannot_be_read_and_the_override_why_they_can() -> None:
    true = Context().with_tables(GENERAL, d2.RegistersLimits(nbr_summations=2))
    data = d2.RegisterData(total=d2.DataBlock(summations=(1234, 5678)))
    octets = encode(d2.CurrentRegisters(data=data), true)
    said = encode(d2.RegistersLimits(nbr_summations=3), true)  # the meter's own, wrong
    for made in (Quirks(), quirks(ST21__nbr_summations=2)):
        context = Context(made).with_table(GENERAL)
        context = context.with_table(decode(21, said, context))
        if made == Quirks():
            with pytest.raises(DataError, match="ST23 has 8 octets where the meter's own limits say 12"):
                decode(23, octets, context)
        else:
            assert decode(23, octets, context).table == d2.CurrentRegisters(data=data)


def test_entries_sets_flags_and_numbers_can_be_stated() -> None:
    profile = d6.ProfileLimits(
        sets=(d6.ProfileSet(nbr_blks=9, nbr_blk_ints=95, nbr_chns=1, max_int_time=15), *[None] * 3)
    )
    found = reread(profile, quirks(**{"ST61__sets[0].nbr_blk_ints": 96, "ST61__sets[2].nbr_chns": 4}))
    assert isinstance(found, d6.ProfileLimits)
    assert found.of_set(1, "nbr_blk_ints") == 96
    assert found.sets[2] is None  # a set that the meter does not have is left alone
    clock = reread(d5.Clock(clock_calendar=None), quirks(ST52__dst_applied=True))
    assert isinstance(clock, d5.Clock)
    assert clock.dst_applied is True
    limits = d1.SourcesLimits(nbr_constants_entries=1, nbr_sources=1)
    constants = d1.Constants(entries=(d1.Constant(multiplier=7, offset=0),))
    one = reread(constants, quirks(**{"ST15__entries[0].multiplier": Decimal("0.5")}), limits)
    assert isinstance(one, d1.Constants)
    assert one.entries[0].multiplier == Decimal("0.5")
    none = reread(constants, quirks(**{"ST15__entries[7].multiplier": 1}), limits)
    assert none == constants


def test_tables_can_be_added_to_and_taken_from_st00() -> None:
    octets = encode(GENERAL, Context())
    table = decode(0, octets, Context(Quirks(tables_absent=frozenset({15}), tables_present=frozenset({55, 190})))).table
    assert isinstance(table, d0.GeneralConfiguration)
    assert table.std_tbls_used == {0, 1, 11, 21, 23, 55, 64, 190}


def test_the_length_of_st00_does_not_depend_on_what_the_profile_adds() -> None:
    made = Context(Quirks(tables_present=frozenset({2000})))
    octets = encode(GENERAL, Context())
    assert size(0, made.with_table(decode(0, octets, made))) == len(octets)


def test_a_meter_recognised_late_is_decoded_again_with_its_quirks() -> None:
    plain = Context()
    plain = plain.with_table(decode(0, encode(GENERAL, plain), plain))
    model = d0.ManufacturerIdentification(manufacturer="ACME", ed_model="SX", mfg_serial_number="0000000000001234")
    plain = plain.with_table(decode(1, encode(model, plain), plain))
    made = with_quirks(plain, Quirks(tables_absent=frozenset({15}), meter_id_at="st01"))
    assert 15 not in made.st00.std_tbls_used
    assert made.quirks.meter_id_at == "st01"
    assert made.need(d0.ManufacturerIdentification) == model


def test_a_table_that_the_profile_makes_undecodable_stays_and_says_so() -> None:
    plain = Context()
    plain = plain.with_table(decode(0, encode(GENERAL, plain), plain))
    device = d0.DeviceIdentification(identification="1234")
    plain = plain.with_table(decode(5, encode(device, plain), plain))
    made = with_quirks(plain, quirks(ST00__id_form=1))
    assert made.need(d0.DeviceIdentification) == device
    assert "with the profile it cannot be decoded" in made.decoded(5).remarks[0]


def test_tables_that_were_built_and_not_read_are_kept() -> None:
    context = Context().with_tables(GENERAL, d2.RegistersLimits())
    assert with_quirks(context, quirks(ST21__nbr_tiers=2)).st21.nbr_tiers == 0


@pytest.mark.parametrize(
    ("kind", "path", "reason"),
    [
        (d6.ProfileLimits, "sets[0].blocks", "there is no blocks; there are: nbr_blks, nbr_blk_ints"),
        (d6.ProfileLimits, "sets.nbr_blks", "there is no nbr_blks; there are: no fields in it"),
        (d6.ProfileLimits, "sets[0]", "only single numbers and flags"),
        (d6.ProfileLimits, "lp_fmats[0]", "is no list"),
        (d0.GeneralConfiguration, "std_tbls_used", "only single numbers and flags"),
        (d0.ManufacturerIdentification, "ed_model", "only single numbers and flags"),
        (d5.Clock, "clock_calendar", "only single numbers and flags"),
        (d5.Clock, "../secret", "write it as `mrsp tables` prints it"),
        (d5.Clock, "", "write it as"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(kind: type[Table], path: str, reason: str) -> None:
    with pytest.raises(NoSuchField, match=reason.replace("[", r"\[")):
        wire_at(kind, path)


@pytest.mark.parametrize(
    ("kind", "path", "good", "bad"),
    [
        (d6.ProfileLimits, "sets[0].nbr_blk_ints", 65_535, 65_536),
        (d6.ProfileLimits, "lp_fmats", 0, -1),
        (d6.ProfileLimits, "bit_12", True, 2),
        (d0.GeneralConfiguration, "ni_format1", 13, 16),
        (d1.Constants, "entries[0].multiplier", Decimal("0.1"), True),
        (d5.TimeOffset, "time_zone_offset", -300, 32_768),
        (d2.RegistersLimits, "nbr_tiers", 8, Decimal("0.5")),
    ],
)
def test_a_value_has_to_fit_its_field(kind: type[Table], path: str, good: Any, bad: Any) -> None:
    wire = wire_at(kind, path)
    assert fits(wire, good)
    assert not fits(wire, bad)


def test_steps() -> None:
    assert path_steps("sets[0].channels[12].end_rdg_flag") == ("sets", 0, "channels", 12, "end_rdg_flag")
