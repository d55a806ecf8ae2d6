"""An MQTT 3.1.1 broker in this process (amqtt), TLS only, client certificates required: for demonstrations and tests.

Anonymous clients (no password file) keep no messages while they are away: an acknowledgement sent then is lost, and the
document is sent and acknowledged again.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from amqtt.broker import Broker  # type: ignore[import-untyped]
from amqtt.contexts import BrokerConfig, ListenerConfig  # type: ignore[import-untyped]

from metersim.pki import Pki

LISTENER = "default"


class _StrictBroker(Broker):  # type: ignore[misc]
    """amqtt asks for client certificates but lets clients without one in; this one does not."""

    @staticmethod
    def _create_ssl_context(listener: ListenerConfig) -> ssl.SSLContext:
        context: ssl.SSLContext = Broker._create_ssl_context(listener)  # noqa: SLF001
        context.verify_mode = ssl.CERT_REQUIRED
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


@asynccontextmanager
async def running_broker(
    pki: Pki, *, host: str = "127.0.0.1", port: int = 0, password_file: Path | None = None
) -> AsyncIterator[int]:
    """Serve while the block runs; yield the port (`port` 0 takes a free one)."""
    plugins: dict[str, Any] = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    if password_file is not None:
        plugins = {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(password_file)}}
    listener = ListenerConfig(
        bind=f"{host}:{port}",
        ssl=True,
        cafile=str(pki.ca),
        certfile=str(pki.broker_certificate),
        keyfile=str(pki.broker_key),
    )
    broker = _StrictBroker(BrokerConfig(listeners={LISTENER: listener}, plugins=plugins))
    await broker.start()
    try:
        server = broker._servers[LISTENER].instance  # noqa: SLF001  (the only place that knows the port)
        if not isinstance(server, asyncio.Server):
            raise TypeError("amqtt serves TCP with an asyncio server")
        yield server.sockets[0].getsockname()[1]
    finally:
        await broker.shutdown()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`metersim broker DIR [--port N]`"""
    parser.add_argument("directory", type=Path, metavar="DIR", help="certificates as `metersim pki DIR` makes them")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8883, help="0 takes a free one")
    parser.add_argument("--password-file", type=Path, help="lines user:argon2-hash; without it clients are anonymous")


async def serve(args: argparse.Namespace) -> None:
    """Print the address, then serve until cancelled."""
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    pki = Pki(args.directory)
    async with running_broker(pki, host=args.host, port=args.port, password_file=args.password_file) as port:
        sys.stdout.write(f"mqtts://{args.host}:{port} ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
