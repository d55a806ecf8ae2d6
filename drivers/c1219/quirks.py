"""What a meter family does differently from our defaults where C12.19 is silent or not followed.

Each field is a key of `[c1219]` in a profile; each default is the row of the same point in the project's decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, slots=True)
class Override:
    """A field that the family reports wrong, and what it is in truth. `path` as `mrsp tables` prints it."""

    table: int  # standard table
    path: str  # "nbr_blk_ints", "sets[0].nbr_blk_ints"
    value: bool | int | Decimal


@dataclass(frozen=True, slots=True)
class Quirks:
    """Defaults follow the standard; a profile overrides single fields."""

    scaling: Literal["undo", "multiply", "none"] = "undo"  # ST62: raw × divisor ÷ scalar | raw × scalar ÷ divisor | raw
    entry_lookup: Literal["flagged", "by_source"] = "flagged"  # how ST16 leads into ST12–ST15
    closure_field: Literal["by_size", "present", "absent"] = "by_size"  # ST64 field 2a
    status_nibbles: Literal["high_first", "low_first"] = "high_first"  # extended interval status
    simple_status: Literal["valid", "inverted"] = "valid"  # bit set = interval valid
    open_block_end: Literal["last_interval", "block_grid"] = "last_interval"  # BLK_END_TIME of the unfilled block
    block_order: Literal["flag", "ascending", "descending"] = "flag"  # ST63 ORDER
    epoch: Literal["by_qualifier", "utc", "local"] = "by_qualifier"  # TM_FORMAT 3 and 4
    clock_is: Literal["by_format", "utc", "local_standard", "local"] = "by_format"  # qualifier says nothing
    dst_rule: Literal["auto", "united_states", "site_zone", "none"] = "auto"
    bcd_point: int = 0  # digits after the implied point of NI formats 5, 6 and 12
    uom: Literal["standard", "ignore"] = "standard"
    meter_id_at: Literal["st05", "st06", "st01"] = "st05"
    no_offset: bool = False  # ST15 entries without OFFSET
    event_time: Literal["by_size", "ltime", "htime"] = "by_size"  # ST76 EVENT_TIME
    max_read: int = 65_535  # octets of one partial read at most
    constants_modulo: int = 0  # the ST15 entry of a source is its number modulo this; 0: by `entry_lookup`
    register_scale: Decimal = Decimal(1)  # what the values of ST23–ST28 are multiplied by, after ST15 and ST12
    interval_scale: Decimal = Decimal(1)  # the same for the intervals of ST64–ST67
    channel_status: tuple[tuple[int, str], ...] = ()  # (status nibble of a channel, its word); "none": no meaning
    event_names: tuple[tuple[int, str], ...] = ()  # (manufacturer event code, its name)
    tables_absent: frozenset[int] = frozenset()  # standard tables that ST00 lists and the meter does not serve
    tables_present: frozenset[int] = frozenset()  # standard tables that ST00 does not list and the meter serves
    override: tuple[Override, ...] = ()
    dials_table: int | None = None  # where the number of dials is kept, a table id …
    dials_offset: int = 0  # … and the octet in it
