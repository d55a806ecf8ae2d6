"""Why a program may not begin to read a meter now."""

from __future__ import annotations

from agent.errors import UsageError


class NotConfirmed(UsageError):
    """The hazards of a stop are to be shown to the person, who confirms to know of them, before its meter is read."""


class BeingRead(UsageError):
    """Somebody is reading this meter already."""
