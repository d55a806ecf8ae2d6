"""The `[requests]` part of the configuration: what the MDSP may ask for, and how much of it. Without it: nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec

from agent.order import Text
from agent.schedule import parse_duration

LONGEST_VALID = timedelta(days=30)


class RequestSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits of requests. A request beyond them is refused; the cycle's reads are made regardless."""

    receiver: Text | None = None  # what requests call this agent's company; default: the agent_id
    longest_valid: Annotated[str, msgspec.Meta(min_length=2, max_length=12)] = "7d"  # from `iat` to `exp`
    burst: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 60  # at once, by each key of the MDSP
    per_hour: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 120  # on and on, by each key
    meter_per_day: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 24  # of each meter, all keys together
    most_open: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 200  # reads that were asked for and are not made yet
    most_open_of_meter: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3  # of these, of one meter

    def __post_init__(self) -> None:
        if self.valid > LONGEST_VALID:
            raise ValueError(f"`longest_valid` must be at most {LONGEST_VALID.days}d")

    @property
    def valid(self) -> timedelta:
        """`longest_valid` as a duration."""
        return parse_duration(self.longest_valid)
