"""The steps from the octets of a manufacturer table to a register, as the profile describes the table."""

from __future__ import annotations

from fractions import Fraction

from drivers.c1219.context import Context
from drivers.c1219.described import DescribedTable, decode_described
from drivers.c1219.explain import Chain, Cited, Derivation, Unexplained
from drivers.data import Register


def explain_described(context: Context, table: DescribedTable, octets: bytes, register: Register) -> Derivation:
    """Return the steps to a register that a profile finds in a manufacturer table. Raises `DataError`."""
    source = register.source
    if source is None:
        raise Unexplained("the register does not say where it came from")
    described = {value.offset: value for value in reversed(decode_described(table, octets, context).values)}
    value = described.get(source.offset)
    item = next((item for item in table.fields if value is not None and item.name == value.path), None)
    if value is None or value.raw is None or item is None or item.register is None:
        raise Unexplained(f"the profile describes no register at octet {source.offset} of {table.name}")
    chain = Chain(context)
    cited = Cited(table.number, value.offset, octets[value.offset : value.offset + value.length], value.path)
    chain.note("octets", f"{value.path} of {table.name} ({table.title}), as the profile describes it", cited)
    chain.start(Fraction(value.raw), "raw number", f"type {item.type}", cited)
    if item.scale != 1:
        chain.apply("×", Fraction(item.scale), "scale", "of the profile")
    meaning = item.register
    chain.note(f"{meaning.quantity} {meaning.direction}", f"{meaning.kind} in {item.unit}, says the profile")
    return chain.done(item.unit)
