"""Which blocks of a load profile a meter that goes on storing cannot have touched while they were read."""

from __future__ import annotations

from collections.abc import Sequence

from drivers.c1219.decade6 import ProfileSet, ProfileSetStatus


def settled(elements: Sequence[int], limits: ProfileSet, status: ProfileSetStatus, passed: int) -> tuple[int, ...]:
    """Return those of the valid blocks `elements` (oldest first) that are as they were, after intervals have ended.

    `passed`: how many intervals may have ended since ST63 said `status`. The newest block has grown then, each block
    that was begun has overwritten the oldest one of a full circular list, and moved every block of a list that shifts.
    """
    if not passed:
        return tuple(elements)
    begun = max(0, -((limits.nbr_blk_ints - status.nbr_valid_int - passed) // limits.nbr_blk_ints))
    if begun and not status.list_type:
        return ()
    overwritten = max(0, len(elements) + begun - limits.nbr_blks)
    return tuple(elements[overwritten:-1])
