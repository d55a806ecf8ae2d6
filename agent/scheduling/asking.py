"""A request for a read out of the cycle: final, special, or another one. Asked twice by one id, it is read once."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from agent.business_days import within_business_days
from agent.config import Config
from agent.document import uuid7
from agent.errors import UsageError
from agent.figures import OFF_CYCLE_DAYS
from agent.order import Order, Purpose
from agent.scheduling.reads import Request

OUT_OF_CYCLE: tuple[Purpose, ...] = ("off_cycle", "final", "special")


def request_for(
    order: Order, meter: str, *, by: str, now: datetime, deadline: datetime | None = None, zone: str | None = None
) -> Request:
    """Return the request that `order` makes of `meter`: `order_id` is its transaction, made up if it has none.

    `deadline`: five business days after the request where `zone` is, unless it is given (UBP, off-cycle data). Raises
    `UsageError` for a purpose that is not out of the cycle, or a deadline that has passed.
    """
    if order.purpose not in OUT_OF_CYCLE:
        raise UsageError(
            f"a {order.purpose} read is not asked for out of the cycle", advice=f"one of {', '.join(OUT_OF_CYCLE)}"
        ).at(meter)
    asked_at = order.requested_at or now
    where = ZoneInfo(order.site.zone or zone or "UTC")
    last = deadline or within_business_days(asked_at, OFF_CYCLE_DAYS, where)
    if last <= now:
        raise UsageError(f"the deadline {last.isoformat()} has passed", advice="give a later one by --deadline").at(
            meter
        )
    request_id = order.order_id or f"local-{uuid7(now)}"
    kept = msgspec.structs.replace(order, order_id=request_id, requested_at=asked_at)
    return Request(request_id, meter, order.purpose, asked_at, by, last, kept)


def order_out_of_cycle(config: Config, meter: str, purpose: Purpose, transaction: str | None = None) -> Order:
    """Return the order of a configured meter for one read of `purpose`. Raises `UsageError` for an unknown meter."""
    found = next((one for one in config.settings.meters if one.name == meter), None)
    if found is None:
        raise UsageError(f"no meter {meter!r} is in the configuration", advice="`mrsp schedule show` lists them")
    return msgspec.structs.replace(found.order(), purpose=purpose, order_id=transaction, requested_at=None)
