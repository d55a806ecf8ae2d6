"""One modem as data: how it is set up, what it says, and how long it may take. The defaults suit most Hayes modems."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Word(Enum):
    """What a line of the modem means."""

    OK = "OK"
    CONNECT = "CONNECT"
    RING = "RING"
    NO_CARRIER = "NO CARRIER"
    ERROR = "ERROR"
    NO_DIAL_TONE = "NO DIALTONE"
    BUSY = "BUSY"
    NO_ANSWER = "NO ANSWER"
    DELAYED = "DELAYED"
    BLACKLISTED = "BLACKLISTED"
    PROGRESS = "PROGRESS"  # the call goes on: CARRIER, PROTOCOL, COMPRESSION, RINGING
    CALLER = "CALLER"  # who is calling


# Verbose results, matched as the first words of a line; the longest that fits decides.
WORDS: Final[tuple[tuple[str, Word], ...]] = (
    ("OK", Word.OK),
    ("CONNECT", Word.CONNECT),
    ("RING", Word.RING),
    ("+CRING:", Word.RING),
    ("NO CARRIER", Word.NO_CARRIER),
    ("VOICE", Word.NO_CARRIER),
    ("ERROR", Word.ERROR),
    ("COMMAND ERROR", Word.ERROR),
    ("+CME ERROR", Word.ERROR),
    ("NO DIALTONE", Word.NO_DIAL_TONE),
    ("NO DIAL TONE", Word.NO_DIAL_TONE),
    ("LINE IN USE", Word.NO_DIAL_TONE),
    ("BUSY", Word.BUSY),
    ("NO ANSWER", Word.NO_ANSWER),
    ("DELAYED", Word.DELAYED),
    ("BLACKLISTED", Word.BLACKLISTED),
    ("CARRIER", Word.PROGRESS),
    ("PROTOCOL:", Word.PROGRESS),
    ("COMPRESSION:", Word.PROGRESS),
    ("RINGING", Word.PROGRESS),
    ("RRING", Word.PROGRESS),
    ("NMBR", Word.CALLER),
    ("+CLIP:", Word.CALLER),
)

# Numeric results (V0), with the speed that they tell.
CODES: Final[tuple[tuple[str, Word, int], ...]] = (
    ("0", Word.OK, 0),
    ("1", Word.CONNECT, 0),
    ("2", Word.RING, 0),
    ("3", Word.NO_CARRIER, 0),
    ("4", Word.ERROR, 0),
    ("5", Word.CONNECT, 1200),
    ("6", Word.NO_DIAL_TONE, 0),
    ("7", Word.BUSY, 0),
    ("8", Word.NO_ANSWER, 0),
    ("10", Word.CONNECT, 2400),
    ("11", Word.CONNECT, 4800),
    ("12", Word.CONNECT, 9600),
    ("13", Word.CONNECT, 14_400),
    ("14", Word.CONNECT, 19_200),
)


@dataclass(frozen=True, slots=True)
class ModemSettings:
    """How to handle one modem. Times are in seconds."""

    # Factory settings; no echo, results in words; busy and no dial tone told apart; DCD is the carrier, DTR hangs up.
    init: tuple[str, ...] = ("AT&F", "ATE0Q0V1", "ATX4", "AT&C1&D2", "ATS0=0")
    extra: tuple[str, ...] = ()  # after `init`, e.g. "AT&K0\\N0"
    words: tuple[tuple[str, Word], ...] = WORDS
    codes: tuple[tuple[str, Word, int], ...] = CODES
    numeric: bool = False  # for modems that have only V0; without DCD, they cannot tell that the carrier is lost
    wakes: int = 3  # `AT` this often, at most, until it answers: a modem learns the speed from it
    wake_s: float = 1.0
    command_s: float = 5.0
    gap_s: float = 0.15  # between an answer and the next command
    guard_s: float = 1.1  # silence around `+++` (S12, 1 s) and a little more
    drop_s: float = 0.7  # DTR low; S25 ignores less than 0.05 s
    release_s: float = 2.0  # for DCD to fall after that
    slack_s: float = 10.0  # for the modem's own result, beyond dialling and waiting for the carrier
    quiet_s: float = 1.5  # silence after the words NO CARRIER in the input, before they are taken at their word
    follow_rate: bool = False  # change the port's speed to that of CONNECT: modems without flow control
    recheck_s: float = 300.0  # while waiting for calls: set the modem up again, it may have lost its power

    @property
    def commands(self) -> tuple[str, ...]:
        """All commands of the set-up, in order."""
        return (*self.init, *(("ATV0",) if self.numeric else ()), *self.extra)
