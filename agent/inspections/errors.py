"""Why an inspection cannot be kept or filed as the person asks."""

from __future__ import annotations

from agent.errors import UsageError


class NotThere(UsageError):
    """There is no such inspection, or it is another person's draft."""


class Conflict(UsageError):
    """The draft was changed elsewhere since it was shown, or it was filed; nothing was kept of the new changes."""


class NotComplete(UsageError):
    """Something is missing that an inspection cannot be filed without; the message names it."""
