"""What PyVISA-py does not tell of its TCP sockets: that the other side has closed, and octets that nobody asked for.

Its reads wait for their whole time-out on a socket that was closed, which is long where a source is to be turned off.
What is left in its buffer would be taken for the answer to the next question. Other backends and lines are let be.
"""

from __future__ import annotations

import select
import socket
from typing import Any

_CLOSED = "the other side has closed it"


def surplus(resource: Any) -> bool:
    """Return whether octets lie there that nobody has asked for. Raises `OSError` if the connection is closed."""
    session = getattr(resource.visalib, "sessions", {}).get(resource.session)
    line = getattr(session, "interface", None)
    if not isinstance(line, socket.socket):
        return False
    try:
        waiting = line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return bool(getattr(session, "_pending_buffer", b""))
    if not waiting:
        raise ConnectionResetError(_CLOSED)
    return True


def await_answer(resource: Any, timeout_s: float) -> None:
    """Wait until something comes, or for so long. Raises `OSError` if what comes is the end of the connection."""
    session = getattr(resource.visalib, "sessions", {}).get(resource.session)
    line = getattr(session, "interface", None)
    if isinstance(line, socket.socket) and select.select([line], [], [], timeout_s)[0]:
        surplus(resource)
