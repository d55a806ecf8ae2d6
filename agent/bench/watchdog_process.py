"""The process behind `agent.bench.watchdog`: `python -m agent.bench.watchdog_process`, told on its standard input.

exit status: 0 the test ended by itself, or the source was turned off and says so; 1 the source does not say so.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from agent.bench.watchdog import DONE, READY, TURNED_OFF, Target
from drivers.errors import MrspError
from drivers.instruments import turn_off_now
from drivers.instruments.library import load_instrument
from drivers.instruments.schema import InstrumentProfile

TRIES = 60
BETWEEN_S = 1.0
_IN, _OUT = 0, 1


def main() -> int:
    """Wait for the end of the test; turn the source off unless it came with a word."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    pending = bytearray()
    first = _line(pending, None)
    if not first:
        return 0  # the test ended before it began
    target = msgspec.json.decode(first, type=Target)
    profile = load_instrument(Path(target.profile))
    import pyvisa  # noqa: F401, PLC0415 - now, not when every moment counts

    os.write(_OUT, READY)
    while True:
        said = _line(pending, target.silent_s)
        if said == DONE:
            return 0
        if not said:
            break
    return 0 if _turned_off(profile, target) else 1


def _line(pending: bytearray, wait_s: float | None) -> bytes:
    """Return the next line; nothing if the pipe was closed, or the time is over."""
    while b"\n" not in pending:
        ready, _, _ = select.select([_IN], [], [], wait_s)
        octets = os.read(_IN, 4096) if ready else b""
        if not octets:
            return b""
        pending += octets
    end = pending.index(b"\n") + 1
    line = bytes(pending[:end])
    del pending[:end]
    return line


def _turned_off(profile: InstrumentProfile, target: Target) -> bool:
    """Turn the source off, again and again until it says that it is off."""
    for _ in range(TRIES):
        try:
            turn_off_now(profile, target.resource, backend=target.visa_library)
        except MrspError as error:
            _say(f"{error}")
            time.sleep(BETWEEN_S)
        else:
            _say("the test ended without a word: the source was turned off, and says that it is off")
            with suppress(OSError):
                os.write(_OUT, TURNED_OFF)
            return True
    _say("THE SOURCE MAY BE ON: switch it off by hand")
    return False


def _say(text: str) -> None:
    with suppress(OSError):
        os.write(2, f"mrsp bench, watchdog: {text}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
