"""What the checks judge: a meter's data, what the order has on record about it, and how good the clocks were."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal

from agent.history import Before, History
from agent.order import Purpose
from drivers.data import MeterData


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """The agent's clock proof and the meter's clock, as far as the checks need them. Seconds, exact.

    Offsets are clock minus true time for the agent, meter minus agent for the meter, the latter already corrected for
    the latency of the link. `None` = not known; an uncertainty is never guessed.
    """

    permits_interval: bool
    permits_tou: bool
    reason: str  # why the proof does or does not permit them, in words
    source: str
    offset_s: Decimal | None = None
    uncertainty_s: Decimal | None = None
    meter_offset_s: Decimal | None = None
    meter_offset_uncertainty_s: Decimal | None = None  # half the round trip + the agent's + the meter's resolution
    agent_checked: bool = True  # False: the order waived the proof (bench only)


@dataclass(frozen=True, slots=True)
class Subject:
    """One visit, ready to be judged. `registers_only` is what the order asked, not what a bad clock reduced it to."""

    data: MeterData
    clock: ClockFacts
    read_started_at: datetime
    read_at: datetime  # when the last value was in
    expected_meter_id: str | None = None
    nameplate_id: str | None = None
    dials: int | None = None
    decimals: int | None = None
    last_read_at: datetime | None = None
    purpose: Purpose = "cycle"
    registers_only: bool = False
    site_zone: tzinfo | None = None  # for checks by calendar day; None: days of UTC
    history: History | None = None  # what the order has on record
    before: Before | None = None  # what the agent remembers of the last good read

    @property
    def on_site(self) -> bool:
        """Tell whether a person was at the meter."""
        return self.data.method in {"optical", "manual"}

    @property
    def seen_id(self) -> str | None:
        """The id on the nameplate as a person read it: with the reading itself, else as the order brings it."""
        by_person = self.data.identity.meter_id if self.data.method == "manual" else ""
        return by_person or self.nameplate_id
