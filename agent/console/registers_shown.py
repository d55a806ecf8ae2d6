"""The registers of a reading as a person compares them with the meter: grouped, in order, digit by digit, exact."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from agent.console.text import Texts
from agent.reading import RegisterPart

_KINDS = ("cumulative", "demand", "cumulative_demand", "coincident", "instantaneous")


@dataclass(frozen=True, slots=True)
class RegisterShown:
    """One register. `shown` is what stands in large digits: of the display where its dials are known, else the value.

    `whole` and `places` are the digits of `shown`: as dials one by one, else in groups of three. `value`, as in the
    document, is set where it says more than `shown`.
    """

    name: str
    shown: str
    unit: str
    whole: tuple[str, ...]
    places: str
    dials: bool
    main: bool  # a total of energy, or a maximum over all rates: what is compared first
    value: str = ""
    multiplier: str = ""
    occurred_at: datetime | None = None

    @property
    def length(self) -> str:
        """How large it can stand on a narrow screen."""
        digits = len(self.shown)
        return "" if digits <= 9 else "long" if digits <= 12 else "longest"


@dataclass(frozen=True, slots=True)
class RegisterGroup:
    """Registers that stand together: those of now, of the last demand reset, of a self read."""

    name: str
    ended_at: datetime | None
    registers: tuple[RegisterShown, ...]


def groups_of(registers: Iterable[RegisterPart], texts: Texts) -> tuple[RegisterGroup, ...]:
    """Return the registers in groups, the present one first; in each, energy before demand, totals before rates."""
    groups: dict[tuple[str, str, int], list[RegisterPart]] = {}
    for register in registers:
        groups.setdefault((register.period, register.season, register.self_read or 0), []).append(register)
    return tuple(_group(key, groups[key], texts) for key in sorted(groups, key=_earlier))


def _earlier(key: tuple[str, str, int]) -> tuple[int, int, int]:
    period, season, self_read = key
    return ("present", "previous_reset", "self_read").index(period), int(season == "previous"), -self_read


def _group(key: tuple[str, str, int], registers: list[RegisterPart], texts: Texts) -> RegisterGroup:
    period, season, self_read = key
    name = texts(f"register.{period}", number=self_read)
    if season == "previous":
        name = texts("register.present_before" if period == "present" else "register.season_before", group=name)
    ended = next((register.period_end for register in registers if register.period_end), None)
    ordered = sorted(registers, key=lambda one: (_KINDS.index(one.kind), one.tier))
    return RegisterGroup(name, _time(ended), tuple(_shown(register, texts) for register in ordered))


def _shown(register: RegisterPart, texts: Texts) -> RegisterShown:
    by_dials = register.dials is not None and register.raw.replace(".", "", 1).isdigit()
    shown = register.raw if by_dials or register.value is None else register.value
    whole, _, places = shown.partition(".")
    value = "" if register.value is None or register.value == shown else register.value
    factor = register.multiplier if value and register.multiplier != "1" else ""
    return RegisterShown(
        name=name_of(register, texts),
        shown=shown,
        unit=register.unit,
        whole=tuple(whole) if by_dials else _threes(whole),
        places=places,
        dials=by_dials,
        main=register.tier == 0 and register.kind in {"cumulative", "demand"},
        value="" if by_dials and not factor and _plain(shown) == value else value,
        multiplier=factor,
        occurred_at=_time(register.occurred_at),
    )


def name_of(register: RegisterPart, texts: Texts) -> str:
    """Return what a register is called: `kWh delivered, rate 2`, `kW delivered, maximum`."""
    at_once = register.kind == "instantaneous" and register.direction == "total"
    words = [register.quantity if at_once else texts(f"register.{register.direction}", quantity=register.quantity)]
    if register.kind == "demand":
        words.append(texts("register.minimum" if register.extreme == "minimum" else "register.maximum"))
    elif register.kind != "cumulative":
        words.append(texts("register.running" if register.continuous else f"register.{register.kind}"))
    if register.tier:
        words.append(texts("register.rate", number=register.tier))
    if register.phase:
        words.append(texts("register.phase", phase=register.phase))
    if register.occurrence:
        words.append(texts("register.occurrence", number=register.occurrence + 1))
    return ", ".join(words)


def _threes(whole: str) -> tuple[str, ...]:
    """Cut a whole number into groups of three digits; another text stays as it is."""
    if not whole.lstrip("-").isdigit():
        return (whole,)
    first = len(whole) % 3
    cut = [whole[:first]] if first else []
    groups = [*cut, *(whole[at : at + 3] for at in range(first, len(whole), 3))]
    return (groups[0] + groups[1], *groups[2:]) if groups[0] == "-" else tuple(groups)


def _plain(digits: str) -> str:
    """Return a number without the zeros that only fill dials."""
    whole, point, places = digits.partition(".")
    places = places.rstrip("0")
    return (whole.lstrip("0") or "0") + (f"{point}{places}" if places else "")


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
