"""Addresses of lines as values, and what each may say. `urls` makes them from text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from drivers.transport.dialling import Call
from drivers.transport.modem_settings import ModemSettings

Switch = Literal["on", "off", "leave"]
EchoMode = Literal["auto", "on", "off"]

DEFAULT_BAUD: Final = 9600  # every C12.18 session starts with it


@dataclass(frozen=True, slots=True)
class SerialAddress:
    """`/dev/ttyUSB0` or `serial:///dev/ttyUSB0?baud=9600&dtr=on&rts=off&warmup_ms=200&echo=auto`; always 8N1.

    `fastest`: the highest speed that the probe is known to carry. Speeds up to it are offered to any meter, none above.
    `identity`, here and below: the PSEM identity of the meter, where several share a line; 0 is any.
    """

    device: str
    baud: int = DEFAULT_BAUD
    dtr: Switch = "on"  # either line may power the probe; both is what most probes want
    rts: Switch = "on"
    warmup_ms: int | None = None  # None: as long as a probe needs, nothing on a pseudo-terminal
    echo: EchoMode = "auto"
    fastest: int = 0  # not known: the speeds that the meter's profile names
    identity: int = 0


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """`tcp://host:port?echo=auto&settle_ms=0&connect_ms=10000`; `tcp://[2001:db8::1]:4001` for IPv6."""

    host: str
    port: int
    echo: EchoMode = "auto"
    settle_ms: int = 0  # after connecting, drop what comes in during this time: banners, stale bytes
    connect_ms: int = 10_000
    identity: int = 0

    def __str__(self) -> str:
        return f"tcp://{_place(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class Rfc2217Address:
    """`rfc2217://host:port?baud=9600`: a serial server that lets its port be set (RFC 2217); always 8N1."""

    host: str
    port: int
    baud: int = DEFAULT_BAUD
    dtr: Switch = "on"
    rts: Switch = "on"
    echo: EchoMode = "auto"
    settle_ms: int = 0
    connect_ms: int = 10_000  # for the connection, and again for the server to set its port
    fastest: int = 0
    identity: int = 0

    def __str__(self) -> str:
        return f"rfc2217://{_place(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class ModemAddress:
    """`modem:///dev/ttyS0?dial=5550100`, or `modem+tcp://host:port?dial=5550100` for a modem on a serial server.

    Also `init=&K0|\\N0` (more commands), `results=words|numeric`, `speed=fixed|follow`, and what a `Call` has: `tone`,
    `wait_s`, `settle_ms`, `max_call_s`. In a query, `&` is written `%26`.
    """

    port: SerialAddress | TcpAddress
    call: Call | None = None  # None: no number was given; the modem can still wait for calls
    settings: ModemSettings = field(default_factory=ModemSettings)
    echo: EchoMode = "off"
    identity: int = 0

    def __str__(self) -> str:
        number = f"?dial={self.call.digits}" if self.call is not None else ""
        if isinstance(self.port, TcpAddress):
            return f"modem+{self.port}{number}"
        return f"modem://{self.port.device}{number}"


@dataclass(frozen=True, slots=True)
class BankAddress:
    """`modem://NAME?dial=5550100`: any free modem of the bank that the configuration calls NAME."""

    name: str
    call: Call
    echo: EchoMode = "off"
    identity: int = 0

    def __str__(self) -> str:
        return f"modem://{self.name}?dial={self.call.digits}"


@dataclass(frozen=True, slots=True)
class ReplayAddress:
    """`replay://FILE?pace=fast&session=0`."""

    path: str
    pace: Literal["fast", "real"] = "fast"  # real: the meter answers as slowly as it did
    session: int = 0  # 1 is the oldest in the file; 0: the newest
    identity: int = 0


LineAddress = SerialAddress | TcpAddress | Rfc2217Address | ModemAddress | BankAddress | ReplayAddress


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
