"""One case of the soak: a meter, a line and a reader, all from one number."""

# ruff: noqa: S311 - repeatable, not secret

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

from drivers.memory import LineMemory
from drivers.psem.meter import MeterLimits
from drivers.psem.options import PsemOptions, Timing
from tests.soak.faults import Rates
from tests.soak.faulty_line import Mishaps
from tests.soak.meters import SCENARIOS

Kind = Literal["visit", "tables"]

_WORST = 0.03
_NETWORK_TIMING = Timing(inter_character_s=2.0)


@dataclass(frozen=True, slots=True)
class Case:
    """`pure`: nothing happens but flips or losses, evenly, at one rate; such sessions must come home."""

    seed: str
    kind: Kind
    pure: bool
    scenario: str
    rates: Rates
    mishaps: Mishaps
    limits: MeterLimits
    options: PsemOptions
    remembered: LineMemory
    baud: int
    echo: bool
    toggles: bool
    piece: int
    meter_timing: Timing = field(default_factory=Timing)
    password: bool = True
    offsets: bool = True
    strict: bool = True

    @property
    def random(self) -> Random:
        """A fresh generator of this case: the same each time."""
        return Random(self.seed)


def case(base: str, number: int) -> Case:
    """Return case `number` of the soak that `base` names."""
    random = Random(f"{base}/{number}")
    pure = random.random() < 0.4
    toggles = pure or random.random() < 0.95
    network = not pure and random.random() < 0.2
    rates = _pure(random) if pure else _mixed(random)
    baud = 0 if network else 9600
    options = _options(random, network=network)
    if not toggles and random.random() < 0.8:
        options = replace(options, toggles=False)
    return Case(
        seed=f"{base}/{number}/run",
        kind="visit" if random.random() < 0.4 else "tables",
        pure=pure,
        scenario=random.choice(SCENARIOS),
        rates=rates,
        mishaps=Mishaps() if pure else _mishaps(random),
        limits=_limits(random),
        options=options,
        remembered=_remembered(random),
        baud=baud,
        echo=random.random() < 0.25,
        toggles=toggles,
        piece=random.choice((0, 0, 0, 0, 64, 16)),
        meter_timing=_NETWORK_TIMING if network else Timing(),
        password=random.random() < 0.8,
        offsets=pure or random.random() < 0.9,
        strict=random.random() < 0.7,
    )


def _rate(random: Random) -> float:
    """More than half of the sessions up to 0.3 %, the others above; some of each at the goals themselves."""
    return random.choice(
        (
            0.0,
            0.001,
            0.003,
            0.02,
            random.uniform(0, 0.003),
            random.uniform(0, 0.003),
            *(random.uniform(0.003, _WORST) for _ in range(3)),
        )
    )


def _pure(random: Random) -> Rates:
    rate = _rate(random)
    return Rates(flip=rate) if random.random() < 0.5 else Rates(lose=rate)


def _mixed(random: Random) -> Rates:
    rate = _rate(random)
    shares = [random.random() if random.random() < 0.6 else 0.0 for _ in range(4)]
    total = sum(shares) or 1.0
    flip, lose, insert, burst = (rate * share / total for share in shares)
    return Rates(
        flip=flip,
        lose=lose,
        insert=insert,
        burst=burst / 8,
        copy=random.choice((0.0, 0.0, 0.01, 0.05)),
        drop_ack=random.choice((0.0, 0.0, 0.01, 0.05)),
        late=random.choice((0.0, 0.0, 0.01, 0.1)),
        late_s=random.choice((0.1, 1.0, 3.0)),
    )


def _mishaps(random: Random) -> Mishaps:
    forgets = sorted(random.randrange(1, 60) for _ in range(random.choice((0, 0, 1, 2))))
    silent = random.random() < 0.1
    return Mishaps(
        forgets_after=tuple(forgets),
        silent_after=random.randrange(1, 40) if silent else 0,
        silent_s=random.uniform(0.5, 30) if silent else 0.0,
        lost_after=random.randrange(1, 40) if random.random() < 0.05 else 0,
    )


def _limits(random: Random) -> MeterLimits:
    bauds = random.choice(((9600,), (9600,), (9600, 19200), (9600, 19200, 57600), (4800, 9600)))
    return MeterLimits(
        packet_size=random.choice((64, 128, 200, 256, 512, 1024, 4096)),
        packets=random.choice((1, 4, 16, 255)),
        bauds=bauds,
        refused=frozenset({0x60}) if random.random() < 0.1 else frozenset(),
        identify_again=random.random() < 0.7,
    )


def _options(random: Random, *, network: bool) -> PsemOptions:
    return PsemOptions(
        timing=_NETWORK_TIMING if network else Timing(),
        user="SOAK",
        user_id=2,
        packet_size=random.choice((64, 128, 256, 512, 1024, 1024, 2048, 8192)),
        packets=random.choice((1, 8, 255, 255)),
        bauds=random.choice(((), (), (19200,), (57600, 19200))),
        negotiate=random.random() < 0.95,
        logoff=random.random() < 0.9,
    )


def _remembered(random: Random) -> LineMemory:
    if random.random() < 0.5:
        return LineMemory()
    return LineMemory(
        packet_size=random.choice((0, 64, 128, 512, 1024, 5000)),
        packets=random.choice((0, 1, 255)),
        baud=random.choice((0, 9600, 19200, 57600)),
        negotiates=random.choice((None, True, False)),
    )
