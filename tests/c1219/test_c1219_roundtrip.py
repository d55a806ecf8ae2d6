"""decode(encode(table)) == table for every declared table in arbitrary contexts; and size() tells the truth.

The values are drawn from the declarations themselves, so that a field added to a table is tested without being named.
"""

from __future__ import annotations

from dataclasses import fields
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.c1219 import Context, Table, decode, encode, size
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade1 as d1
from drivers.c1219 import decade2 as d2
from drivers.c1219 import decade3 as d3
from drivers.c1219 import decade5 as d5
from drivers.c1219 import decade6 as d6
from drivers.c1219 import decade7 as d7
from drivers.c1219 import decade9 as d9
from drivers.c1219.scope import Scope
from drivers.c1219.tables import TABLES
from tests.c1219.drawer import Drawer, draw_context


@pytest.mark.parametrize("number", sorted(TABLES), ids=lambda n: f"ST{n:02}")
@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_decode_undoes_encode(number: int, seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - hypothesis draws the seed
    context = draw_context(chance)
    table = context.decoded(number).table if number in context else Drawer(chance, context).table(TABLES[number])
    octets = encode(table, context)
    decoded = decode(number, octets, context)
    assert decoded.table == table
    assert encode(decoded.table, context) == octets
    ends = [span.offset + span.length for span in decoded.spans.values()]
    assert max(ends, default=0) == len(octets)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_size_is_that_of_the_usual_variant(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - hypothesis draws the seed
    context = draw_context(chance)
    for number, kind in TABLES.items():
        if kind.layout.open_ended(Scope(context)):
            assert size(number, context) is None
        elif not kind.layout.choices():
            octets = encode(Drawer(chance, context).table(kind) if number else context.st00, context)
            assert size(number, context) == len(octets), number


def test_every_reference_of_a_declaration_exists() -> None:
    """A misspelt field in a count or condition fails here, not at a meter."""
    tables: list[Table] = [
        d0.GeneralConfiguration(std_tbls_used=frozenset({64, 65, 66, 67})),
        d1.SourcesLimits(**_ones(d1.SourcesLimits)),
        d2.RegistersLimits(**_ones(d2.RegistersLimits)),
        d3.DisplayLimits(**_ones(d3.DisplayLimits)),
        d5.TimeLimits(**_ones(d5.TimeLimits)),
        d7.LogLimits(**_ones(d7.LogLimits)),
        d9.TelephoneLimits(**_ones(d9.TelephoneLimits) | {"further_limits": bytes(7)}),
    ]
    one = d6.ProfileSet(nbr_blks=1, nbr_blk_ints=1, nbr_chns=1, max_int_time=1)
    context = Context().with_tables(*tables, d6.ProfileLimits(scalar_divisor_set1=True, sets=(one,) * 4))
    for number, kind in TABLES.items():
        if number:
            assert kind.layout.size(Scope(context)) >= 0


def _ones(kind: type[Table]) -> dict[str, Any]:
    return {item.name: 1 for item in fields(kind) if item.name != "sets"}  # type: ignore[arg-type]
