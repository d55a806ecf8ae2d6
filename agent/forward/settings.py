"""The `[forward]` part of the configuration: which broker, proven by which certificates."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

_Path = Annotated[str, msgspec.Meta(min_length=1, max_length=4_096)]


class ForwardSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Mutual TLS to one broker. Certificates and passwords are files, read anew at every attempt to connect."""

    host: Annotated[str, msgspec.Meta(min_length=1, max_length=253)]  # the name that its certificate must show
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 8883  # MQTT over TLS
    ca: _Path  # PEM: who may have signed the broker's certificate
    certificate: _Path  # PEM: of this device, for mutual TLS
    key: _Path  # PEM, 0600; or `credential:NAME`
    protocol: Literal["auto", "5", "3.1.1"] = "auto"  # auto: 5, and 3.1.1 if the broker does not know 5
    window: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 200  # documents sent and not yet acknowledged
    # where the broker asks for one besides the certificate
    username: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    password_file: _Path | None = None  # one line, 0600; or `credential:NAME`
    keepalive: Annotated[int, msgspec.Meta(ge=5, le=3_600)] = 30  # seconds
