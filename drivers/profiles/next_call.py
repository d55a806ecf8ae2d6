"""`[next_call]` of a profile: how a meter that calls is told when to call next."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from drivers.c1219.described import MANUFACTURER_TABLES_FROM
from drivers.profiles.section import Section


class NextCallKeys(Section, frozen=True, kw_only=True):
    """Where the time of the next call stands: written by offset, and read back.

    `form`: `ltime` and `stime` as TM_FORMAT of ST00 lays them out, in the sense of the meter's clock; `seconds` and
    `minutes`: a U32 since 1970 UTC, in DATA_ORDER.
    """

    table: Annotated[str, Meta(pattern=r"^(ST|MT)\d{1,4}$", description='text like "ST94" or "MT40"')]
    offset: Annotated[int, Meta(ge=0, le=65_535)] = 0
    form: Literal["ltime", "stime", "seconds", "minutes"] = "ltime"

    @property
    def table_id(self) -> int:
        """The id of `table` as a write request carries it."""
        number = int(self.table[2:])
        return number + MANUFACTURER_TABLES_FROM if self.table.startswith("MT") else number
