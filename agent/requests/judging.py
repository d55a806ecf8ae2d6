"""May it be done? Of a request that is the MDSP's for certain: whether it is in time, and of a meter of ours. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from agent.config import MeterSection
from agent.errors import UsageError
from agent.order import Order, Purpose
from agent.requests.answer import Reason
from agent.requests.message import Action, Authentic, Message
from agent.scheduling.asking import request_for
from agent.utc_text import utc_text

LEEWAY = timedelta(seconds=60)  # a proven clock is within a minute, and the MDSP's is not better
MARGIN = timedelta(days=1)  # so long after it expired a message is still answered
FARTHEST_DEADLINE = timedelta(days=60)
LONGEST_PERIOD = timedelta(days=400)

PURPOSES: Mapping[Action, Purpose] = {
    "monthly": "off_cycle",
    "final": "final",
    "special": "special",
    "revalidation": "off_cycle",
    "historical": "off_cycle",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why it is not done."""

    reason: Reason
    detail: str
    retry_after_s: int | None = None


class Contracts:
    """The meters that this agent reads, by the number on record: internal identification, else nameplate, else name."""

    def __init__(self, meters: Iterable[MeterSection], only_calls: Iterable[str] = ()) -> None:
        self.renew(meters, only_calls)

    def renew(self, meters: Iterable[MeterSection], only_calls: Iterable[str] = ()) -> None:
        """Go by these meters from now on."""
        by_name = {meter.name: meter for meter in meters}
        by_number: dict[str, list[MeterSection]] = defaultdict(list)
        for meter in by_name.values():
            by_number[meter.expected_meter_id or meter.nameplate_id or meter.name].append(meter)
        self._by_number, self._only_calls, self.by_name = by_number, frozenset(only_calls), by_name

    def find(self, message: Message) -> MeterSection | Refusal:
        """Return the meter that is meant, if number, account and delivery point are those on record.

        What is not on record must not be given: nobody here could say whether it is right.
        """
        asked = (message.account_id, message.service_delivery_point_id)
        fitting = [
            meter
            for meter in self._by_number.get(message.meter_id or "", ())
            if asked == (meter.site.account_id, meter.site.service_delivery_point_id)
        ]
        if len(fitting) != 1:
            what = "more than one meter" if fitting else "no meter"
            return Refusal("not_contracted", f"this agent reads {what} of that number, account and delivery point")
        meter = fitting[0]
        if meter.name in self._only_calls:
            return Refusal("calls_by_itself", "the meter calls when it likes, and cannot be called")
        if message.action == "historical" and meter.registers_only:
            return Refusal("no_interval_data", "this meter is read for its registers only")
        return meter


def out_of_time(envelope: Authentic, now: datetime, longest: timedelta) -> str:
    """Say why a message is too old, or valid for too long, to be remembered as long as it could be repeated, or ""."""
    expires = _moment(envelope.expires)
    if now > expires + MARGIN:
        return f"request {envelope.jti} expired at {utc_text(expires)}, and comes now"
    if expires > now + longest + LEEWAY:
        return f"request {envelope.jti} would be valid until {utc_text(expires)}"
    return ""


def untimely(message: Message, now: datetime, *, longest: timedelta, not_before: datetime) -> Refusal | None:
    """Return why a message may not be acted on now, if so.

    `not_before`: when this agent began to remember messages; an older one could be a repeated one.
    """
    issued, expires = _moment(message.iat), _moment(message.exp)
    begins = max(issued, _moment(message.nbf or 0))
    if now >= expires + LEEWAY:
        return Refusal("expired", f"it expired at {utc_text(expires)}; it is {utc_text(now.replace(microsecond=0))}")
    if begins > now + LEEWAY:
        told = utc_text(now.replace(microsecond=0))
        return Refusal("not_yet_valid", f"it is valid from {utc_text(begins)} on; it is {told}")
    if expires - issued > longest:
        return Refusal("valid_too_long", f"from `iat` to `exp` may be {longest.total_seconds():.0f} s")
    if issued < not_before:
        return Refusal("issued_too_early", f"requests issued before {utc_text(not_before)} are not taken any more")
    return None


def deadline_for(message: Message, meter: MeterSection, now: datetime, zone: str | None) -> datetime | Refusal:
    """Return until when the read that `message` asks for is tried, or why it is not made at all."""
    period = message.service_period
    if message.action == "historical" and period is not None:
        if period.begin >= now:
            return Refusal("bad_period", "the period has not begun")
        if period.end - period.begin > LONGEST_PERIOD:
            return Refusal("bad_period", f"a period of at most {LONGEST_PERIOD.days} days is read")
    if message.deadline is not None and message.deadline > now + FARTHEST_DEADLINE:
        return Refusal("deadline", f"a deadline is at most {FARTHEST_DEADLINE.days} days away")
    try:
        return request_for(
            order_for(message, meter), meter.name, by=message.sender, now=now, deadline=message.deadline, zone=zone
        ).deadline
    except UsageError as err:
        return Refusal("deadline", err.message)


def order_for(message: Message, meter: MeterSection) -> Order:
    """Return the order of the read that `message` asks for."""
    return msgspec.structs.replace(
        meter.order(),
        purpose=PURPOSES[message.action],
        order_id=message.transaction_id,
        requested_at=None,
        # All that the meter holds: what the period lacks is lacking in the meter, and nothing is cut to fit.
        whole_profile=message.action == "historical" or meter.whole_profile,
    )


def _moment(seconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
