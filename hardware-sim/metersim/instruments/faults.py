"""What may go wrong with simulated instruments, by name. `INSTRUMENT:NAME[=VALUE]`, or for all three without a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from drivers.errors import UsageError

KINDS = ("source", "standard", "counter")
#: Fault → what it does; VALUE is a number where one is named.
FAULTS = {
    "silent": "the VALUEth question, and every one after it, is not answered",
    "silent_once": "the VALUEth question is answered only together with the next one",
    "garbage": "the VALUEth question, and every one after it, is answered with octets that are no text",
    "twice": "the VALUEth question, and every one after it, is answered twice",
    "endless": "the VALUEth question is answered without an end",
    "words": "values are answered with text that is no number",
    "overrange": "values are answered with 9.9E37",
    "no_value": "values are answered with 9.91E37, not a number",
    "wrong_units": "values are answered with a unit behind them",
    "lost": "the connection is closed instead of the VALUEth answer, and again each time",
    "lost_once": "the connection is closed instead of the VALUEth answer",
    "liar": "it says that it is another instrument",
    "latched": "the source's output stays on, whatever it is told",
    "pretends": "the source says that its output is off while it is on",
    "stuck_off": "the source's output does not go on",
    "locked": "the source is in lockout: it refuses to go on",
    "deaf": "settings are refused with -222, whatever they are",
}


@dataclass(frozen=True, slots=True)
class Faults:
    """Numbers and switches of one instrument; 0 is off."""

    silent: int = 0
    silent_once: int = 0
    garbage: int = 0
    twice: int = 0
    endless: int = 0
    words: int = 0
    overrange: int = 0
    no_value: int = 0
    wrong_units: int = 0
    lost: int = 0
    lost_once: int = 0
    liar: int = 0
    latched: int = 0
    pretends: int = 0
    stuck_off: int = 0
    locked: int = 0
    deaf: int = 0


def parse_faults(texts: Sequence[str]) -> dict[str, Faults]:
    """Return the faults of each instrument that `[INSTRUMENT:]NAME[=VALUE]` texts ask for. Raises `UsageError`."""
    faults = dict.fromkeys(KINDS, Faults())
    known = {field.name for field in fields(Faults)}
    for text in texts:
        whole, _, value = text.partition("=")
        kind, colon, name = whole.rpartition(":")
        if colon and kind not in KINDS:
            raise UsageError(f"--fault {text}: there is no {kind!r}", advice=f"there are {', '.join(KINDS)}")
        if name not in known:
            raise UsageError(f"there is no fault {name!r}", advice=f"known: {', '.join(sorted(known))}")
        if value and not (value.isascii() and value.isdecimal() and len(value) < 7):
            raise UsageError(f"--fault {text}: {value!r} is no number")
        for one in (kind,) if colon else KINDS:
            faults[one] = replace(faults[one], **{name: int(value or 1)})
    return faults


def faults_help() -> str:
    """Return one line for each fault."""
    return "\n".join(f"  {name:<12} {what}" for name, what in FAULTS.items())
