"""A request comes in: known, refused, or taken to be carried out. One call a message, which is then on the disk.

The order of the looks is what keeps it cheap and safe: signature, addressee, whether it is known, whether it can be
remembered, how much its key has asked for, and only then what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from agent.keys import PublicKey
from agent.requests.answer import LONGEST_DETAIL, Answer, compose
from agent.requests.judging import Contracts, Refusal, deadline_for, out_of_time, untimely
from agent.requests.message import Authentic, Malformed, Message, NotTaken, authenticate
from agent.requests.rates import Rates
from agent.requests.settings import RequestSettings
from agent.requests.store import Plan, RequestStore
from agent.requests.walk import is_past
from agent.scheduling.scheduler import Moment

NANOSECONDS = 1_000_000_000
MOST_WAITING_OCTETS = 8_388_608  # of requests that are taken and not carried out yet
Taken = Literal["to_do", "refused"]


@dataclass(frozen=True, slots=True)
class Mandate:
    """Who is asked, for which meters, and within which limits."""

    agent_id: str
    settings: RequestSettings
    contracts: Contracts
    zone: str | None = None  # of meters that do not say where they are
    field_work: bool = False  # persons walk routes with this agent

    @property
    def receiver(self) -> str:
        return self.settings.receiver or self.agent_id


class Intake:
    """Takes requests into the store. Used by one thread."""

    def __init__(self, store: RequestStore, mandate: Mandate) -> None:
        self._store = store
        self._mandate = mandate
        self._rates = Rates(mandate.settings)
        self._not_before: datetime | None = None

    def begun(self, now: datetime) -> datetime:
        """Return from when on messages are remembered: `now`, if this is the first time that the time is known."""
        if self._not_before is None:
            self._not_before = self._store.not_before(now)
        return self._not_before

    def take(self, token: bytes, keys: Sequence[PublicKey], moment: Moment) -> Taken:
        """Take one message, durably; raises `NotTaken` for one that is not answered, `LocalTrouble` for the disk."""
        self._rates.keep_only(frozenset(key.kid or "" for key in keys))
        envelope = authenticate(token, keys, agent_id=self._mandate.agent_id)
        self._refuse_known(envelope)
        self._refuse_forgettable(envelope, moment)
        judged = self._judged(envelope, moment)
        if isinstance(judged, Plan):
            self._store.add(envelope, moment.at, plan=judged)
            return "to_do"
        message, refusal = judged
        answer = refused(self._mandate.agent_id, envelope.jti, refusal, message, moment)
        self._store.add(envelope, moment.at, answer=answer)
        return "refused"

    def _refuse_known(self, envelope: Authentic) -> None:
        known = self._store.known(envelope.jti)
        if known == envelope.digest:
            raise NotTaken("repeated", f"request {envelope.jti} came again; it is answered once")
        if known is not None:
            raise NotTaken("reused", f"request {envelope.jti} came before, and said something else")

    def _refuse_forgettable(self, envelope: Authentic, moment: Moment) -> None:
        """Raise `NotTaken` for what cannot be remembered as long as it could be repeated."""
        if moment.known and (why := out_of_time(envelope, moment.at, self._mandate.settings.valid)):
            raise NotTaken("out_of_time", why)
        if self._store.is_full():
            raise NotTaken("full", "too many requests are remembered: none is taken until some have expired")

    def _judged(self, envelope: Authentic, moment: Moment) -> Plan | tuple[Message | None, Refusal]:
        """Return what is to become of a message that is new, or why nothing is."""
        if refusal := self._of_key(envelope, moment):
            return None, refusal
        try:
            message = envelope.message()
        except Malformed as err:
            return None, Refusal("malformed", str(err))
        if refusal := self._out_of_place(message, moment):
            return message, refusal
        plan = self._planned(message, moment)
        return plan if isinstance(plan, Plan) else (message, plan)

    def _of_key(self, envelope: Authentic, moment: Moment) -> Refusal | None:
        wait_s, told = self._rates.of_key(envelope.kid, moment.boottime_ns / NANOSECONDS)
        if not wait_s:
            return None
        if told:
            raise NotTaken("flood", f"too many requests are signed by the key {envelope.kid}")
        return Refusal("busy", "too many requests; until it may be asked again nothing is answered", wait_s)

    def _out_of_place(self, message: Message, moment: Moment) -> Refusal | None:
        if message.receiver != self._mandate.receiver:
            return Refusal("wrong_receiver", f"requests are taken as {self._mandate.receiver}")
        if not moment.known:
            return Refusal("time_unknown", "the box does not know the time yet; ask again with a new jti")
        longest = self._mandate.settings.valid
        return untimely(message, moment.at, longest=longest, not_before=self.begun(moment.at))

    def _planned(self, message: Message, moment: Moment) -> Plan | Refusal:
        if self._store.waiting_octets() > MOST_WAITING_OCTETS:
            return Refusal("busy", "as much is waiting to be carried out as may be")
        owner = self._store.owner_of(message.transaction_id)
        if owner is not None:
            if owner.content == message.content:
                return Plan(message, owner=False)
            return Refusal("transaction_conflict", "this transaction was used for something else")
        match message.action:
            case "cancel":
                return Plan(message, owner=True)
            case "route":
                return self._walk_planned(message, moment)
            case _:
                return self._read_planned(message, moment)

    def _walk_planned(self, message: Message, moment: Moment) -> Plan | Refusal:
        if not self._mandate.field_work:
            return Refusal("no_field_work", "no field work here: this agent has no console")
        if is_past(bytes(message.route), moment.at):
            return Refusal("deadline", "the time of the route is over")
        return Plan(message, owner=True)

    def _read_planned(self, message: Message, moment: Moment) -> Plan | Refusal:
        meter = self._mandate.contracts.find(message)
        if isinstance(meter, Refusal):
            return meter
        deadline = deadline_for(message, meter, moment.at, self._mandate.zone)
        if isinstance(deadline, Refusal):
            return deadline
        total, of_meter = self._store.open_reads(meter.name)
        settings = self._mandate.settings
        if total >= settings.most_open or of_meter >= settings.most_open_of_meter:
            return Refusal("busy", "as many reads are waiting as may be; ask again when one is over")
        if wait_s := self._rates.of_meter(meter.name, moment.boottime_ns / NANOSECONDS):
            return Refusal("busy", "this meter was asked for as often as it may be", wait_s)
        return Plan(message, owner=True, meter=meter.name, deadline=deadline)


def refused(agent_id: str, jti: str, refusal: Refusal, message: Message | None, moment: Moment) -> Answer:
    """Return the answer that refuses a request."""
    at = moment.at if moment.known else None
    return msgspec.structs.replace(
        compose(agent_id, jti, "refused", at=at, stamp=moment.at, message=message),
        reason=refusal.reason,
        detail=refusal.detail[:LONGEST_DETAIL],
        retry_after_s=refusal.retry_after_s,
    )
