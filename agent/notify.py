"""Tell systemd how the service is doing (sd_notify(3)); nothing happens where systemd did not start us."""

from __future__ import annotations

import os
import socket


def notify(text: str) -> bool:
    """Send `READY=1`, `STATUS=…`, `WATCHDOG=1`, `STOPPING=1`; return whether there was someone to tell."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # abstract socket
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect(address)
        sock.sendall(text.encode())
    return True


def watchdog_interval_s() -> float | None:
    """Return half of the watchdog's time, as systemd asks, or None if no watchdog watches."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2_000_000 if microseconds.isdigit() and int(microseconds) else None
