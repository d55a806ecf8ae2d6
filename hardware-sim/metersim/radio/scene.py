"""Which meters send what, when, and what goes wrong: a scene, and the truth about it."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from drivers.errors import UsageError
from metersim.radio.frames import Frame, Load, idm, netidm, scm, scmplus
from metersim.radio.samples import Air, Ether, Sent

GAP_S = 0.015  # between two frames: closer ones merge in the receiver
WIDTH = {"scm": 24, "scmplus": 32, "idm": 32, "netidm": 32}
LARGEST_ID = {"scm": (1 << 26) - 1}


@dataclass(slots=True)
class Meter:
    """One meter on the air. `rise`: counts that it advances by from one SCM or SCM+ to the next."""

    message: str
    meter_id: int
    count: int
    rise: int = 0
    ert_type: int | None = None
    tamper: int = 0
    load: Load = field(default_factory=lambda: Load(tuple(range(1, 11))))
    generation: int = 0

    def frame(self) -> Frame:
        """Return what it sends now."""
        count = self.count % (1 << WIDTH[self.message])
        if self.message == "scm":
            kind = 7 if self.ert_type is None else self.ert_type
            return scm(self.meter_id, count, ert_type=kind & 15, physical=self.tamper & 3, encoder=self.tamper >> 2 & 3)
        if self.message == "scmplus":
            return scmplus(self.meter_id, count, ert_type=_or(self.ert_type, 0x9C), tamper=self.tamper)
        tamper = self.tamper.to_bytes(6, "big")
        if self.message == "idm":
            return idm(self.meter_id, count, self.load, ert_type=_or(self.ert_type, 0x17), tamper=tamper)
        kind = _or(self.ert_type, 0x18)
        return netidm(self.meter_id, count, self.load, generation=self.generation, ert_type=kind, tamper=tamper)

    def advance(self) -> None:
        """Count on. The register of interval messages stands still for an interval, longer than any scene."""
        if self.message in {"scm", "scmplus"}:
            self.count += self.rise


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong on the air. Numbers are of frames, spread over the scene; ids are of meters."""

    foreign: int = 0  # other meters, one message of each
    bad_checks: int = 0  # frames with a flipped bit
    collisions: int = 0  # two frames of equal strength at once: both are lost
    clones: tuple[int, ...] = ()  # a second sender with another count uses these ids
    wrap: tuple[int, ...] = ()  # these begin just below the end of their register


@dataclass(frozen=True, slots=True)
class Scene:
    """What is sent in how many samples. `truth` tells of each frame: good ones, in order."""

    sent: tuple[Sent, ...]
    length: int
    truth: tuple[Frame, ...]


def compose(ether: Ether, meters: Sequence[Meter], seconds: float, every_s: float, faults: Faults) -> Scene:
    """Let every meter send about once in `every_s`, one after the other, for so long; the seed decides the order.

    What does not fit into the time is not sent.
    """
    air: Air = ether.air
    chance = random.Random(air.seed + 1)
    placing = _Placing(ether, int(seconds * air.rate), chance)
    rounds = max(1, int(seconds / every_s))
    clones = [
        replace(m, count=m.count + 100_000 + chance.randrange(1000)) for m in meters if m.meter_id in faults.clones
    ]
    for meter in meters:
        if meter.meter_id in faults.wrap:
            meter.count = (1 << WIDTH[meter.message]) - 1
            meter.rise = meter.rise or 1
    extras = [*(("foreign", k) for k in range(faults.foreign)), *(("bad", k) for k in range(faults.bad_checks))]
    extras += [("collision", k) for k in range(faults.collisions)]
    chance.shuffle(extras)
    share = -(-len(extras) // rounds)
    for turn in range(rounds):
        senders = [*meters, *clones]
        chance.shuffle(senders)
        due: list[Meter | str] = [*senders, *(what for what, _ in extras[turn * share : (turn + 1) * share])]
        chance.shuffle(due)
        for one in due:
            _send(placing, one, meters, chance)
    return Scene(tuple(placing.sent), placing.length, tuple(placing.truth))


def _send(placing: _Placing, one: Meter | str, meters: Sequence[Meter], chance: random.Random) -> None:
    if isinstance(one, Meter):
        if placing.place(one.frame()):
            one.advance()
        return
    stranger = scm(chance.randrange(1, 1 << 26), chance.randrange(1 << 24))
    if one == "foreign":
        placing.place(stranger)
    elif one == "bad":
        victim = chance.choice(meters).frame() if meters else stranger
        placing.place(victim.damaged(chance.randrange(16)), good=False)
    else:
        placing.collide(stranger, scm(chance.randrange(1, 1 << 26), chance.randrange(1 << 24)))


class _Placing:
    """Puts frames one after the other."""

    def __init__(self, ether: Ether, length: int, chance: random.Random) -> None:
        self.length = length
        self.sent: list[Sent] = []
        self.truth: list[Frame] = []
        self._ether = ether
        self._gap = int(GAP_S * ether.air.rate)
        self._at = 4 * self._gap  # the receiver first learns how loud the noise is
        self._chance = chance

    def place(self, frame: Frame, *, good: bool = True) -> bool:
        """Send a frame next, on some channel; return whether there is time for it."""
        behind = self._at + self._ether.length(frame)
        if behind + 4 * self._gap > self.length:
            return False
        self.sent.append(Sent(self._at, frame, channel=self._chance.randrange(3)))
        if good:
            self.truth.append(frame)
        self._at = behind + self._gap
        return True

    def collide(self, one: Frame, other: Frame) -> None:
        """Send two frames at once."""
        at = self._at
        if self.place(one, good=False):
            self.sent.append(Sent(at + self._gap // 16, other, channel=1))


def load_meters(path: Path, seed: int, rise: int) -> list[Meter]:
    """Read the meters of a CSV file: `meter_id` and `message`, and `count` or `last_reading` and `multiplier`.

    A read plan will do: other columns are ignored, and so are meters that send pages. Raises `UsageError`.
    """
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    chance = random.Random(seed)
    return [
        meter for number, row in enumerate(rows, 2) for meter in _meter(f"{path}, line {number}", row, chance, rise)
    ]


def _meter(place: str, row: dict[str, str], chance: random.Random, rise: int) -> Iterator[Meter]:
    message = (row.get("message") or "").strip().lower()
    if message == "pager":
        return
    if message not in WIDTH:
        raise UsageError(f"{place}: `message` must be one of {', '.join(WIDTH)}")
    try:
        meter_id = int(row["meter_id"])
        multiplier = Decimal(row.get("multiplier") or 1)
        last = Decimal(row["last_reading"]) if row.get("last_reading") else None
        count = int(row["count"]) if row.get("count") else None
        kind = int(row["type"], 0) if row.get("type") else None
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise UsageError(f"{place}: {error!r}") from error
    if not 0 < meter_id <= LARGEST_ID.get(message, (1 << 32) - 1):
        raise UsageError(f"{place}: {meter_id} is no identification of {message}")
    if count is None:
        count = int(last / multiplier) + 12 if last is not None else chance.randrange(100_000)
    yield Meter(message, meter_id, count, rise, kind)


def _or(given: int | None, default: int) -> int:
    return default if given is None else given
