"""`[call_in]` of the configuration: the modems that wait for calls, and the meters that call."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Annotated

import msgspec

from agent.errors import UsageError
from agent.order import Text
from agent.schedule import parse_duration
from agent.scheduling.cycle_text import parse_cycle
from drivers.pager.wake import parse_wake

MOST_EARLY = timedelta(hours=12)


class CallingMeter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A configured meter that calls by itself."""

    meter: Text  # its `name` in `[[meters]]`; it needs `expected_meter_id` there
    cycle: Text | None = None  # when its calls are due, e.g. "daily at 02:30" at the site; default: when it is read
    number: Text | None = None  # that it calls from; a call that tells another one is not taken for it
    tell_next_call: bool = False  # leave to write the time of its next call to the meter
    wake: Text | None = None  # page it when its call is due: snpp://HOST:444?pager=ID
    wake_password_file: Text | None = None  # of the paging terminal, where `wake` has a login

    def __post_init__(self) -> None:
        if self.cycle is not None:
            try:
                parse_cycle(self.cycle, UTC)
            except ValueError as error:
                raise ValueError(f"`cycle`: {error}") from error
        if self.wake is not None:
            try:
                parse_wake(self.wake)
            except UsageError as error:
                raise ValueError(f"`wake`: {error}") from error
        if self.wake_password_file is not None and self.wake is None:
            raise ValueError("`wake_password_file` goes with `wake`")


class CallInSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole section. `modems` are used for nothing else."""

    modems: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]  # modem:///dev/ttyS1, modem+tcp://HOST:PORT
    meters: Annotated[tuple[CallingMeter, ...], msgspec.Meta(min_length=1)]
    rings: Annotated[int, msgspec.Meta(ge=1, le=20)] = 1  # before a call is answered
    early: Text = "1h"  # a call that comes more than this before it is due is an alarm
    most_call_s: Annotated[int, msgspec.Meta(ge=60, le=7200)] = 1800  # seconds; then the modem hangs up

    def __post_init__(self) -> None:
        for what, names in (("modems", self.modems), ("meters", tuple(meter.meter for meter in self.meters))):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"`{what}`: {twice!r} is named twice")
        if self.early_by > MOST_EARLY:
            raise ValueError("`early` must be at most 12h")

    @property
    def early_by(self) -> timedelta:
        return parse_duration(self.early)
