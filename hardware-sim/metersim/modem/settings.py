"""What a modem remembers: S registers and the settings of its letters, and what a reset puts in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

REGISTERS: Final[Mapping[int, int]] = {
    0: 0,  # rings before it answers
    1: 0,  # rings counted
    2: 43,  # escape character
    3: 13,  # carriage return
    4: 10,  # line feed
    5: 8,  # back space
    6: 2,  # blind dial wait, s
    7: 50,  # wait for carrier, s
    8: 2,  # pause of a comma, s
    9: 6,  # carrier detect time, 0.1 s
    10: 14,  # lost carrier to hang-up, 0.1 s
    11: 95,  # length of a tone, ms
    12: 50,  # guard time, 1/50 s
    25: 5,  # DTR drop that counts, 1/100 s
    30: 0,  # inactivity, 10 s
    37: 0,  # line rate, 0: the fastest
}
SETTINGS: Final[Mapping[str, int]] = {
    "E": 1,
    "Q": 0,
    "V": 1,
    "W": 0,
    "X": 4,
    "&C": 1,
    "&D": 2,
    "&K": 3,
    "\\N": 3,
    "&Q": 5,
}
_RATE_OF_S37: Final = {1: 300, 2: 300, 3: 300, 5: 1200, 6: 2400, 7: 1200, 8: 4800, 9: 9600, 10: 14_400}
_RATE_OF_F: Final = {1: 300, 3: 1200, 4: 1200, 5: 2400, 6: 4800, 7: 7200, 8: 9600, 9: 12_000, 10: 14_400}
_RATE_OF_MS: Final = {"V21": 300, "B103": 300, "V22": 1200, "B212": 1200, "V22B": 2400, "V32": 9600, "V32B": 14_400}


@dataclass(frozen=True, slots=True)
class ModemModel:
    """One make of modem. The defaults are those of a strict one; seconds."""

    fastest: int = 14_400  # bits per second that it can carry on the line
    response_s: float = 0.03  # from the carriage return to the result code
    reset_s: float = 0.8  # the same for Z
    recovery_s: float = 0.1  # after a result code: what comes sooner is lost
    line_length: int = 60  # characters of a command line; ERROR beyond
    redial_s: float = 60.0  # how long `DELAYED` keeps a number from being dialled
    factory: Mapping[str, int] = field(default_factory=dict)  # that differ from those of most modems


@dataclass(slots=True)
class ModemSettings:
    """The state that commands change."""

    model: ModemModel
    letters: dict[str, int] = field(default_factory=dict)
    registers: dict[int, int] = field(default_factory=dict)
    modulation: int = 0  # of +MS or F: bits per second, 0: any
    automode: bool = True  # may fall back to a slower one

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Return to the stored profile, which is that of the factory."""
        self.letters = {**SETTINGS, **self.model.factory}
        self.registers = dict(REGISTERS)
        self.modulation, self.automode = 0, True

    def modulate(self, name: str, automode: str = "1", *rates: str) -> bool:
        """Choose a modulation as +MS does; False if there is none of this name."""
        if name not in _RATE_OF_MS or not all(rate.isdigit() for rate in rates if rate):
            return False
        top = int(rates[-1]) if rates and rates[-1] else 0
        self.modulation = min(_RATE_OF_MS[name], top or _RATE_OF_MS[name])
        self.automode = automode != "0"
        return True

    def force(self, value: int) -> None:
        """Choose a line rate as F does."""
        self.modulation, self.automode = _RATE_OF_F.get(value, 0), value == 0

    @property
    def most(self) -> int:
        """The highest line rate that the settings allow."""
        wanted = self.modulation or _RATE_OF_S37.get(self.registers[37], 0)
        return min(wanted or self.model.fastest, self.model.fastest)

    @property
    def least(self) -> int:
        """The lowest line rate that the settings allow."""
        return self.most if self.modulation and not self.automode else 0

    @property
    def corrects(self) -> bool:
        """Whether it offers error correction (V.42, MNP)."""
        return self.letters["\\N"] not in (0, 1) and self.letters["&Q"] == 5

    @property
    def verbose(self) -> bool:
        return self.letters["V"] == 1

    @property
    def quiet(self) -> bool:
        return self.letters["Q"] == 1
