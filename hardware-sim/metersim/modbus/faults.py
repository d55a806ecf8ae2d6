"""What may go wrong with a simulated Modbus meter, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from drivers.errors import UsageError

#: Fault → what it does; VALUE is a number where one is named.
FAULTS = {
    "busy": "the first VALUE requests are answered by exception 6, device busy",
    "exception": "every request is answered by exception VALUE",
    "silent": "the first VALUE requests are not answered",
    "slow_ms": "answers come after VALUE milliseconds",
    "late": "the first VALUE requests are answered only together with the next one",
    "wrong_transaction": "answers carry another transaction (TCP) or are damaged (RTU); the first VALUE of them",
    "wrong_unit": "answers come from another unit; the first VALUE of them",
    "short": "answers have one register less than was asked for; the first VALUE of them",
    "garble": "answers are damaged on the wire; the first VALUE of them",
    "cut": "the connection is cut instead of the VALUEth answer",
    "torn": "counters are read across a carry; the first VALUE looks at them",
    "specials": "the first float is NaN, the second infinite",
    "absent": "registers of the meter's first counter are not there",
    "most": "more than VALUE registers at a time are refused",
}


@dataclass(frozen=True, slots=True)
class Faults:
    """Counts and switches; 0 is off."""

    busy: int = 0
    exception: int = 0
    silent: int = 0
    slow_ms: int = 0
    late: int = 0
    wrong_transaction: int = 0
    wrong_unit: int = 0
    short: int = 0
    garble: int = 0
    cut: int = 0
    torn: int = 0
    specials: int = 0
    absent: int = 0
    most: int = 0


def parse_faults(texts: Sequence[str]) -> Faults:
    """Return what `NAME[=VALUE]` texts ask for; without a value it is 1. Raises `UsageError`."""
    faults = Faults()
    known = {field.name for field in fields(Faults)}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in known:
            raise UsageError(f"there is no fault {name!r}", advice=f"known: {', '.join(sorted(known))}")
        if value and not (value.isascii() and value.isdecimal() and len(value) < 7):
            raise UsageError(f"--fault {text}: {value!r} is no number")
        faults = replace(faults, **{name: int(value or 1)})
    return faults


def faults_help() -> str:
    """Return one line for each fault."""
    return "\n".join(f"  {name:<18} {what}" for name, what in FAULTS.items())
