"""The AT dialogue without input or output: lines of the modem and the time go in; octets, pins and deadlines come out.

A dialogue is a script, written as a generator: it yields what it wants done (`Send`, `SetDtr`) or waits for (`Listen`)
and returns its result, or raises a `CallError`. `Dialogue` plays one against whatever carries the octets. The scripts
themselves are in `modem_scripts`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar

from drivers.transport.modem_lines import LineSplitter, Result, understand
from drivers.transport.modem_settings import ModemSettings, Word
from drivers.transport.pins import Carrier

T = TypeVar("T")

MOST_SAID: Final = 200  # of lines kept; a modem may wait for calls for months
RING_GAP_S: Final = 8.0  # rings come every 3 to 6 s; later, the caller has given up


class Was(Enum):
    """What the line is doing, as far as we know: what hanging up has to begin with."""

    ON_HOOK = "on hook"  # there was no call yet, or hanging up was confirmed
    ENDED = "ended"  # the call came to nothing or the carrier is lost: the modem is in command state
    DIALLING = "dialling"  # or answering
    ONLINE = "online"


@dataclass(frozen=True, slots=True)
class Send:
    """Send these octets."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class SetDtr:
    """Raise or lower DTR; nothing happens where there is none."""

    on: bool


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait for the next result, at most until this time (seconds, on the clock of `Dialogue`); then None comes."""

    until: float


Action = Send | SetDtr
Script = Generator[Action | Listen, Result | None, T]


class Desk:
    """What a script sees: the time, the carrier, the settings, and all that was said."""

    def __init__(self, settings: ModemSettings, now: float, carrier: Carrier = Carrier.UNKNOWN) -> None:
        self.settings = settings
        self.now = now
        self.carrier = carrier
        self.pins = carrier is not Carrier.UNKNOWN  # a port that cannot read DCD cannot move DTR either
        self.was = Was.ON_HOOK
        self.said: deque[str] = deque(maxlen=MOST_SAID)  # for the log and the recording: `> AT`, `< OK`
        self.unknown: str = ""  # the last line that is no result
        self.rings = 0  # of a call that is coming in
        self.ringing_until = 0.0  # the next ring comes before, or the caller gave up
        self.caller = ""

    @property
    def ringing(self) -> bool:
        """Whether a call is coming in."""
        return self.now < self.ringing_until

    def note(self, result: Result) -> None:
        """Count rings, and remember who calls."""
        if result.word is Word.RING:
            self.rings = self.rings + 1 if self.ringing else 1
            self.ringing_until = self.now + RING_GAP_S
        elif result.word is Word.CALLER:
            self.caller = result.caller or self.caller

    def listen(self, seconds: float) -> Script[Result | None]:
        """Wait for the next result, at most so long; None if there is none."""
        return self.listen_until(self.now + seconds)

    def listen_until(self, until: float) -> Script[Result | None]:
        """Wait for the next result, at most until then; None if there is none."""
        return (yield Listen(until))

    def pause(self, seconds: float) -> Script[list[Result]]:
        """Send nothing for so long; return what was heard meanwhile."""
        until, heard = self.now + seconds, []
        while (result := (yield Listen(until))) is not None:
            heard.append(result)
        return heard

    def send(self, text: str, *, end: str = "\r") -> Script[None]:
        """Send a line. Never a line feed: one that arrives while the modem dials would end the call."""
        self.said.append(f"> {text}")
        yield Send(f"{text}{end}".encode("ascii"))


class Dialogue(Generic[T]):
    """Plays one script. Give it input and time, carry out `actions`, and come back at `deadline`."""

    def __init__(self, script: Callable[[Desk], Script[T]], desk: Desk) -> None:
        self.desk = desk
        self.actions: list[Action] = []  # to be carried out in order, and removed
        self.deadline = desk.now
        self._script = script(desk)
        self._lines = LineSplitter()
        self._result: T | None = None
        self._failure: Exception | None = None
        self._finished = False
        self._go_on(None)

    @property
    def finished(self) -> bool:
        """Whether the script came to its end; what comes in after that is not looked at."""
        return self._finished

    def result(self) -> T:
        """Return what the script returned, or raise what it raised; only once it has finished."""
        if self._failure is not None:
            raise self._failure
        return self._result  # type: ignore[return-value]  # None only where T is

    def feed(self, chunk: bytes, now: float, carrier: Carrier = Carrier.UNKNOWN) -> None:
        """Take input. What has come in by `now` is heard before `now` ends a wait."""
        self._advance(now, carrier)
        for line in self._lines.feed(chunk):
            if self._finished:
                break
            self._hear(line)
        self._expire()

    def tick(self, now: float, carrier: Carrier = Carrier.UNKNOWN) -> None:
        """Let time pass."""
        self._advance(now, carrier)
        self._expire()

    def _advance(self, now: float, carrier: Carrier) -> None:
        self.desk.now, self.desk.carrier = max(self.desk.now, now), carrier

    def _expire(self) -> None:
        while not self._finished and self.desk.now >= self.deadline:
            self._go_on(None)

    def _hear(self, line: str) -> None:
        self.desk.said.append(f"< {line}")
        result = understand(line, self.desk.settings)
        if result is None:
            self.desk.unknown = line
        else:
            self.desk.note(result)
            self._go_on(result)

    def _go_on(self, answer: Result | None) -> None:
        """Play until the script waits again, or ends."""
        try:
            while True:
                wish = self._script.send(answer)
                answer = None
                if isinstance(wish, Listen):
                    self.deadline = wish.until
                    return
                self.actions.append(wish)
        except StopIteration as end:
            self._result = end.value
        except Exception as error:  # noqa: BLE001 - kept for whoever asks for the result
            self._failure = error
        self._finished = True
