"""From an address to an open Modbus line: serial, TCP, TLS, or RTU frames over TCP."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
import termios
from pathlib import Path

from pymodbus.framer import FramerType
from pymodbus.transport import CommParams
from pymodbus.transport.serialtransport import create_serial_connection
from pymodbus.transport.transport import CommType

from drivers.errors import MrspError, TransportError, UsageError
from drivers.key_file import refuse_open_key
from drivers.modbus.address import ModbusAddress
from drivers.modbus.channel import Channel, Trace
from drivers.transport.port_errors import check_port, explain_open, is_pty


async def open_channel(address: ModbusAddress, trace: Trace) -> Channel:
    """Open the line; raise `TransportError` that says why it did not work, `UsageError` for files that make no sense.

    A connection that is cancelled while it opens leaves nothing open.
    """
    return await _open_serial(address, trace) if address.device else await _open_network(address, trace)


async def _open_serial(address: ModbusAddress, trace: Trace) -> Channel:
    check_port(address.device)
    baud = address.baud or 9600
    params = CommParams(
        comm_type=CommType.SERIAL,
        host=address.device,
        baudrate=baud,
        bytesize=8,
        parity="N" if is_pty(address.device) else {"even": "E", "odd": "O"}.get(address.parity or "", "N"),
        stopbits=address.stop or 1,
        handle_local_echo=address.echo,
    )
    channel = Channel(params, FramerType.RTU, address.line, trace)
    try:
        channel.transport, _ = await create_serial_connection(
            asyncio.get_running_loop(),
            lambda: channel,
            address.device,
            baudrate=baud,
            bytesize=8,
            parity=params.parity,
            stopbits=params.stopbits,
        )
    except (OSError, ValueError, termios.error) as error:
        raise _explain_serial(address.device, error, baud) from error
    ready = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(ready.set_result, None)
    await ready  # pymodbus begins to read in the turn after this one
    return channel


def _explain_serial(device: str, error: Exception, baud: int) -> MrspError:
    if "exclusively lock" in str(error):
        return TransportError(
            f"{device} is busy: locked by another program", advice="stop it, or wait until it is done"
        )
    if isinstance(error, termios.error):
        error = OSError(*error.args)
    return explain_open(device, error, baud)


async def _open_network(address: ModbusAddress, trace: Trace) -> Channel:
    context = tls_context(address) if address.scheme == "modbus+tls" else None
    params = CommParams(comm_type=CommType.TLS if context else CommType.TCP, host=address.host, port=address.port)
    framer = FramerType.RTU if address.framing == "rtu" else FramerType.SOCKET  # TLS carries the same frames as TCP
    channel = Channel(params, framer, address.line, trace)
    try:
        async with asyncio.timeout(address.connect_ms / 1000):
            await asyncio.get_running_loop().create_connection(
                lambda: channel,
                address.host,
                address.port,
                ssl=context,
                server_hostname=(address.name or address.host) if context else None,
            )
    except TimeoutError as error:
        raise TransportError(
            f"{address.line} does not answer within {address.connect_ms} ms", advice="is it powered and within reach?"
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise TransportError(
            f"{address.line}: its certificate is not trusted: {error.verify_message}",
            advice="name the file of its authority by ca=FILE, or the name in its certificate by name=NAME",
        ) from error
    except ssl.SSLError as error:
        raise TransportError(
            f"{address.line}: no TLS connection: {error.reason or error}",
            advice="does this port speak TLS, 1.2 or newer? does it want a certificate of ours (cert=FILE)?",
        ) from error
    except (OSError, UnicodeError) as error:
        raise _explain_network(address, error) from error
    return channel


def _explain_network(address: ModbusAddress, error: OSError | UnicodeError) -> MrspError:
    if isinstance(error, UnicodeError):
        return UsageError(f"{address.line}: {address.host!r} is not a host name")
    if isinstance(error, socket.gaierror):
        return TransportError(
            f"{address.line}: the name {address.host!r} cannot be resolved ({error.strerror})",
            advice="check the spelling and this box's DNS, or use the IP address",
        )
    # Several addresses tried give one error without a number and with the numbers in its text.
    numbers = {error.errno} if error.errno else {int(n) for n in re.findall(r"\[Errno (\d+)\]", str(error))}
    if errno.ECONNREFUSED in numbers:
        return TransportError(
            f"{address.line} refuses the connection", advice="nothing listens at that port, or another client has it"
        )
    if numbers & {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}:
        return TransportError(f"{address.line} cannot be reached from here", advice="check the network and the route")
    return TransportError(f"{address.line} cannot be opened: {error.strerror or error}")


def tls_context(address: ModbusAddress) -> ssl.SSLContext:
    """Return how to prove who is at the other end: always, by `ca` or the authorities of this system; TLS 1.2 on.

    Raises `UsageError` for files that cannot be used, and for a private key that others can get at.
    """
    what = f"ca={address.ca}"
    try:
        context = ssl.create_default_context(cafile=address.ca or None)
        if address.cert:
            what = f"cert={address.cert}" + (f", key={address.key}" if address.key else "")
            context.load_cert_chain(address.cert, address.key or None, password=_no_password)
    except OSError as error:  # ssl.SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or error
        raise UsageError(f"{address.line}: {what} cannot be used: {reason}", advice=_files(address)) from error
    if address.cert:
        refuse_open_key(address.key or address.cert)  # without a file of its own it is beside the certificate
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _no_password() -> str:
    """Answer what OpenSSL would otherwise ask on the terminal."""
    return ""


def _files(address: ModbusAddress) -> str:
    missing = [name for name in (address.ca, address.cert, address.key) if name and not Path(name).is_file()]
    if missing:
        return f"there is no {missing[0]}"
    return "they are to be PEM files; the key belongs to the certificate and is not encrypted"
