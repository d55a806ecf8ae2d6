"""In what partners differ who all speak CMEP: versions, stamps, the last field, who is who."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec

Id = Annotated[str, msgspec.Meta(max_length=16, pattern=r"^[ -~]*$", description="at most 16 printable ASCII letters")]
Label = Literal["ON-PEAK", "OFF-PEAK", "PART-PEAK", "PEAK-2", "PEAK-3", "PEAK-4"]


class Dialect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[cmep]` of a configuration. Defaults are those of CMEP 1.20, but for the field that no parser agrees on."""

    version: Annotated[str, msgspec.Meta(pattern=r"^\d{8}$")] = "19970819"  # a date; SCE says 19990504
    sender_id: Id = ""  # usually a D&B number; empty: the agent's identifier
    receiver_id: Id = ""  # as the partner names itself
    zone: str = "UTC"  # of all stamps; a partner may want local time, whose repeated hour then cannot be told apart
    crc_field: Literal["none", "empty", "crc16"] = "none"  # crc16: CRC-16/ARC, which the text of CMEP does not name
    line_end: Literal["crlf", "lf"] = "crlf"  # of the records
    stamps: Literal["first", "all"] = "first"  # which of a record's triples carry their time
    most_triples: Annotated[int, msgspec.Meta(ge=1, le=48)] = 48  # of one record; CMEP 1.20 allows 48
    meter_id_limit: Annotated[int, msgspec.Meta(ge=8, le=64)] = 12  # what receivers keep of it: longer ones collide
    tou_labels: dict[Annotated[str, msgspec.Meta(pattern="^[1-7]$")], Label] = {}  # of the rates: "1" is rate A

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (LookupError, ValueError, OSError) as error:
            raise ValueError(f"`zone`: {self.zone!r} is no time zone known on this box") from error
        if len(set(self.tou_labels.values())) != len(self.tou_labels):
            raise ValueError("`tou_labels`: two rates have the same label")

    @property
    def time_zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)
