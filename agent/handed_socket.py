"""Sockets that systemd listens on for us (sd_listen_fds(3)): a port that is held while the service restarts."""

from __future__ import annotations

import os
import socket
from ipaddress import IPv4Address, IPv6Address

from agent.errors import ConfigError

FIRST = 3  # SD_LISTEN_FDS_START


def handed_listener(name: str, address: IPv4Address | IPv6Address, port: int) -> socket.socket | None:
    """Return a listening socket that systemd handed over under `name`, or None if it did not. May be asked again.

    Raises `ConfigError` if it listens elsewhere than at `address` and `port`: by these was decided what is shown there.
    """
    descriptor = _descriptor(name)
    if descriptor is None:
        return None
    os.set_inheritable(descriptor, False)
    listener = socket.socket(fileno=os.dup(descriptor))  # the one that was handed over stays open for the next time
    listener.setblocking(False)
    found = listener.getsockname()[:2] if listener.family in {socket.AF_INET, socket.AF_INET6} else ("?", 0)
    if found != (str(address), port):
        listener.close()
        raise ConfigError(
            f"systemd listens at {_shown(*found)} for the {name}, not at {_shown(str(address), port)} as configured",
            advice=f"`systemctl edit mrsp-{name}.socket`: an empty ListenStream=, then one with the configured address",
        )
    return listener


def _descriptor(name: str) -> int | None:
    """Return the descriptor with that FileDescriptorName=, of those that are meant for this very process."""
    pid, count = os.environ.get("LISTEN_PID", ""), os.environ.get("LISTEN_FDS", "")
    if pid != str(os.getpid()) or not count.isdecimal():
        return None
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")[: int(count)]
    return FIRST + names.index(name) if name in names else None


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
