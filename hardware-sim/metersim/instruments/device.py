"""What the simulated instruments have in common: identity, error queue, strictness. Text in, text or nothing out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal

from drivers.errors import UsageError
from drivers.instruments.schema import InstrumentProfile, Question, State
from metersim.instruments.dialect import Dialect, Heard, Refused
from metersim.instruments.faults import Faults
from metersim.instruments.world import World

_LONGEST_QUEUE = 16
_LATENCY_US = 1000  # what a command takes where time does not run by itself
_LIAR = "ACME,TOASTER,1,1.0"
#: What the instruments of the shipped profiles answer to *IDN?.
IDENTITIES = {
    "metersim-source": "METERSIM,AC-SOURCE,S{seed:04},1.0",
    "metersim-standard": "METERSIM,REFERENCE-STANDARD,R{seed:04},1.0",
    "metersim-counter": "METERSIM,PULSE-COUNTER,C{seed:04},1.0",
    "fluke-5522a": "FLUKE,5522A,{seed:07},1.0+1.0+1.0+*",
    "yokogawa-wt310e": "YOKOGAWA,WT310E,C2{seed:06},F1.02",
    "keysight-53220a": "Keysight Technologies,53220A,MY{seed:08},03.02-1990.2848-1.19",
}
Answer = Callable[[Heard], "str | None"]


def identity_of(profile: InstrumentProfile, seed: int) -> str:
    """Return what an instrument of this profile says of itself. Raises `UsageError` for one that nobody knows."""
    if profile.name not in IDENTITIES:
        raise UsageError(f"what {profile.name} says of itself is not known", advice=f"take {', '.join(IDENTITIES)}")
    return IDENTITIES[profile.name].format(seed=seed)


class Device:
    """One instrument. `meanings`: what each template of its profile does; the others are taken and do nothing."""

    def __init__(self, profile: InstrumentProfile, world: World, faults: Faults) -> None:
        self.profile = profile
        self.world = world
        self.faults = faults
        self._identity = identity_of(profile, world.seed)
        self._errors: deque[tuple[int, str]] = deque()
        self._meanings: dict[str, Answer] = {
            "*IDN?": self._identify,
            "*OPC?": lambda _: "1",
            "*CLS": self._clear,
            "*RST": self._reset,
            profile.identity.ask: self._identify,
            profile.errors.ask: self._oldest_error,
        }
        if profile.errors.clear is not None:
            self._meanings[profile.errors.clear] = self._clear
        if profile.line.finish is not None:
            self._meanings[profile.line.finish] = lambda _: "1"
        self._meanings |= self.meanings()
        self._dialect = Dialect(tuple(self._meanings))

    def meanings(self) -> Mapping[str, Answer]:
        """Return what each command of the profile's own table does."""
        raise AssertionError(self)  # each kind has its own

    def reset(self) -> None:
        """Go to the state of power-on."""

    def hear(self, command: str) -> str | None:
        """Do what a command says and return its answer; None: it has none. An error goes into the queue."""
        self.world.pass_by(_LATENCY_US)
        try:
            heard = self._dialect.hear(command)
            return self._meanings[heard.template](heard)
        except Refused as refused:
            self._queue(refused.code, refused.text)
            return None

    def value(self, number: Decimal, question: Question) -> str:
        """Return an answer with this value, in the unit of the question's key, or what the faults make of it."""
        if self.faults.overrange:
            return "+9.90000000E+37"
        if self.faults.no_value:
            return "+9.91000000E+37"
        if self.faults.words:
            return "three and a bit"
        text = f"{(number / question.factor).normalize():E}{question.suffix}"
        return f"{text} mVA" if self.faults.wrong_units else text

    def _queue(self, code: int, text: str) -> None:
        if len(self._errors) == _LONGEST_QUEUE:
            self._errors[-1] = (-350, "Queue overflow")
        else:
            self._errors.append((code, text))

    def _identify(self, _heard: Heard) -> str:
        return _LIAR if self.faults.liar else self._identity

    def _oldest_error(self, _heard: Heard) -> str:
        code, text = self._errors.popleft() if self._errors else (0, "No error")
        return f'{code:+d},"{text}"'

    def _clear(self, _heard: Heard) -> None:
        self._errors.clear()

    def _reset(self, _heard: Heard) -> None:
        self._errors.clear()
        self.reset()


def told(state: State, *, yes: bool) -> str:
    """Return the answer that means this."""
    return state.yes[0] if yes else state.no[0]


def nothing(_heard: Heard) -> None:
    """Take a command that changes nothing here."""
