"""C12.19 tables: declared once, decoded and encoded by that one declaration; then their meaning.

    context = Context(quirks=quirks)
    context = context.with_table(decode(0, octets, context))     # ST00 first, it decides everything
    context = context.with_table(decode(11, octets, context))    # then the limiting tables 11, 21, 51, 61, 71 …
    context.need(decade2.CurrentRegisters).data.total.summations

    octets = encode(decade1.SourcesLimits(nbr_sources=5), context)   # the other direction, for a simulated meter

Meaning: `identity.identity_of`, `status.status_of`, `clock.clock_of`, `registers.registers_of`,
`profile.interval_blocks`, `events.events_of`, each a pure function of the context.
"""

from drivers.c1219.blocks import Block, BlockLayout, Closure
from drivers.c1219.codec import decode, decode_record, encode, encode_record, size, with_quirks
from drivers.c1219.context import Context, Decoded, NotRead, Span
from drivers.c1219.profile_data import ProfileData, block_layout, block_size, decode_block
from drivers.c1219.quirks import Quirks
from drivers.c1219.record import Record, Table

__all__ = [
    "Block",
    "BlockLayout",
    "Closure",
    "Context",
    "Decoded",
    "NotRead",
    "ProfileData",
    "Quirks",
    "Record",
    "Span",
    "Table",
    "block_layout",
    "block_size",
    "decode",
    "decode_block",
    "decode_record",
    "encode",
    "encode_record",
    "size",
    "with_quirks",
]
