"""How much a meter may declare: what no meter can hold is refused by name, before anything is asked for or allocated.

A table's dimensions are up to 65,535 × 65,535 × 255; a line of 9600 baud carries 3 MB in an hour.
"""

from __future__ import annotations

from datetime import timedelta

from drivers.c1219.decade6 import ProfileSet, ProfileSetStatus
from drivers.errors import DataError

#: Octets of a profile data table at most: the OFFSET of a partial read has three octets (C12.18 §9.5).
REACH = 1 << 24
#: Octets of any other table at most: read at once and decoded whole, ten times the largest that is known.
MOST_OCTETS = 1 << 19
#: Time that a profile can cover: its intervals are no older than the meter.
MOST_DAYS = 20 * 366
#: Intervals × channels of a profile: 32 channels of 1-minute intervals for 45 days. Each takes some 160 octets here.
MOST_VALUES = 1 << 21

_ADVICE = "read it again with its limiting table; if it stays so, the meter's configuration is damaged"


def check_table(name: str, octets: int) -> None:
    """Raise `DataError` for a table that is too large to be true."""
    if octets > MOST_OCTETS:
        raise DataError(f"{name} would have {octets} octets by the meter's own limits: not read", advice=_ADVICE)


def check_profile(name: str, limits: ProfileSet, status: ProfileSetStatus, block: int) -> None:
    """Raise `DataError` for a profile of blocks of `block` octets that has no intervals, or more than can be.

    `name` is that of the data table.
    """
    if not limits.max_int_time:
        raise DataError(f"ST61 says an interval length of 0 for {name}", advice="read ST61 again")
    if not (limits.nbr_blk_ints and limits.nbr_chns):
        what = f"{limits.nbr_blk_ints} intervals and {limits.nbr_chns} channels"
        raise DataError(f"ST61 says blocks of {what} for {name}", advice="read ST61 again")
    intervals = status.nbr_valid_blocks * limits.nbr_blk_ints
    if timedelta(minutes=intervals * limits.max_int_time) > timedelta(days=MOST_DAYS):
        years = intervals * limits.max_int_time // (366 * 1440)
        raise DataError(f"ST61 and ST63 say that {name} holds {years} years of intervals: not read", advice=_ADVICE)
    if intervals * limits.nbr_chns > MOST_VALUES:
        size = f"{intervals} intervals of {limits.nbr_chns} channels"
        raise DataError(f"ST61 and ST63 say that {name} holds {size}: more than is read", advice=_ADVICE)
    if limits.nbr_blks * block > REACH and max(status.nbr_valid_blocks, status.last_block_element) * block > REACH:
        size = f"{limits.nbr_blks} blocks of {block} octets"
        raise DataError(f"ST61 and ST62 say that {name} has {size}: more than reads by offset reach", advice=_ADVICE)
