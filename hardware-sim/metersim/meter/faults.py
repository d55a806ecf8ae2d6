"""What can be made to go wrong: `--fault NAME[=VALUE]`, repeatable. One declaration serves help and parsing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from drivers.errors import UsageError
from drivers.psem.codes import ResponseCode
from metersim.meter.model import Mishaps

Value = object


@dataclass(frozen=True, slots=True)
class Faults:
    """Everything that goes wrong with one meter and its line. The default is a perfect world."""

    mishaps: Mishaps = field(default_factory=Mishaps)
    garble: float = 0.0  # probability for each byte, both directions
    lose: float = 0.0
    silence_after: int | None = None  # bytes sent; 0: never says a word
    drop_after: int | None = None
    late_s: float = 0.0
    nonsense: bool = False
    bad_checksum: int = 0
    no_toggle: bool = False
    wrong_password: bool = False
    busy: int = 0
    dnr: int = 0
    isss_after: int | None = None
    packet_size: int | None = None
    no_negotiate: bool = False
    refuse: Mapping[int, ResponseCode] = field(default_factory=dict)
    truncate: Mapping[int, int | None] = field(default_factory=dict)  # table → octets left; None: half
    wrong_size: frozenset[int] = frozenset()


def _flag(_text: str) -> bool:
    return True


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number < 1 << 31:
        raise ValueError
    return number


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 <= rate <= 1:
        raise ValueError
    return rate


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        raise ValueError
    return seconds


def _offset(text: str) -> Decimal:
    offset = Decimal(text)
    if not abs(offset) <= 10_000_000:
        raise ValueError
    return offset


def _packet_size(text: str) -> int:
    size = int(text)
    if not 64 <= size <= 8192:
        raise ValueError
    return size


def _meter_id(text: str) -> str:
    if not 1 <= len(text) <= 20 or not text.isascii():
        raise ValueError
    return text


def _table(text: str) -> int:
    digits = text.upper().removeprefix("ST")
    if not digits.isdigit() or int(digits) > 2039:
        raise ValueError
    return int(digits)


def _cut(text: str) -> tuple[int, int | None]:
    table, _, octets = text.partition(":")
    return _table(table), _count(octets) if octets else None


def _refusal(text: str) -> tuple[int, ResponseCode]:
    table, _, code = text.partition(":")
    return _table(table), ResponseCode[code.upper()] if code else ResponseCode.IAR


@dataclass(frozen=True, slots=True)
class Fault:
    """One name: what it takes, what stands in when no value is given (None: a value is needed), what it does."""

    name: str
    value: str
    parse: Callable[[str], Value]
    default: str | None
    help: str


#: Everything that `--fault` knows, in the order in which `--help` shows it.
FAULTS: tuple[Fault, ...] = (
    Fault("garble", "RATE", _rate, None, "each byte, both ways, is damaged with this probability"),
    Fault("lose", "RATE", _rate, None, "each byte, both ways, is lost with this probability"),
    Fault("silence", "", _flag, "", "never answers"),
    Fault("silence_after", "N", _count, None, "falls silent for good after N bytes sent"),
    Fault("drop_after", "N", _count, None, "closes the line after N bytes sent, once"),
    Fault("late", "SECONDS", _seconds, None, "every packet leaves this much later"),
    Fault("nonsense", "", _flag, "", "packets with good CRCs and random contents"),
    Fault("bad_checksum", "N", _count, "1", "the first N table replies have a wrong table checksum"),
    Fault("no_toggle", "", _flag, "", "the toggle bit never moves"),
    Fault("wrong_password", "", _flag, "", "refuses every password"),
    Fault("busy", "N", _count, "3", "BSY to the first N of Identify, Logon, Security, reads and writes"),
    Fault("dnr", "N", _count, "3", "DNR to the first N reads"),
    Fault("isss_after", "N", _count, None, "forgets the session after N requests, once"),
    Fault("small_packets", "SIZE", _packet_size, "64", "negotiates packets of no more than SIZE"),
    Fault("no_negotiate", "", _flag, "", "SNS to Negotiate"),
    Fault("refuse", "STnn[:CODE]", _refusal, None, "answers CODE (IAR) to reads of this table"),
    Fault("truncate", "STnn[:N]", _cut, None, "the table ends after N octets (half of it)"),
    Fault("wrong_size", "STnn", _table, None, "the table is three octets longer than ST00 and ST61 say"),
    Fault("wrong_meter_id", "ID", _meter_id, "99999999", "the meter identifies itself as ID"),
    Fault("test_mode", "", _flag, "", "in test mode for 45 minutes"),
    Fault("pulse_overflow", "", _flag, "", "one interval, five hours ago, had more pulses than its item holds"),
    Fault("missing_intervals", "N", _count, "3", "N intervals, eight hours ago, were not recorded"),
    Fault("power_outage", "", _flag, "", "the service was off for 47 minutes, four hours ago"),
    Fault("clock_offset", "SECONDS", _offset, None, "the meter's clock is this far ahead"),
)
_BY_NAME = {fault.name: fault for fault in FAULTS}


def parse_faults(texts: Iterable[str]) -> Faults:
    """Return the faults of these `NAME[=VALUE]`. Raises `UsageError` naming the one that is wrong."""
    given: dict[str, list[Value]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        fault = _BY_NAME.get(name)
        if fault is None:
            raise UsageError(f"no fault is called {name}", advice=f"there are {', '.join(_BY_NAME)}")
        if (equals and not fault.value) or (not equals and fault.default is None):
            raise UsageError(f"fault {name}: " + ("takes no value" if equals else f"needs ={fault.value}"))
        try:
            parsed = fault.parse(value if equals else fault.default or "")
        except (ValueError, KeyError, InvalidOperation) as error:
            raise UsageError(f"fault {name}: {value} is no {fault.value}") from error
        given.setdefault(name, []).append(parsed)
    return _assembled(given)


def _assembled(given: Mapping[str, list[Value]]) -> Faults:
    last = {name: values[-1] for name, values in given.items()}
    mishaps = Mishaps(
        meter_id=last.pop("wrong_meter_id", None),  # type: ignore[arg-type]
        test_mode=bool(last.pop("test_mode", False)),
        pulse_overflow=bool(last.pop("pulse_overflow", False)),
        missing_intervals=last.pop("missing_intervals", 0),  # type: ignore[arg-type]
        power_outage=bool(last.pop("power_outage", False)),
        clock_offset_s=last.pop("clock_offset", None),  # type: ignore[arg-type]
    )
    if last.pop("silence", False):
        last["silence_after"] = 0
    for name, attribute in (("late", "late_s"), ("small_packets", "packet_size")):
        if name in last:
            last[attribute] = last.pop(name)
    for name in ("refuse", "truncate"):
        if name in last:
            last[name] = dict(given[name])  # type: ignore[arg-type]
    if "wrong_size" in last:
        last["wrong_size"] = frozenset(given["wrong_size"])
    return Faults(mishaps=mishaps, **last)  # type: ignore[arg-type]


def faults_help() -> str:
    """One line for each fault, for `metersim meter --help`."""
    shown = [(f"{f.name}{f'={f.value}' if f.value else ''}", f) for f in FAULTS]
    return "\n".join(f"  {left:<24} {f.help}{f' (default {f.default})' if f.default else ''}" for left, f in shown)
