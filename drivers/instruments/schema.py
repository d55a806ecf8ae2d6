"""What an instrument profile may say: every key and its bounds.

`firmware_profiles/instruments/README.md` explains them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from drivers.profiles.section import DecimalText, FileName, Section, Status, Text

Kind = Literal["source", "standard", "counter"]
Command = Annotated[
    str, Meta(pattern=r"^[ -~]{1,200}$", description="a command: 1 to 200 printable ASCII characters, no line end")
]
Answer = Annotated[str, Meta(pattern=r"^[ -~]{1,64}$", description="an answer: 1 to 64 printable ASCII characters")]
Termination = Literal["\n", "\r\n", "\r"]
Seconds = Annotated[float, Meta(gt=0, le=120)]


class Line(Section, frozen=True, kw_only=True):
    """`[line]`: how commands and answers end, and how long an answer may take."""

    send: Termination = "\n"
    receive: Termination = "\n"
    timeout_s: Seconds = 3.0
    baud: Annotated[int, Meta(ge=300, le=921_600)] | None = None  # of a serial line (ASRL resources)
    finish: Command | None = None  # answered with 1 when what was sent before is done, e.g. *OPC?


class Identify(Section, frozen=True, kw_only=True):
    """`[identity]`: the answer to `ask` has the four fields of IEEE 488.2 and begins with a match of `pattern`."""

    ask: Command = "*IDN?"
    pattern: Text


class Errors(Section, frozen=True, kw_only=True):
    """`[errors]`: how the oldest error is asked for; its answer begins with a number, 0 for none."""

    ask: Command = "SYST:ERR?"
    clear: Command | None = "*CLS"


class Question(Section, frozen=True, kw_only=True):
    """A value: what asks for it, the unit that stands behind the number (nothing: none may), and its scale.

    The number times `scale` is the value in the unit of the key: Wh, s, V, A, Hz, W, or a count.
    """

    ask: Command
    suffix: Annotated[str, Meta(pattern=r"^[A-Za-z%]{0,8}$", description="letters of a unit, at most 8")] = ""
    scale: DecimalText = "1"

    @property
    def factor(self) -> Decimal:
        """`scale` as a number."""
        return Decimal(self.scale)


class State(Section, frozen=True, kw_only=True):
    """A yes or no: what asks for it, and every answer that means yes and no (case does not matter)."""

    ask: Command
    yes: tuple[Answer, ...]
    no: tuple[Answer, ...]


class Range(Section, frozen=True, kw_only=True):
    """What a setting can be: from `min` to `max` in whole multiples of `step`."""

    min: DecimalText
    max: DecimalText
    step: DecimalText


class Source(Section, frozen=True, kw_only=True):
    """`[source]`: an AC source of voltage and current (a phantom load). `settings` are sent in their order.

    They hold {volts}, {amps}, {frequency_hz} and {phase_deg} or {power_factor}. `lagging`: the sign of {phase_deg} for
    a current behind its voltage. `watchdog` holds {seconds}: the source turns off if it hears nothing for so long;
    any command feeds it.
    """

    settings: Annotated[tuple[Command, ...], Meta(min_length=1, max_length=12)]
    on: Command
    off: Command
    state: State
    volts: Range
    amps: Range
    frequency_hz: Range
    power_factor_min: DecimalText = "0"
    lagging: Literal["positive", "negative"] = "positive"
    lockout: State | None = None
    watchdog: Command | None = None
    measured_volts: Question | None = None
    measured_amps: Question | None = None


class Accuracy(Section, frozen=True, kw_only=True):
    """`accuracy`: limits of error of an energy, ± (`percent` of the reading + `absolute_wh`)."""

    percent: DecimalText
    absolute_wh: DecimalText = "0"


class Standard(Section, frozen=True, kw_only=True):
    """`[standard]`: a reference standard of active energy. `resolution_wh`: the last digit of an energy that it gives.

    `pulses_per_wh`: what its pulse output gives, which a counter may count within the gate of the meter's pulses.
    """

    prepare: tuple[Command, ...] = ()
    reset: Command
    start: Command
    stop: Command
    energy_wh: Question
    elapsed_s: Question | None = None
    watts: Question | None = None
    accuracy: Accuracy
    resolution_wh: DecimalText
    pulses_per_wh: DecimalText | None = None


class Counter(Section, frozen=True, kw_only=True):
    """`[counter]`: counts the meter's test pulses. `arm` holds {pulses}: the gate opens with the next pulse, which is
    not counted, and closes with the last of so many after it.

    `reference`: pulses of the standard within that gate. `gate_s`: how long it was open. `counts_opening`: the pulse
    that opens the gate is in `count` too, and is taken off.
    """

    prepare: tuple[Command, ...] = ()
    arm: Annotated[tuple[Command, ...], Meta(min_length=1, max_length=8)]
    disarm: Command
    count: Question
    counts_opening: bool = False
    most_pulses: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    done: State | None = None
    reference: Question | None = None
    gate_s: Question | None = None


class InstrumentProfile(Section, frozen=True, kw_only=True):
    """One file of `firmware_profiles/instruments/`. Exactly the table that `kind` names is there."""

    name: FileName
    title: Text
    kind: Kind
    status: Status
    note: Text | None = None
    line: Line = Line()
    identity: Identify
    errors: Errors = Errors()
    source: Source | None = None
    standard: Standard | None = None
    counter: Counter | None = None
