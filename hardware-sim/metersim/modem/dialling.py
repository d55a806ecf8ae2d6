"""How long a number takes to dial, and what the modem listens for meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from metersim.modem.settings import ModemSettings

_DIGITS: Final = frozenset("0123456789*#ABCD")
_TONE_HEARD_S: Final = 1.0  # a dial tone is recognised in this time
_FLASH_S: Final = 0.5
_PULSE_S: Final = 0.1
_BETWEEN_PULSES_S: Final = 0.7


@dataclass(frozen=True, slots=True)
class DialPlan:
    """A dial string, understood."""

    number: str
    seconds: float  # from the dial tone, or the blind wait, to the last digit
    listens: bool = False  # `@`: for silence, which tells a line that rings from one that is answered
    stays: bool = False  # `;`: back to commands, without waiting for a carrier


def plan(steps: str, settings: ModemSettings) -> DialPlan:
    """Work out a dial string such as `T9,5550100`."""
    number, seconds, pulses = "", 0.0, False
    for step in steps:
        if step in "TP" and not step.isdigit():
            pulses = step == "P"
        elif step in _DIGITS:
            number += step
            seconds += _digit_s(step, settings, pulses=pulses)
        elif step == ",":
            seconds += settings.registers[8]
        elif step == "W":
            seconds += _TONE_HEARD_S
        elif step == "!":
            seconds += _FLASH_S
    return DialPlan(number, seconds, listens="@" in steps, stays=steps.endswith(";"))


def _digit_s(digit: str, settings: ModemSettings, *, pulses: bool) -> float:
    if pulses and digit.isdigit():
        return (int(digit) or 10) * _PULSE_S + _BETWEEN_PULSES_S
    return 2 * max(50, settings.registers[11]) / 1000
