"""A meter with a small load profile, built for one test."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from drivers.c1219 import Block, Context, ProfileData, Quirks, encode
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade1 as d1
from drivers.c1219 import decade5 as d5
from drivers.c1219 import decade6 as d6
from drivers.c1219.profile import interval_blocks
from drivers.c1219.times import MeterTimes
from drivers.data import IntervalBlock, Problem

KWH = d1.UnitOfMeasure(id_code=0, time_base=5, multiplier=2, q1=True, q4=True)
WH = replace(KWH, multiplier=0)
KVARH = d1.UnitOfMeasure(id_code=1, time_base=5, multiplier=2, q1=True, q2=True)


def wall(text: str) -> datetime:
    """Return a wall time."""
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    """Return an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class MeterMaker:
    """A meter whose clock is UTC unless said otherwise, four intervals of 15 minutes to a block, one channel."""

    def __init__(self, blocks: list[Block], **changes: Any) -> None:
        self.blocks = blocks
        self.quirks: Quirks = changes.pop("quirks", Quirks())
        self.clock: d5.Clock = changes.pop("clock", d5.Clock(clock_calendar=None, gmt_flag=True))
        self.valid_int: int = changes.pop("valid_int", 4)
        self.stride_min: int = changes.pop("minutes", 15)
        self.code: int = changes.pop("code", 2)
        self.channel: d6.ProfileChannel = changes.pop("channel", d6.ProfileChannel(lp_source_select=0))
        self.scaled: tuple[int, int] | None = changes.pop("scaled", None)
        self.units: tuple[d1.UnitOfMeasure, ...] = changes.pop("units", (KWH,))
        self.status: dict[str, Any] = changes.pop("status", {})
        self.general: dict[str, Any] = changes.pop("general", {})
        self.limits: dict[str, Any] = changes

    @property
    def context(self) -> Context:
        """The tables that describe the profile."""
        count, ints = len(self.blocks), max(len(block.counts[0]) for block in self.blocks)
        lp_set = d6.ProfileSet(nbr_blks=count, nbr_blk_ints=ints, nbr_chns=1, max_int_time=self.stride_min)
        control = d6.ProfileSetControl(
            channels=(self.channel,),
            int_fmt_cde=self.code,
            scalars=self.scaled and (self.scaled[0],),
            divisors=self.scaled and (self.scaled[1],),
        )
        status = {
            "nbr_valid_blocks": count,
            "last_block_element": count - 1,
            "nbr_valid_int": self.valid_int,
            "last_block_seq_nbr": 100,
        } | self.status
        return Context(self.quirks).with_tables(
            d0.GeneralConfiguration(std_tbls_used=frozenset({64}), **self.general),
            d1.SourcesLimits(nbr_uom_entries=len(self.units), nbr_sources=len(self.units)),
            d1.UnitsOfMeasure(entries=self.units),
            d1.Sources(sources=(d1.SourceFlags(uom_entry=True),) * len(self.units)),
            self.clock,
            d5.TimeOffset(dst_time_eff=timedelta(hours=2), time_zone_offset=-300),
            d6.ProfileLimits(
                sets=(lp_set, None, None, None), scalar_divisor_set1=self.scaled is not None, **self.limits
            ),
            d6.ProfileControl(sets=(control, None, None, None)),
            d6.ProfileStatus(sets=(d6.ProfileSetStatus(**status), None, None, None)),
        )

    def read(self, now: datetime | None = None) -> tuple[list[IntervalBlock], list[Problem]]:
        """Encode the blocks and read them."""
        context = self.context
        closure = self.blocks[0].closures is not None
        octets = encode(ProfileData(blocks=self.blocks, closure=closure), context)
        return interval_blocks(context, MeterTimes.of(context), 1, octets, now=now)


def block(end: str, *counts: int | None, **parts: Any) -> Block:
    """Return a block of one channel."""
    return Block(end_time=wall(end), counts=(counts or (1, 2, 3, 4),), **parts)


def ends(blocks: list[IntervalBlock]) -> list[datetime]:
    """Return the end of every interval."""
    step = timedelta(minutes=15)
    return [one.first_interval_end + k * step for one in blocks for k in range(len(one.counts))]


def reasons(problems: list[Problem]) -> list[str]:
    """Return what the problems say."""
    return [problem.reason for problem in problems]


DAY = "2026-06-01T"
