"""Calls that come in and the schedule: a meter that calls when it is to be read is not called then, and read once.

Imported only where `[call_in]` is in the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.attending import Attendant
from agent.call_in import Visitor
from agent.call_in_service import CallReader
from agent.errors import LocalTrouble, MrspError
from agent.held_password import shown_once
from agent.keeping import refuse_if_full
from agent.reading import Reading
from agent.scheduling.failures import failure_of
from agent.scheduling.reads import Read
from agent.scheduling.retry import Failure
from agent.scheduling.scheduler import Came, Scheduler
from agent.visit import visit


@dataclass(frozen=True, slots=True)
class ScheduledCalls(CallReader):
    """Reads meters that call. `waited_for`: those whose calls are due when the schedule says."""

    attendant: Attendant
    schedule: Scheduler
    waited_for: frozenset[str]

    async def __call__(self, visitor: Visitor) -> Reading:
        """Return the reading once it is safe. Raises what the visit raises; a broken one is kept, then raised."""
        meter = visitor.caller.name
        if visitor.due is None or visitor.order.purpose != "cycle" or meter not in self.waited_for:
            return await CallReader.__call__(self, visitor)
        call = _Call(self, visitor)
        await self.schedule.call_came(meter, visitor.due, call.attend)
        if call.error is not None:
            raise call.error
        if call.reading is None:
            raise LocalTrouble("its call brought no reading").at(meter)
        return call.reading


@dataclass(slots=True)
class _Call:
    """One call that the schedule waits for."""

    reader: ScheduledCalls
    visitor: Visitor
    reading: Reading | None = None
    error: MrspError | None = None

    async def attend(self, read: Read | None, came: Came) -> str | Failure:
        """Read the meter on the line of its call; `read` None: what was due is there already."""
        order, attendant = self.visitor.order, self.reader.attendant
        try:
            if read is None:
                self.reading = await CallReader.__call__(self.reader, self.visitor)
                return self.reading.reading_id
            await refuse_if_full(attendant.spool)
            async with shown_once(attendant.box, order):
                outcome = await visit(order, attendant.box, line=self.visitor.line, stay=True)
        except MrspError as error:
            self.error = error
            if read is not None:
                await attendant.ledger.failed(read.meter, read.due, attendant.now().at, error)
            return failure_of(error)
        self.reading = outcome.reading
        self.error = outcome.broken if isinstance(outcome.broken, MrspError) else None
        return await attendant.keep(read, order, outcome, came)
