"""The console as one ASGI application: pages and API behind the guard and the gates."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from agent.clock.instant import NS
from agent.console.accounts import ACCOUNTS_FILE, Accounts
from agent.console.api import PAGES as API
from agent.console.assets import asset
from agent.console.errors import unknown_path
from agent.console.gate import Gate
from agent.console.guard import Guard
from agent.console.hosts import Hosts
from agent.console.logging_in import LoginDesk
from agent.console.page import Page
from agent.console.pages import PAGES
from agent.console.sessions import SESSIONS_FILE, Sessions
from agent.console.settings import ConsoleSettings
from agent.console.shown import Shown
from agent.console.stream import Streams
from agent.console.text import Texts
from agent.console.world import World


def build_app(world: World, settings: ConsoleSettings, *, pages: Iterable[Page] = (*PAGES, *API)) -> Starlette:
    """Return the console of `world`. `settings` have absolute paths. Raises `UsageError`, `LocalTrouble`."""
    directory = world.state_directory
    sessions = Sessions(
        directory / SESSIONS_FILE,
        world.counters,
        idle_s=settings.idle_minutes * 60.0,
        longest_s=settings.session_hours * 3600.0,
    )
    accounts = Accounts(Path(settings.accounts) if settings.accounts else directory / ACCOUNTS_FILE)
    desk = LoginDesk(accounts, sessions, world.access, lambda: world.counters.boottime_ns() / NS)
    texts = Texts(settings.language, Path(settings.texts) if settings.texts else None)
    routes = [
        Route(page.path, Gate(page, sessions, upload_octets=settings.max_upload_octets), methods=[page.method])
        for page in pages
    ]
    routes.append(Route("/static/{path:path}", asset))
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, hosts=Hosts(settings), desk=desk)],
        exception_handlers={HTTPException: unknown_path},
    )
    app.state.world = world
    app.state.settings = settings
    app.state.texts = texts
    app.state.shown = Shown(texts, world)
    app.state.logins = desk
    app.state.sessions = sessions
    app.state.streams = Streams(desk.goes_on)
    return app
