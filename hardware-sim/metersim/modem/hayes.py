"""A Hayes modem without its wires: octets and "now" go in, octets for the terminal and events for the line come out.

Strict, so that callers are tested. What comes while a command is carried out, or too soon after its result code, is
lost; what comes while it dials ends the call; `+++` needs its silences; nothing after Z on a line is looked at.

    modem.feed(b"ATDT5550100\\r", now)  →  [OffHook()]            modem.dial_tone(now)
    modem.tick(later)                   →  [Dialled("5550100")]   modem.carrier(Carrier(2400), later)
    modem.take_output(later)            →  b"\\r\\nCONNECT 2400\\r\\n"
"""

from __future__ import annotations

from enum import Enum
from math import ceil
from typing import Final

from metersim.meter.iec import sent_as_7e1
from metersim.modem.commands import (
    Answer,
    BadCommand,
    Command,
    Dial,
    Extended,
    SetRegister,
    Setting,
    ShowRegister,
    commands,
)
from metersim.modem.dialling import DialPlan, plan
from metersim.modem.escape import EscapeWatch
from metersim.modem.events import Answered, Dialled, ModemEvent, OffHook, OnHook, Transmit
from metersim.modem.results import HEARS_BUSY, HEARS_DIAL_TONE, Carrier, Result, connect, framed
from metersim.modem.settings import ModemModel, ModemSettings

_TONE_S: Final = 1.0  # from going off hook until a dial tone is recognised
_RING_STOPS_S: Final = 8.0  # without another ring
_REJECTS: Final = ("DELAYED", "BLACKLISTED", "ERROR")


class Phase(Enum):
    """What the modem is at."""

    COMMAND = "command"
    DIALLING = "dialling"  # listens for the tone, or sends digits
    WAITING = "waiting"  # for the other modem's carrier
    DATA = "data"
    ESCAPED = "escaped"  # takes commands, the carrier stays


_TAKES_COMMANDS: Final = frozenset({Phase.COMMAND, Phase.ESCAPED})


class Modem:
    """One modem. Every `now` is in seconds of the caller's monotonic clock.

    Call `tick` when `deadline()` has passed; after every call give what `take_output` returns to the terminal.
    """

    def __init__(self, now: float, model: ModemModel | None = None) -> None:
        self.model = model or ModemModel()
        self.settings = ModemSettings(self.model)
        self.phase = Phase.COMMAND
        self.ringing = False
        self.lost = 0  # octets from the terminal that came when the modem was not listening
        self._output = bytearray()
        self._events: list[ModemEvent] = []
        self._timers: dict[str, float] = {}
        self._prefix = ""  # "", "A", "AT": how much of the attention code has come
        self._line = ""
        self._last_line = ""
        self._even_parity = False  # of the terminal, learnt from its AT
        self._deaf_until = now
        self._dtr = True
        self._plan: DialPlan | None = None
        self._rang_back = False
        self._carrier: Carrier | None = None
        self._escape = EscapeWatch(now)
        self._answer_to: str | None = None  # the next ATD gets this instead of a call
        self._delayed: dict[str, float] = {}

    # -- the wires to the terminal

    @property
    def dcd(self) -> bool:
        """Carrier detect, as &C says."""
        return self._carrier is not None or self.settings.letters["&C"] == 0

    @property
    def off_hook(self) -> bool:
        return self.phase is not Phase.COMMAND

    def feed(self, chunk: bytes, now: float) -> list[ModemEvent]:
        """Take octets that the terminal sent."""
        for at in range(len(chunk)):
            if self.phase is Phase.DATA:
                self._transmit(chunk[at:], now)
                break
            if not self._command_octet(chunk[at], now):
                self.lost += len(chunk) - at
                break
        return self._told()

    def _command_octet(self, octet: int, now: float) -> bool:
        """Take one octet when no data flow; False: it has ended the call, and what follows it is lost."""
        if self.phase not in _TAKES_COMMANDS:
            self._hang_up("a character ended the call", now, Result.NO_CARRIER)
            return False
        if now < self._deaf_until - 1e-6 or not self._listens_to_commands:
            self.lost += 1
        else:
            self._typed(octet, now)
        return True

    def dtr(self, *, on: bool, now: float) -> list[ModemEvent]:
        """Tell the state of the pin; &D says what a drop longer than S25 does."""
        self._dtr = on
        if on:
            self._timers.pop("dtr", None)
        else:
            self._timers["dtr"] = now + self.settings.registers[25] / 100
        return self._told()

    def take_output(self) -> bytes:
        """Return what the terminal is to get now."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def deadline(self) -> float | None:
        """When to call `tick` at the latest."""
        return min(self._timers.values(), default=None)

    def tick(self, now: float) -> list[ModemEvent]:
        """Let timers expire that are due, the earliest first."""
        while self._timers:
            name = min(self._timers, key=self._timers.__getitem__)
            at = self._timers[name]
            if at > now:
                break
            del self._timers[name]
            getattr(self, f"_on_{name}")(at)
        return self._told()

    # -- the wires to the exchange

    def dial_tone(self, now: float) -> list[ModemEvent]:
        """The line that it took has a dial tone."""
        if self.phase is Phase.DIALLING and "no_tone" in self._timers:
            del self._timers["no_tone"]
            self._timers["dialled"] = now + _TONE_S + (self._plan.seconds if self._plan else 0.0)
        return self._told()

    def ringback(self) -> None:
        """The other end rings."""
        self._rang_back = True

    def picked_up(self) -> None:
        """The other end has stopped ringing, since somebody or something answered."""
        self._rang_back = False

    def busy(self, now: float) -> list[ModemEvent]:
        """The busy tone is on the line."""
        if self.phase is Phase.WAITING and self.settings.letters["X"] in HEARS_BUSY:
            self._hang_up("busy", now, Result.BUSY)
        return self._told()

    def carrier(self, carrier: Carrier, now: float) -> list[ModemEvent]:
        """The two modems have agreed: data flows from now on."""
        if self.phase is Phase.WAITING:
            self._timers.pop("no_carrier", None)
            self._carrier = carrier
            self.phase = Phase.DATA
            self.ringing = False
            self._escape = EscapeWatch(now)
            letters = self.settings.letters
            if not self.settings.quiet:
                if letters["W"] == 1 and self.settings.verbose:
                    self._say(f"CARRIER {carrier.rate}")
                    self._say(f"PROTOCOL: {'LAP-M' if carrier.corrected else 'NONE'}")
                self._say(connect(carrier, level=letters["X"], verbose=self.settings.verbose))
            self._watch_activity(now)
        return self._told()

    def carrier_lost(self, now: float) -> list[ModemEvent]:
        """The other modem is gone; after S10 this one gives up."""
        if self._carrier is not None and self.settings.registers[10] < 255:
            self._timers["carrier_gone"] = now + self.settings.registers[10] / 10
        return self._told()

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets of the modem at the other end."""
        if self.phase is Phase.DATA:
            self._output += octets
            self._watch_activity(now)

    def ring(self, now: float) -> list[ModemEvent]:
        """The telephone rings once."""
        if self.phase is not Phase.COMMAND:
            return self._told()
        self.ringing = True
        registers = self.settings.registers
        registers[1] = min(255, registers[1] + 1)
        self._timers["ring_stops"] = now + _RING_STOPS_S
        if not self._line:
            self._result(Result.RING)
        if registers[0] and registers[1] >= registers[0] and self._dtr:
            self._answer(now)
        return self._told()

    # -- commands

    def answer_next_dial(self, text: str) -> None:
        """Answer `DELAYED`, `BLACKLISTED` or `ERROR` to the next dial command, as a modem's own redial guard does."""
        if text not in _REJECTS:
            raise ValueError(text)
        self._answer_to = text

    @property
    def _listens_to_commands(self) -> bool:
        return self._dtr or self.settings.letters["&D"] < 2

    def _typed(self, octet: int, now: float) -> None:
        if self.settings.letters["E"]:
            self._output.append(octet)
        char, registers = chr(octet & 0x7F), self.settings.registers
        if self._prefix != "AT":
            self._attention(char, now)
            parity = octet > 0x7F  # one of A and T, and one of a and t, has an odd number of ones
            self._even_parity = parity or (self._even_parity and self._prefix == "AT")
        elif char == chr(registers[3]):
            line, self._line, self._prefix = self._line, "", ""
            self._carry_out(line, now)
        elif char == chr(registers[5]):
            self._line = self._line[:-1]
        elif char.isprintable():
            self._line += char

    def _attention(self, char: str, now: float) -> None:
        """Wait for AT or at, both in the same case, or A/."""
        if char in "Aa":
            self._prefix = char
        elif self._prefix and char == {"A": "T", "a": "t"}[self._prefix]:
            self._prefix = "AT"
        elif self._prefix and char == "/":
            self._prefix = ""
            self._carry_out(self._last_line, now)
        else:
            self._prefix = ""

    def _carry_out(self, line: str, now: float) -> None:
        self._last_line = line
        busy_s = self.model.response_s
        result: Result | None = Result.OK
        try:
            for command in commands(line, longest=self.model.line_length):
                if isinstance(command, Setting) and command.name == "Z":
                    busy_s = self.model.reset_s
                result = self._one(command, now)
                if result is None:
                    return
        except BadCommand:
            result = Result.ERROR
        self._deaf_until = now + busy_s + self.model.recovery_s
        self._timers["ok" if result is Result.OK else "error"] = now + busy_s

    def _one(self, command: Command, now: float) -> Result | None:
        """Do one command; None: its result comes later."""
        match command:
            case Setting(name, value):
                return self._set(name, value, now)
            case SetRegister(number, value):
                self.settings.registers[number] = value
            case ShowRegister(number):
                self._say(f"{self.settings.registers.get(number, 0):03}")
            case Extended("MS", None):
                self._say(f"+MS: {self.settings.most}")
            case Extended("MS", values) if values and self.settings.modulate(*values):
                pass
            case Extended():
                raise BadCommand(command.name)
            case Dial(steps):
                return self._dial(steps, now)
            case Answer():
                if self.phase is Phase.ESCAPED:
                    raise BadCommand("A")
                self._answer(now)
                return None
        return Result.OK

    def _set(self, name: str, value: int, now: float) -> Result | None:
        match name:
            case "H" if value == 1:
                raise BadCommand(name)  # off hook without dialling: nobody needs it, and it blocks the line
            case "H":
                self._hang_up("ATH", now)
            case "O":
                return self._online(now)
            case "Z" | "&F":
                if name == "Z":
                    self._hang_up("ATZ", now)
                self.settings.reset()
            case "F":
                self.settings.force(value)
            case "I":
                self._say("METERSIM MODEM")
            case _:
                self.settings.letters[name] = value
        return Result.OK

    def _online(self, now: float) -> Result | None:
        if self.phase is not Phase.ESCAPED or self._carrier is None:
            raise BadCommand("O")
        self.phase = Phase.DATA
        self._escape = EscapeWatch(now)
        if not self.settings.quiet:
            self._say(connect(self._carrier, level=self.settings.letters["X"], verbose=self.settings.verbose))
        return None

    # -- calls

    def _dial(self, steps: str, now: float) -> Result | None:
        if self.phase is Phase.ESCAPED:
            raise BadCommand("D")
        self._plan = wanted = plan(steps, self.settings)
        if self._guarded(wanted.number, now):
            return None
        self._rang_back = False
        self.phase = Phase.DIALLING
        self._events.append(OffHook())
        listens = self.settings.letters["X"] in HEARS_DIAL_TONE
        blind_s = max(2, self.settings.registers[6])
        if listens:
            self._timers["no_tone"] = now + blind_s + _TONE_S
        else:
            self._timers["dialled"] = now + blind_s + wanted.seconds
        return None

    def _guarded(self, number: str, now: float) -> bool:
        """Whether the modem itself does not let this number be dialled now."""
        text, self._answer_to = self._answer_to, None
        if text == "DELAYED":
            self._delayed[number] = now + self.model.redial_s
        elif text == "BLACKLISTED":
            self._delayed[number] = float("inf")
        elif text == "ERROR":
            raise BadCommand(text)
        until = self._delayed.get(number, now)
        if until <= now:
            return False
        left = ceil(until - now) if until != float("inf") else 0
        self._say(f"DELAYED {left // 3600:02}:{left // 60 % 60:02}:{left % 60:02}" if left else "BLACKLISTED")
        self._deaf_until = now + self.model.recovery_s
        return True

    def _answer(self, now: float) -> None:
        self.phase = Phase.WAITING
        self._timers.pop("ring_stops", None)
        self._timers["no_carrier"] = now + self.settings.registers[7]
        self._plan = None
        self._events.append(Answered())

    def _hang_up(self, why: str, now: float, result: Result | None = None) -> None:
        """Give the line back, if it has one, and say why."""
        if self.off_hook:
            self._events.append(OnHook(why))
        for name in ("no_tone", "dialled", "no_carrier", "carrier_gone", "idle", "escape"):
            self._timers.pop(name, None)
        self.phase = Phase.COMMAND
        self._carrier = None
        self._prefix = self._line = ""
        self.settings.registers[1] = 0
        if result is not None:
            self._result(result)
            self._deaf_until = now + self.model.recovery_s

    def _transmit(self, chunk: bytes, now: float) -> None:
        registers = self.settings.registers
        self._escape.sent(chunk, now, character=registers[2], guard_s=self._guard_s)
        self._timers.pop("escape", None)
        due = self._escape.due(self._guard_s)
        if due is not None:
            self._timers["escape"] = due
        if self.settings.letters["&K"] == 4:
            chunk = bytes(octet for octet in chunk if octet not in (0x11, 0x13))
        self._events.append(Transmit(chunk))
        self._watch_activity(now)

    @property
    def _guard_s(self) -> float:
        return self.settings.registers[12] / 50

    def _watch_activity(self, now: float) -> None:
        if tens := self.settings.registers[30]:
            self._timers["idle"] = now + 10 * tens

    # -- timers

    def _on_ok(self, _at: float) -> None:
        self._result(Result.OK)

    def _on_error(self, _at: float) -> None:
        self._result(Result.ERROR)

    def _on_no_tone(self, at: float) -> None:
        self._hang_up("no dial tone", at, Result.NO_DIALTONE)

    def _on_dialled(self, at: float) -> None:
        wanted = self._plan
        assert wanted is not None  # noqa: S101 - set by the command that set the timer
        if wanted.stays:
            self.phase = Phase.COMMAND
            self._events.append(OnHook("dialled, and nobody waits for an answer"))
            self._result(Result.OK)
            return
        self.phase = Phase.WAITING
        self._timers["no_carrier"] = at + self.settings.registers[7]
        self._events.append(Dialled(wanted.number))

    def _on_no_carrier(self, at: float) -> None:
        hears = self._plan is not None and (self._plan.listens or self.settings.letters["X"] in HEARS_BUSY)
        silent = self._rang_back and hears
        self._hang_up("no carrier in time", at, Result.NO_ANSWER if silent else Result.NO_CARRIER)

    def _on_carrier_gone(self, at: float) -> None:
        self._hang_up("the carrier is lost", at, Result.NO_CARRIER)

    def _on_idle(self, at: float) -> None:
        self._hang_up("nothing was sent for the time of S30", at, Result.NO_CARRIER)

    def _on_escape(self, at: float) -> None:
        self.phase = Phase.ESCAPED
        self._prefix = self._line = ""
        self._result(Result.OK)
        self._deaf_until = at

    def _on_ring_stops(self, _at: float) -> None:
        self.ringing = False
        self.settings.registers[1] = 0

    def _on_dtr(self, at: float) -> None:
        what = self.settings.letters["&D"]
        if what == 0:
            return
        if what == 1:
            if self.phase is Phase.DATA:
                self._on_escape(at)
            return
        if self.off_hook:
            self._hang_up("DTR dropped", at, Result.OK if self._carrier else Result.NO_CARRIER)
        if what == 3:
            self.settings.reset()

    # -- words

    def _result(self, result: Result) -> None:
        if not self.settings.quiet:
            self._say(result.words if self.settings.verbose else str(result.number))

    def _say(self, text: str) -> None:
        words = framed(text, verbose=self.settings.verbose)
        self._output += sent_as_7e1(words) if self._even_parity else words

    def _told(self) -> list[ModemEvent]:
        events, self._events = self._events, []
        return events
