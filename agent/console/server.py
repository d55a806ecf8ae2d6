"""The console as a job of the service: it serves until it is cancelled, and is gone within two seconds then."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from agent.config import Config
from agent.console.extra import the_extra
from agent.console.settings import ConsoleSettings
from agent.console.tls import RenewedContext, complaints
from agent.errors import ConfigError
from agent.handed_socket import handed_listener
from agent.keys import load_tls_key
from agent.together import end_all

with the_extra():
    import uvicorn
    from starlette.applications import Starlette

    from agent.console.app import build_app
    from agent.console.connection import Connection
    from agent.console.world import World

GRACE_S = 1  # for answers under way when the console ends
MOST_CONNECTIONS = 256
KEEP_ALIVE_S = 30
MOST_HEAD_OCTETS = 16_384
SILENT_MS = 60_000  # a browser that has gone without a word (dead battery) is given up after this

_log = logging.getLogger("agent.console")


async def serve_console(settings: ConsoleSettings, world: World) -> None:
    """Serve until cancelled. `settings` have absolute paths (`resolved`).

    Raises `ConfigError` for an address that is not of this box or taken, `LocalTrouble` for files that cannot be used.
    """
    app = build_app(world, settings)
    tls = _tls(settings)
    listener = _listener(settings)
    server = _Server(_config(app, tls))
    jobs = [
        asyncio.create_task(server.serve([listener]), name="console server"),
        asyncio.create_task(app.state.sessions.run(), name="console sessions"),
        asyncio.create_task(world.access.run(), name="console audit"),
    ]
    host, port = listener.getsockname()[:2]
    _log.info("the console is at %s", url_of(settings, host, port))
    try:
        done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        for job in done:
            job.result()
    finally:
        await asyncio.shield(_ended(server, app, jobs))


def resolved(config: Config, settings: ConsoleSettings) -> ConsoleSettings:
    """Return the settings with absolute paths and the certificate to show: the configured one, or the device's."""
    names = ("certificate", "key", "accounts", "texts")
    files = {name: str(config.path(file)) for name in names if (file := getattr(settings, name)) is not None}
    if settings.tls and settings.certificate is None:
        forward = config.settings.forward
        files["key"] = str(config.path(forward.key) if forward else load_tls_key(config.key_directory).path)
        files["certificate"] = str(config.tls_certificate)
    return msgspec.structs.replace(settings, **files)


def names_of(settings: ConsoleSettings) -> tuple[str, ...]:
    """Return the names and the address that browsers call the console by, as far as the configuration tells."""
    own = () if settings.address.is_unspecified or settings.only_here else (str(settings.address),)
    return (*own, *settings.hosts)


def url_of(settings: ConsoleSettings, host: str, port: int) -> str:
    """Return where a browser finds the console."""
    scheme = "https" if settings.tls else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"


class _Server(uvicorn.Server):
    """Leaves the signals to the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _tls(settings: ConsoleSettings) -> RenewedContext | None:
    """Return what connections are made with; what browsers will not like about the certificate is said."""
    if settings.certificate is None or settings.key is None:
        return None
    context = RenewedContext(Path(settings.certificate), Path(settings.key))
    for complaint in complaints(Path(settings.certificate), names_of(settings)):
        _log.warning("browsers will not trust the console: %s", complaint)
    return context


def _config(app: Starlette, tls: RenewedContext | None) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # what matters of it, the gates say
    context: dict[str, Any] = {} if tls is None else {"ssl_context_factory": lambda _config, _default: tls.context}
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=MOST_HEAD_OCTETS,
        **context,
    )


def _listener(settings: ConsoleSettings) -> socket.socket:
    """Return the socket that is listened on. Raises `ConfigError`."""
    address = settings.address
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        listener = handed_listener("console", address, settings.port) or socket.create_server(
            (str(address), settings.port), family=family, backlog=128
        )
    except OSError as error:
        raise ConfigError(
            f"the console cannot be reached at {settings.listen}: {error.strerror or error}",
            advice="`[console] listen` names an address of this box and a port that nothing else uses",
        ) from error
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_MS)  # of each connection that comes in
    return listener


async def _ended(server: uvicorn.Server, app: Starlette, jobs: list[asyncio.Task[None]]) -> None:
    """End streams, answers under way and connections; then the rest."""
    app.state.streams.closing.set()
    server.should_exit = True
    await asyncio.gather(jobs[0], return_exceptions=True)
    await end_all([*server.server_state.tasks, *jobs])
    for connection in list(server.server_state.connections):
        connection.transport.abort()
