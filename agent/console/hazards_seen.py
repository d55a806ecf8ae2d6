"""Which hazards a person has confirmed to know of, before the stop is opened to them.

Kept while the console runs: after a restart, after another login, and of a hazard that is new, it is asked again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import cast

from starlette.requests import Request

from agent.console.person import Person

MOST = 4_096


class HazardsSeen:
    """The confirmations of all sessions, the oldest forgotten first."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], frozenset[str]] = OrderedDict()

    def confirm(self, person: Person, stop_id: str, codes: Iterable[str]) -> None:
        """The person knows of these."""
        key = person.session, stop_id
        self._seen[key] = self._seen.get(key, frozenset()) | frozenset(codes)
        self._seen.move_to_end(key)
        while len(self._seen) > MOST:
            self._seen.popitem(last=False)

    def knows(self, person: Person, stop_id: str, codes: Iterable[str]) -> bool:
        """Whether the person has confirmed all of these; where there are none, there is nothing to know."""
        return frozenset(codes) <= self._seen.get((person.session, stop_id), frozenset())


def hazards_seen_of(request: Request) -> HazardsSeen:
    """Return the confirmations of this console."""
    state = request.app.state
    if not hasattr(state, "hazards_seen"):
        state.hazards_seen = HazardsSeen()
    return cast("HazardsSeen", state.hazards_seen)
