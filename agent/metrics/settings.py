"""The `[metrics]` table of the configuration: where a monitoring system finds the figures."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

import msgspec
from msgspec import Meta

_LISTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+)):(?P<port>[0-9]{1,5})")


class MetricsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prometheus text, asked for at `listen`, or written to `textfile` every `every_s`.

    Without TLS and without a login: an address other than this box's own belongs behind a firewall or a proxy.
    """

    listen: Annotated[str, Meta(min_length=3, max_length=60)] | None = None  # ADDRESS:PORT, e.g. "127.0.0.1:9754"
    textfile: Annotated[str, Meta(min_length=1, max_length=4_096)] | None = None  # e.g. …/node_exporter/mrsp.prom
    every_s: Annotated[int, Meta(ge=5, le=3_600)] = 60  # between two writes of the file

    def __post_init__(self) -> None:
        if self.listen is None and self.textfile is None:
            raise ValueError('`listen` or `textfile` says where the figures go, e.g. listen = "127.0.0.1:9754"')
        if self.textfile is not None and not self.textfile.endswith(".prom"):
            raise ValueError("`textfile`: node_exporter reads files that end with .prom")
        if self.listen is not None:
            self.place()

    def place(self) -> tuple[str, int]:
        """Return the address and the port of `listen`. Raises `ValueError`."""
        found = _LISTEN.fullmatch(self.listen or "")
        address = found and (found["six"] or found["four"])
        try:
            if found is None or address is None or int(found["port"]) > 65_535:
                raise ValueError  # noqa: TRY301 - said below
            return str(ipaddress.ip_address(address)), int(found["port"])
        except ValueError:
            raise ValueError(f"`listen`: {self.listen!r} is no ADDRESS:PORT; for example 127.0.0.1:9754") from None
