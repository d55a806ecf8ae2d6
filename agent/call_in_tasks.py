"""What a box does on the line of a call that came in: ask who it is, and tell a meter when to call next."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.audit_facts import Errand
from agent.audit_sessions import session_of
from agent.call_in import Identify, Tell, Visitor
from agent.credentials import load_password
from agent.errors import UsageError
from agent.utc_text import utc_text
from agent.visit import Box
from drivers.base import Task
from drivers.data import Identity
from drivers.memory import MeterMemory
from drivers.psem.next_call import NextCall, tell_next_call
from drivers.psem.who_calls import who_calls
from drivers.transport.base import Transport

_ANY_CALL = "modem://call-in"  # an address that is never opened: the line is open


def asking(box: Box) -> Identify:
    """Return what asks a caller who it is, without a password."""

    async def ask(line: Transport) -> Identity:
        task = Task(_ANY_CALL, profile_dirs=box.profile_dirs, line=line, monotonic_ns=box.clock.boottime_ns)
        async with session_of(box.sessions, Errand(task, "who calls"), via=line.name, called=True) as session:
            identity = await who_calls(task)
            session.looked(identity.meter_id)
            return identity

    return ask


def telling(box: Box) -> Tell:
    """Return what writes the time of its next call to a meter, through the audit log of the box."""

    async def tell(visitor: Visitor, at: datetime) -> NextCall:
        order = visitor.order
        if box.audit is None:
            raise UsageError(
                "there is no audit log to write it to", advice="only a configured agent writes to meters"
            ).at(visitor.caller.name)
        zone = order.site.zone or box.clock_settings.zone
        task = Task(
            url=order.url,
            profile=order.profile,
            profile_dirs=box.profile_dirs,
            user_id=order.user_id,
            user=order.user,
            password=load_password(Path(order.password_file)) if order.password_file else None,
            site_zone=ZoneInfo(zone) if zone else None,
            memory=MeterMemory(order.expected_meter_id or ""),
            line=visitor.line,
            monotonic_ns=box.clock.boottime_ns,
        )
        leave, expected = f"configuration of {visitor.caller.name}", order.expected_meter_id or ""
        errand = Errand(task, f"to call next at {utc_text(at)}", expected, leave)
        async with session_of(box.sessions, errand, via=visitor.line.name, called=True) as session:
            journal = box.audit().journal(authorized_by=leave, reason="next_call", session=session.number)
            told = await tell_next_call(task, at, journal)
            session.wrote(expected, told.outcome)
            return told

    return tell
