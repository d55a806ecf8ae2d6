"""What an error of a visit means for the plan of retries."""

from __future__ import annotations

from agent.errors import ClockForbids, LocalTrouble
from agent.ledger import reason_of
from agent.scheduling.retry import Failure
from drivers.errors import MrspError
from drivers.transport.call_errors import CallError


def failure_of(error: Exception) -> Failure:
    """Return what `error` means for the plan."""
    reason, detail = reason_of(error), str(error) or type(error).__name__
    if isinstance(error, CallError):
        return Failure(reason, detail, error.retry, error.about, float(error.wait_s))
    if isinstance(error, ClockForbids | LocalTrouble):
        return Failure(reason, detail, retry=True, about="box")
    return Failure(reason, detail, isinstance(error, MrspError) and error.retry)
