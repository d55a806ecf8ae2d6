"""The options of a line's address: what its query and the configuration say, each checked against what is allowed."""

from __future__ import annotations

import re

from drivers.errors import UsageError
from drivers.transport.addresses import EchoMode, Switch
from drivers.url_options import Options

MAX_WAIT_MS = 60_000
MAX_BAUD = 4_000_000
MOST_COMMANDS = 8  # more belong into the modem's stored profile

_COMMAND = re.compile(r"[ -~]{1,58}", re.ASCII)  # modems take 40 to 60 characters on a line


class LineOptions(Options):
    """The options of a line."""

    __slots__ = ()

    def switch(self, name: str) -> Switch:
        choices: dict[str, Switch] = {"on": "on", "off": "off", "leave": "leave"}
        return choices[self.one_of(name, tuple(choices), "on")]

    def echo(self, default: EchoMode = "auto") -> EchoMode:
        choices: dict[str, EchoMode] = {"auto": "auto", "on": "on", "off": "off"}
        return choices[self.one_of("echo", tuple(choices), default)]

    def baud(self, default: int) -> int:
        return self.number("baud", default, low=50, high=MAX_BAUD)

    def fastest(self) -> int:
        return self.number("fastest", 0, low=300, high=MAX_BAUD)

    def identity(self) -> int:
        return self.number("identity", 0, low=0, high=255)

    def connect_ms(self) -> int:
        return self.number("connect_ms", 10_000, low=1, high=10 * MAX_WAIT_MS)

    def commands(self) -> tuple[str, ...]:
        """Return the modem commands of `init`, separated by `|`, each beginning with AT."""
        text = self.given.get("init", "")
        parts = [part.strip(" ") for part in text.split("|")] if text else []
        if len(parts) > MOST_COMMANDS or not all(_COMMAND.fullmatch(part) for part in parts):
            raise UsageError(
                f"{self.url!r}: init={text!r} is not a list of modem commands",
                advice=f"at most {MOST_COMMANDS}, of printable ASCII signs, joined by '|', such as init=%26K0|\\N0",
            )
        return tuple(part if part[:2].upper() == "AT" else f"AT{part}" for part in parts)
