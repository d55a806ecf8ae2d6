"""Where a carrier may push replies to: a table of the configuration."""

from __future__ import annotations

import ipaddress
from typing import Annotated

import msgspec
from msgspec import Meta


class PushSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[pager_push]`: where a carrier may push replies to. `allow` names the networks that it comes from."""

    # an address of this box
    listen: Annotated[str, Meta(min_length=1, description="an address of this box")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8443  # 0: any free one
    # of the carrier's requests
    path: Annotated[str, Meta(pattern=r"^/[!-~]*$", description='a path like "/wctp"')] = "/wctp"
    allow: tuple[str, ...] = ("127.0.0.0/8", "::1/128")  # networks that the carrier pushes from
    certificate: str | None = None  # PEM files; without them plain http, for behind a proxy that ends TLS
    key: str | None = None  # PEM, 0600

    def __post_init__(self) -> None:
        for network in self.allow:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                msg = f"{network!r} is no network: {error}"
                raise ValueError(msg) from error
        if self.key is not None and self.certificate is None:
            msg = "a key without a certificate"
            raise ValueError(msg)
