"""The `[radio]` table of the configuration: the receiver, the read plan, and when values are delivered."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

import msgspec

from agent.clock.settings import parse_gpsd
from agent.order import Text
from agent.schedule import parse_duration
from drivers.ert.command import FREQUENCY, HIGHEST_RATE, LIVE_RATE, LOWEST_RATE, Tuning

Duration = Annotated[str, msgspec.Meta(min_length=2, max_length=12)]
_DEVICE = re.compile(
    r"[0-9]{1,2}|:[A-Za-z0-9._-]{1,64}|rtl_tcp(:[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?)?|driver=[\x21-\x7e]{1,200}"
)
_GAIN = re.compile(r"|[0-9]{1,2}(\.[0-9])?")
_DETECTOR = re.compile(r"[a-z]{3,12}(=-?[0-9.]{1,8})?")
SHORTEST_CYCLE = timedelta(minutes=1)


class ListeningSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every kind of one-way telemetry has: the plan, and how often a planned meter is delivered.

    In each cycle (`every`, from `at` on: a grid on the UTC clock) a meter is delivered once, `hold` after its first
    confirmed value, with its newest.
    """

    plan: Text  # file, CSV or JSON
    every: Duration = "1d"  # a meter is delivered once in each cycle
    at: Duration = "0s"  # offset of the cycles on the UTC clock
    hold: Duration = "30s"  # a value is delivered this long after it was confirmed
    rest: Duration = "1h"  # after a receiver failed again and again, or could not be started
    rule_set: Text = "ubp-2000"  # by which the readings are judged

    def __post_init__(self) -> None:
        if parse_duration(self.every) < SHORTEST_CYCLE:
            raise ValueError("`every` must be at least 1m")
        if self.offset >= self.period:
            raise ValueError("`at` must be less than `every`")
        if self.hold_period >= self.period:
            raise ValueError("`hold` must be less than `every`")
        parse_duration(self.rest)

    @property
    def period(self) -> timedelta:
        return parse_duration(self.every)

    @property
    def offset(self) -> timedelta:
        return timedelta() if self.at == "0s" else parse_duration(self.at)

    @property
    def hold_period(self) -> timedelta:
        return timedelta() if self.hold == "0s" else parse_duration(self.hold)

    @property
    def rest_period(self) -> timedelta:
        return parse_duration(self.rest)


class RadioSettings(ListeningSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A fixed receiver. `gpsd`: HOST[:PORT], for one that moves; its position goes into the readings."""

    device: Text = "0"  # `0`, `:SERIAL`, `rtl_tcp:HOST:PORT`
    program: Text = "rtl_433"  # Debian's rtl_433, or another path to it
    frequency: Annotated[int, msgspec.Meta(ge=902_000_000, le=928_000_000)] = FREQUENCY  # Hz
    sample_rate: Annotated[int, msgspec.Meta(ge=LOWEST_RATE, le=HIGHEST_RATE)] = LIVE_RATE  # samples a second
    gain: Annotated[str, msgspec.Meta(max_length=4)] = ""  # dB; empty: automatic
    ppm: Annotated[int, msgspec.Meta(ge=-200, le=200)] = 0  # error of the dongle's oscillator
    detector: Annotated[tuple[Text, ...], msgspec.Meta(max_length=6)] = ("autolevel", "magest")  # its `-Y` options
    gpsd: Text | None = None  # HOST[:PORT], for a receiver that moves
    failures_an_hour: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 30  # of the receiver: then it rests

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _DEVICE.fullmatch(self.device):
            raise ValueError(f"`device`: {self.device!r} is none of 0, :SERIAL, rtl_tcp:HOST:PORT, driver=…")
        if not _GAIN.fullmatch(self.gain):
            raise ValueError(f"`gain`: {self.gain!r} is no number of decibels")
        for option in self.detector:
            if not _DETECTOR.fullmatch(option):
                raise ValueError(f"`detector`: {option!r} is no -Y option such as autolevel or minlevel=-40")
        if self.gpsd is not None:
            parse_gpsd(self.gpsd)

    @property
    def tuning(self) -> Tuning:
        """How rtl_433 is called."""
        return Tuning(self.device, self.frequency, self.sample_rate, self.gain, self.ppm, self.detector)
