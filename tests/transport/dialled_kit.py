"""A modem on a port in memory, in virtual time, and the ways in which modems are wired."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import pytest

from drivers.transport.dialling import Call
from drivers.transport.modem import Modem
from drivers.transport.modem_settings import ModemSettings
from tests.soak.virtual_loop import rest
from tests.transport.fake_modem import FakeModem, ModemPort
from tests.transport.virtual_meter import VirtualTimeLoop

T = TypeVar("T")
CALL = Call("5550100")


def run(story: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run in virtual time; nothing may be left over."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        result = runner.run(story())
        left = asyncio.all_tasks(runner.get_loop())
        assert not left
        return result


def now(value: T) -> T:
    """What holds at this moment; a type checker would take it to hold after an `await`, too."""
    return value


async def handed_on() -> None:
    """Return when everybody waits again: the modem has taken from its port what came in."""
    await rest(0.01)


def on_port(fake: FakeModem, settings: ModemSettings | None = None) -> tuple[Modem, ModemPort]:
    port = ModemPort(fake)
    return Modem(port, settings, pins=port if fake.wired else None), port


def on_ports(fake: FakeModem) -> tuple[Modem, list[ModemPort]]:
    """A modem whose port is opened again when it is lost; the list holds all that were opened."""
    ports = [ModemPort(fake)]

    async def reopen() -> tuple[ModemPort, None]:
        ports.append(ModemPort(fake))
        return ports[-1], None

    return Modem(ports[0], reopen=reopen), ports


Wiring = Callable[..., FakeModem]
WIRING: list[Wiring] = [partial(FakeModem, wired=True), partial(FakeModem, wired=True, no_dtr=True), FakeModem]
wirings = pytest.mark.parametrize("wiring", WIRING, ids=["dtr", "dcd only", "no pins"])
