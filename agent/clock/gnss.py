"""Asking a gpsd what time its satellite receiver has."""

from __future__ import annotations

import asyncio
import os
from ipaddress import ip_address

from agent.clock.gpsd import WATCH, Listening
from agent.clock.instant import Counters, read_instant
from agent.clock.samples import Cause, NoTime, Outcome, TimeSample
from agent.clock.settings import Server

MAX_LINE = 65_536  # gpsd's own limit is 10,240 octets


async def ask(server: Server, clock: Counters, timeout_s: float) -> Outcome:
    """Listen until a receiver has told the time three times; a `NoTime` says why it has not.

    Never raises for what gpsd or the network does. Takes two to three seconds of a receiver that has a fix.
    """
    name = f"gpsd {server}"
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(server.host, server.port, limit=MAX_LINE)
    except TimeoutError:
        return NoTime("gnss", name, f"it cannot be reached within {timeout_s:g} s", "down")
    except (OSError, UnicodeError) as error:
        return NoTime("gnss", name, f"it cannot be reached: {_words(error)}", "down")
    listening = Listening(name, local=_is_here(writer))
    try:
        async with asyncio.timeout(timeout_s):
            writer.write(WATCH)
            return await _listen(reader, listening, clock) or NoTime(
                "gnss", name, f"it ended the connection; {listening.reason}"
            )
    except TimeoutError:
        cause: Cause = "waiting" if listening.has_no_fix else "useless"
        return NoTime("gnss", name, f"{listening.reason} (within {timeout_s:g} s)", cause)
    except (OSError, ValueError) as error:  # ValueError: a line without an end
        return NoTime("gnss", name, f"the connection failed: {_words(error)}; {listening.reason}")
    finally:
        writer.transport.abort()


async def _listen(reader: asyncio.StreamReader, listening: Listening, clock: Counters) -> TimeSample | None:
    """Return the time once it is known, None when gpsd has nothing more to say."""
    while line := await reader.readline():
        sample = listening.hear(line, read_instant(clock))
        if sample is not None:
            return sample
    return None


def _is_here(writer: asyncio.StreamWriter) -> bool:
    """Whether gpsd runs on this box, and so stamps with our clock. A tunnel from elsewhere must not end on loopback."""
    peer = writer.get_extra_info("peername")
    return bool(peer) and ip_address(str(peer[0]).partition("%")[0]).is_loopback


def _words(error: Exception) -> str:
    """What the system says, without asyncio's words around it."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number and number > 0 else str(error) or type(error).__name__
