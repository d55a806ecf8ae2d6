"""From an address to an open line. The serial library is loaded only when a serial line is opened."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.transport.base import Transport
from drivers.transport.echoing import EchoTransport
from drivers.transport.replay import open_replay
from drivers.transport.tcp import open_tcp
from drivers.transport.urls import ReplayAddress, TcpAddress, parse_url


async def open_transport(url: str, options: Mapping[str, str] | None = None) -> Transport:
    """Open the line that `url` names, echo cancelling included; options in its query win over `options`.

    Raises `UsageError` for an address that makes no sense or a recording that cannot be read, `DataError` for a
    damaged recording, `TransportError` for a line that cannot be opened.
    """
    address = parse_url(url, options)
    if isinstance(address, ReplayAddress):
        return await open_replay(address)
    line: Transport
    if isinstance(address, TcpAddress):
        line = await open_tcp(address)
    else:
        from drivers.transport.serial import open_serial  # noqa: PLC0415 - 70 ms and 14 MB that TCP does not need

        line = await open_serial(address)
    return line if address.echo == "off" else EchoTransport(line, address.echo)
