"""A bank of modems, the telephone network, and the sites behind it, in one process. The way in for tests.

    async with running_bank([SitePlan("5550100", (serving,))], modems=2) as bank:
        transport = bank.terminal(0)      # in this process; with `ports="pty"` or "tcp": bank.addresses
        ...                               # AT commands, PSEM
        bank.exchange.calls[-1].end       # what became of a call
        bank.sites["5550100"].meters[0].truth()

With `ports="memory"` nothing of it needs a file or a socket: it runs on an event loop of virtual time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from metersim.modem.exchange import Exchange, Network
from metersim.modem.ports import PtyPort, TcpPort
from metersim.modem.settings import ModemModel
from metersim.modem.site import Site, SitePlan, open_site
from metersim.modem.station import Station
from metersim.modem.terminal import Terminal

Ports = Literal["memory", "pty", "tcp"]
FIRST_NUMBER = 5_559_001  # of the bank's own lines; they count up


@dataclass
class Bank:
    """Modems that can be used, and what is at the other end of their lines."""

    exchange: Exchange
    stations: tuple[Station, ...]
    sites: dict[str, Site]  # by number

    @property
    def addresses(self) -> tuple[str, ...]:
        """What the agent opens, one for each modem."""
        return tuple(station.address for station in self.stations)

    def terminal(self, modem: int, *, has_dcd: bool = True, baud: int = 9600) -> Terminal:
        """Plug a new cable into a modem of this process and return the agent's end: a transport with DTR and DCD."""
        station = self.stations[modem]
        terminal = Terminal(station, f"modem {station.number}", has_dcd=has_dcd, baud=baud)
        station.attach(terminal)
        station.dtr(on=True)
        return terminal


@asynccontextmanager
async def running_bank(
    plans: Sequence[SitePlan],
    *,
    modems: int = 1,
    ports: Ports = "memory",
    first_port: int = 0,
    network: Network | None = None,
    model: ModemModel | None = None,
) -> AsyncIterator[Bank]:
    """Run modems and sites while the context lasts. Raises `ScenarioError`, and `OSError` if a port cannot be had.

    `first_port`: of TCP, the others count up from it; 0 takes free ones.
    """
    exchange = Exchange(network)
    async with AsyncExitStack() as stack:
        stations = []
        for number in range(modems):
            station = Station(str(FIRST_NUMBER + number), exchange, model)
            stack.push_async_callback(station.close)
            exchange.connect(station)
            if ports == "pty":
                station.attach(PtyPort(station))
            elif ports == "tcp":
                station.attach(await TcpPort(station).listen(first_port + number if first_port else 0))
            stations.append(station)
        sites = {plan.number: await stack.enter_async_context(open_site(plan, exchange)) for plan in plans}
        yield Bank(exchange, tuple(stations), sites)
