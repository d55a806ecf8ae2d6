"""What can be wrong with a call to the desk; nothing was done."""

from __future__ import annotations

from agent.errors import UsageError


class NoSuchJob(UsageError):
    """The job is not known: it ended long ago, or was begun before the agent was started again."""


class NotAsked(UsageError):
    """The answer is to no question that waits: it was answered, or its time is over."""


class TooManyJobs(UsageError):
    """As many jobs go on as may."""
