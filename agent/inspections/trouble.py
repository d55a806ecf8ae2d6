"""The codes of a stop, set down and reported: what a person says at a meter reaches whoever must act on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.anomalies import Sight, seen_at_site
from agent.follow_up import FollowUp
from agent.routes.book import RouteBook
from agent.routes.codes import CodeSet
from agent.routes.order import Position
from agent.routes.safe_text import checked
from agent.routes.view import Stop

LONGEST_REMARK = 1_000


@dataclass(frozen=True, slots=True)
class TroubleDesk:
    """Takes the codes of stops in place of `RouteBook.trouble`: with the same arguments, and the same answer."""

    routes: RouteBook
    follower: FollowUp
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def trouble(  # noqa: PLR0913 - those of `RouteBook.trouble`
        self,
        stop_id: str,
        by: str,
        version: int,
        codes: tuple[str, ...],
        *,
        remark: str | None = None,
        photos: tuple[str, ...] = (),
        position: Position | None = None,
    ) -> Stop:
        """Report what the codes say that somebody must act on, then set them down at the stop.

        The reports are in the spool, or owed, before the stop has the codes: a crash in between is made up for by the
        person, whose codes are not there, and nothing is reported twice. Raises what `RouteBook.trouble` raises; where
        the stop was changed meanwhile, nothing is reported.
        """
        stop = await self.routes.stop(stop_id)
        if stop.version == version and codes:
            said = (await self.routes.route(stop.route_id)).codes
            words = () if remark is None else (checked(remark, "the remark", LONGEST_REMARK, lines=True),)
            seen = seen_at_site(_sights(said, codes), *(" ".join(one.split()) for one in words))
            await self.follower.seen_without_reading(stop.ordered.order, seen, self.now(), by=by, photos=photos)
        return await self.routes.trouble(stop_id, by, version, codes, remark=remark, photos=photos, position=position)


def _sights(known: CodeSet, codes: tuple[str, ...]) -> tuple[Sight, ...]:
    """Return what these codes have to be reported as, under the names that a visual reading has for them."""
    found = []
    for key in dict.fromkeys(codes):
        code, trouble = known[key], known.trouble_of(key)
        if code.anomaly is not None:
            found.append(Sight(key if trouble == "other" else trouble, code.anomaly, code.text))
    return tuple(found)
