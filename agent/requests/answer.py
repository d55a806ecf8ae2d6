"""The answer to a request: a document of the agent's chain like any other, on the topic `responses`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from agent.document import uuid7
from agent.requests.message import Action, Message, Period
from agent.utc_text import utc_text

LONGEST_DETAIL = 300

Outcome = Literal["accepted", "refused", "done", "given_up", "cancelled"]
Reason = Literal[
    "malformed",  # it does not say what a request must
    "wrong_receiver",
    "expired",
    "not_yet_valid",
    "valid_too_long",
    "issued_too_early",  # before this agent began to remember requests: it could be a repeated one
    "time_unknown",  # the box cannot tell whether it has expired
    "not_contracted",  # no such meter at such an account and delivery point is read by this agent
    "calls_by_itself",  # the meter cannot be called
    "no_interval_data",  # this meter is read for its registers only
    "bad_period",
    "deadline",
    "busy",
    "transaction_conflict",  # the transaction's id was used for something else
    "unknown_transaction",  # of what is to be cancelled
    "too_late",  # to cancel: the meter is being visited, or was; to replace a route: it has been begun
    "no_field_work",  # nobody walks routes with this agent
    "bad_route",  # `detail` says where in it, and what is wrong
]


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sent at once (`accepted`, `refused`), and again when the read is over (`done`, `given_up`, `cancelled`)."""

    schema: Literal["mrsp.response/1"]
    response_id: str
    agent_id: str
    sequence: int  # gap-free per agent, given by the spool
    jti: str  # of the request that this answers
    outcome: Outcome
    answered_at: str | None = None  # left out where the box does not know the time
    transaction_id: str | None = None
    action: Action | None = None
    meter_id: str | None = None
    account_id: str | None = None
    service_delivery_point_id: str | None = None
    service_period: Period | None = None
    cancels: str | None = None
    deadline: str | None = None  # when the read is given up
    reading_id: str | None = None  # of the reading that was asked for
    route_id: str | None = None  # of the route that was sent
    stops: int | None = None  # that were ordered in it
    report_id: str | None = None  # of its result
    reason: str | None = None  # refused: one of `Reason`; given up: in one word why
    detail: str | None = None  # in words
    retry_after_s: int | None = None  # busy: when it may be asked again
    duplicate: bool = False  # this transaction was asked for before: what became of it


def compose(
    agent_id: str,
    jti: str,
    outcome: Outcome,
    *,
    at: datetime | None,
    stamp: datetime,
    message: Message | None = None,
) -> Answer:
    """Return an answer about `message`; `at`: now, if it is known; `stamp`: now as well as it is known."""
    answer = Answer(
        schema="mrsp.response/1",
        response_id=str(uuid7(stamp)),
        agent_id=agent_id,
        sequence=0,
        jti=jti,
        outcome=outcome,
        answered_at=None if at is None else utc_text(at.replace(microsecond=0)),
    )
    if message is None:
        return answer
    return msgspec.structs.replace(
        answer,
        transaction_id=message.transaction_id,
        action=message.action,
        meter_id=message.meter_id,
        account_id=message.account_id,
        service_delivery_point_id=message.service_delivery_point_id,
        service_period=message.service_period,
        cancels=message.cancels,
    )


def placed(body: bytes, sequence: int) -> bytes:
    """Return a kept answer as the document with its place in the stream."""
    return msgspec.json.encode(msgspec.structs.replace(msgspec.json.decode(body, type=Answer), sequence=sequence))
