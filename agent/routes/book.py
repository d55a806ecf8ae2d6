"""The routes of one agent, for several persons at once: what a method did survives the end of the process.

    async with await RouteBook.open(state_directory / ROUTES_FILE) as book:
        view = await book.load(content, "json", by="dispatch")
        stop = await book.claim(view.stops[0].stop_id, "ann", view.stops[0].version)
        await book.settle(stop.stop_id, "ann", reading_id, "interrogated", checks_failed=())

Whoever changes a stop names the version that they saw; `Conflict` says who was there in between, and when. A reading is
never refused: it is in the spool already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.own_thread import OwnThread
from agent.routes import standing
from agent.routes.codes import CodeSet
from agent.routes.errors import Conflict, NoRoom, NoSuchRoute, RouteBegun
from agent.routes.export import RouteResult, as_csv, as_json, result_of
from agent.routes.loading import MOST_OCTETS as MOST_ROUTE_OCTETS
from agent.routes.loading import FileKind, Known, parse_route
from agent.routes.order import Position
from agent.routes.safe_text import checked
from agent.routes.standing import LONGEST_NAME, Said, Standing, Taking, Who
from agent.routes.store import MOST_DRAFT_OCTETS, ROUTES_FILE, RouteStore
from agent.routes.view import MethodUsed, RouteSummary, RouteView, Stop
from agent.routes.watching import LOOK_EVERY_S, Changed, Watch, Watchers
from agent.state_book import StateBook, opened

__all__ = [
    "MOST_DRAFT_OCTETS",
    "MOST_ROUTE_OCTETS",
    "ROUTES_FILE",
    "Changed",
    "Conflict",
    "FileKind",
    "NoRoom",
    "NoSuchRoute",
    "RouteBegun",
    "RouteBook",
]

_Act = Callable[[Standing, Who, CodeSet], Standing]


class RouteBook(StateBook[RouteStore]):
    """The routes of one agent. Raises `LocalTrouble` if the disk does not take part, `NoSuchRoute` for unknown ids.

    `UsageError` says what is wrong with an argument (a text too long, an unknown code), or why a stop cannot be brought
    to that state. `by`: the person, as the log and other persons know them. A caller that is cancelled goes; what it
    began is done, and told.
    """

    def __init__(self, store: RouteStore, thread: OwnThread, known: Known, now: Callable[[], datetime]) -> None:
        super().__init__(store, thread)
        self._known = known
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._watchers = Watchers(self._look, LOOK_EVERY_S)
        self._looked = self._loop.time()
        self._seen = 0

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        code_directories: Sequence[Path] = (),
        rule_set_directories: Sequence[Path] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Self:
        """Open the file at `path`, made if missing.

        `…_directories`: of code sets and rule sets beside those that ship. `now`: aware.
        """
        store, thread = await opened("routes", lambda: RouteStore(path, create=True))
        book = cls(store, thread, Known(code_directories, rule_set_directories), now)
        book._seen = await book.call(store.version_seen)
        return book

    async def close(self) -> None:
        """Close the file; calls under way end first, and `changes` ends."""
        self._watchers.close()
        await super().close()

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watchers.close()
        await super().__aexit__(kind, err, trace)

    async def load(self, content: bytes, kind: FileKind, by: str) -> RouteView:
        """Take a route. The same again changes nothing; a corrected one replaces one in which nothing was done yet.

        Raises `UsageError` naming line, column or field of what is wrong; `RouteBegun`, `NoRoom`.
        """
        return await self.call(self._load, content, kind, _person(by))

    async def withdraw(self, route_id: str, digest: str) -> bool:
        """Forget the route that has this `digest`, if nothing was done in it; return whether it was there.

        Raises `RouteBegun` if something was.
        """
        return await self.call(self._withdraw, route_id, digest)

    async def progress(self, route_id: str, digest: str) -> tuple[RouteSummary, datetime] | None:
        """Return how far the route with this `digest` is, and when something was done there last.

        None: it is not there any more, or another in its place.
        """
        return await self.call(self.store.progress, route_id, digest, self._now())

    async def result(self, route_id: str, digest: str) -> RouteResult:
        """Return what became of the route with this `digest` so far. Raises `NoSuchRoute`."""
        return await self.call(self._result, route_id, digest)

    async def routes(self) -> tuple[RouteSummary, ...]:
        """Return all routes, the newest day first."""
        return await self.call(self.store.summaries, self._now())

    async def route(self, route_id: str) -> RouteView:
        """Return one route with its stops."""
        return await self.call(self.store.view, route_id, self._now())

    async def stop(self, stop_id: str) -> Stop:
        """Return one stop."""
        return await self.call(self.store.stop, stop_id, self._now())

    async def claim(self, stop_id: str, by: str, version: int) -> Stop:
        """Let others know that `by` is at a stop, for half an hour from now; claimed again, it lasts again so long."""
        return await self._change(stop_id, by, version, lambda was, who, _: standing.claimed(was, who), sure=False)

    async def release(self, stop_id: str, by: str, version: int) -> Stop:
        """Give a claimed stop back."""
        return await self._change(stop_id, by, version, lambda was, who, _: standing.released(was, who), sure=False)

    async def skip(self, stop_id: str, by: str, version: int, remark: str | None = None) -> Stop:
        """Leave a stop for later."""
        return await self._change(stop_id, by, version, lambda was, who, _: standing.skipped(was, who, remark))

    async def note(
        self,
        stop_id: str,
        by: str,
        text: str = "",
        *,
        photos: tuple[str, ...] = (),
        position: Position | None = None,
    ) -> Stop:
        """Add a remark or photos. Needs no version: nothing is replaced."""
        said = Said(text, photos, position)
        return await self._change(stop_id, by, None, lambda was, who, _: standing.noted(was, who, said))

    async def trouble(  # noqa: PLR0913 - each is a different fact about what was found
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
        """Set down codes of the route's set and a remark, in place of those before; photos are added.

        A code of a non-reading settles the stop as `unread`; if it is taken back, the stop is `pending` again.
        """
        said = Said(remark, photos, position)
        return await self._change(
            stop_id, by, version, lambda was, who, known: standing.troubled(was, who, codes, known, said)
        )

    async def settle(
        self,
        stop_id: str,
        by: str,
        reading_id: str,
        method: MethodUsed,
        checks_failed: tuple[str, ...] = (),
        *,
        position: Position | None = None,
    ) -> Stop:
        """Set down a reading that is in the spool. Never a conflict; the same again changes nothing."""
        reading = Taking(reading_id, method, checks_failed, position)
        return await self._change(stop_id, by, None, lambda was, who, known: standing.settled(was, who, reading, known))

    async def accept(self, stop_id: str, by: str, reason: str, *, reading_id: str | None = None) -> Stop:
        """Take a reading although a check failed. `reading_id`: of the one they saw; else `Conflict`."""
        return await self._change(
            stop_id, by, None, lambda was, who, _: standing.accepted(was, who, reason, reading_id)
        )

    async def out_of_route(self, route_id: str, meter_id: str, by: str) -> Stop:
        """Return a new stop at the end of a route for a meter that is not in it, or the stop that has this meter."""
        meter_id = checked(meter_id.strip(), "the meter's number", LONGEST_NAME)
        return await self.call(self._out_of_route, route_id, meter_id, _person(by))

    async def save_draft(self, stop_id: str, by: str, content: bytes) -> None:
        """Keep what a person has typed so far; empty: nothing. It is gone once they settle the stop."""
        await self.call(self.store.save_draft, stop_id, _person(by), content, self._now())

    async def draft(self, stop_id: str, by: str) -> bytes | None:
        """Return what a person had typed so far."""
        return await self.call(self.store.draft, stop_id, by)

    async def export(self, route_id: str, form: FileKind) -> bytes:
        """Return what became of a route, as JSON (exact) or as CSV that is safe to open in a spreadsheet."""
        return await self.call(self._export, route_id, form)

    def changes(self) -> Watch:
        """Watch all routes, from now on. What one does not take in time comes once: a slow reader holds up nothing."""
        return self._watchers.watch()

    def _load(self, content: bytes, kind: FileKind, by: str) -> RouteView:
        now = self._now()
        loaded = parse_route(content, kind, known=self._known)
        if self.store.load(loaded, by, now):
            self._tell(Changed(loaded.route.route_id))
        return self.store.view(loaded.route.route_id, now)

    def _withdraw(self, route_id: str, digest: str) -> bool:
        found = self.store.withdraw(route_id, digest)
        if found:
            self._tell(Changed(route_id))
        return found

    def _result(self, route_id: str, digest: str) -> RouteResult:
        view, acts = self.store.history(route_id, self._now())
        if view.summary.digest != digest:
            raise NoSuchRoute(f"another route is in the place of this {route_id}")
        return result_of(view, acts)

    async def _change(self, stop_id: str, by: str, version: int | None, act: _Act, *, sure: bool = True) -> Stop:
        who = Who(_person(by), self._now(), version)
        return await self.call(self._changed, partial(self.store.change, stop_id, who, act, through_power_cuts=sure))

    def _changed(self, change: Callable[[], tuple[Stop, bool]]) -> Stop:
        stop, new = change()
        if new:
            self._tell(Changed(stop.route_id, stop.stop_id))
        return stop

    def _out_of_route(self, route_id: str, meter_id: str, by: str) -> Stop:
        stop, new = self.store.out_of_route(route_id, meter_id, by, self._now())
        if new:
            self._tell(Changed(route_id))
        return stop

    def _export(self, route_id: str, form: FileKind) -> bytes:
        view, acts = self.store.history(route_id, self._now())
        return as_csv(view) if form == "csv" else as_json(view, acts)

    def _tell(self, changed: Changed) -> None:
        """Tell the watchers, from the thread of the file: also where whoever called has gone."""
        with suppress(RuntimeError):  # the loop is over, and everybody who watched
            self._loop.call_soon_threadsafe(self._watchers.tell, changed)

    async def _look(self) -> None:
        """Find what another process wrote, for all who watch at once."""
        if self._loop.time() < self._looked + LOOK_EVERY_S / 2:
            return
        self._looked = self._loop.time()
        seen = await self.call(self.store.version_seen)
        if seen != self._seen:
            self._seen = seen
            for route_id in await self.call(self.store.route_ids):
                self._watchers.tell(Changed(route_id))


def _person(by: str) -> str:
    return checked(by, "the person", LONGEST_NAME)
