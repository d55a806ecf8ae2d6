"""Which names a browser may call the console by: a name that leads here from elsewhere (DNS rebinding) is turned away.

A name is taken if `[console] hosts` has it. An address is taken if it is the one that the connection came to: no name
server has a say in that.
"""

from __future__ import annotations

import ipaddress
import re

from agent.console.settings import ConsoleSettings

_LOCAL = frozenset({"localhost"})
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")


class Hosts:
    """The names of one console."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._names = frozenset(host.lower().rstrip(".") for host in settings.hosts)
        if settings.only_here:
            self._names |= _LOCAL

    def takes(self, host: str, came_to: str) -> bool:
        """Whether the `Host` of a request is ours; `came_to`: the address of this box that the connection ends at."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found["name"].lower().rstrip(".")
        if name in self._names:
            return True
        try:
            return ipaddress.ip_address(name.strip("[]")) == _plain(came_to)
        except ValueError:
            return False


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return getattr(parsed, "ipv4_mapped", None) or parsed
