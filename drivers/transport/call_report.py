"""What is known about the call that carries a line, wherever in the stack of transports it is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from drivers.transport.base import Transport


@runtime_checkable
class ReportsCall(Protocol):
    """A dialled line."""

    @property
    def dialogue(self) -> tuple[str, ...]:
        """What was said to the modem and by it so far, oldest first."""
        ...

    def remarks(self) -> tuple[str, ...]:
        """What an operator should know about the call, in words; complete once the line is closed."""
        ...


def dialogue_of(transport: Transport) -> tuple[str, ...]:
    """Return what was said to the modem and by it; nothing where there is no modem."""
    return transport.dialogue if isinstance(transport, ReportsCall) else ()


def call_remarks(transport: Transport) -> tuple[str, ...]:
    """Return what an operator should know about the call: above all that hanging up was not confirmed."""
    return transport.remarks() if isinstance(transport, ReportsCall) else ()
