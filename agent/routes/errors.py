"""What can go wrong with a route, besides a file that makes no sense and a disk that does not take part."""

from __future__ import annotations

from agent.errors import UsageError
from agent.routes.view import Stop


class NoSuchRoute(UsageError):
    """There is no such route, or no such stop."""


class RouteBegun(UsageError):
    """Something was done in the route already: it is not taken back, and no other takes its place."""


class NoRoom(UsageError):
    """As many routes and stops are kept as may be."""


class Conflict(UsageError):
    """Somebody else changed the stop, or is there; `stop` is as it stands now."""

    def __init__(self, message: str, stop: Stop, *, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.stop = stop
