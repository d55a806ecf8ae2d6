"""From an address to an open line. The serial library is loaded only when a serial line is opened."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.errors import UsageError
from drivers.transport.addresses import BankAddress, ModemAddress, ReplayAddress, Rfc2217Address, TcpAddress
from drivers.transport.base import Transport
from drivers.transport.echoing import EchoTransport
from drivers.transport.modem import dialled
from drivers.transport.replay import open_replay
from drivers.transport.rfc2217 import open_rfc2217
from drivers.transport.tcp import open_tcp
from drivers.transport.urls import parse_url


async def open_transport(url: str, options: Mapping[str, str] | None = None) -> Transport:
    """Open the line that `url` names, echo cancelling included; options in its query win over `options`.

    Raises `UsageError` for an address that makes no sense or a recording that cannot be read, `DataError` for a
    damaged recording, `TransportError` for a line that cannot be opened, `CallError` for a call that fails.
    """
    address = parse_url(url, options)
    if isinstance(address, ReplayAddress):
        return await open_replay(address)
    line: Transport
    if isinstance(address, TcpAddress):
        line = await open_tcp(address)
    elif isinstance(address, Rfc2217Address):
        line = await open_rfc2217(address)
    elif isinstance(address, ModemAddress):
        line = await dialled(address)
    elif isinstance(address, BankAddress):
        raise UsageError(
            f"{address}: there is no bank of modems {address.name!r} here",
            advice="banks are in the configuration of `mrsp run`; name a modem: modem:///dev/ttyS0?dial=NUMBER",
        )
    else:
        from drivers.transport.serial import open_serial  # noqa: PLC0415 - 70 ms and 14 MB that TCP does not need

        line = await open_serial(address)
    return line if address.echo == "off" else EchoTransport(line, address.echo)
