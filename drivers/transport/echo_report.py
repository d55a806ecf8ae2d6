"""What is known about the echo of a line, wherever in the stack of transports it is cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from drivers.transport.base import Transport
from drivers.transport.urls import EchoMode


@dataclass(frozen=True, slots=True)
class EchoReport:
    """`mode`: the setting; `removed`: octets of echo that were taken out so far."""

    mode: EchoMode = "off"
    removed: int = 0


@runtime_checkable
class ReportsEcho(Protocol):
    """A transport that cancels an echo, or stands above one that does."""

    @property
    def echo_report(self) -> EchoReport:
        """The setting, and what came of it."""
        ...


def echo_of(transport: Transport) -> EchoReport:
    """Return what `transport` says about its echo; nothing is cancelled where it says nothing."""
    return transport.echo_report if isinstance(transport, ReportsEcho) else EchoReport()
