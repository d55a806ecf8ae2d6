"""What can be made to go wrong: `--fault NAME[=VALUE]`, repeatable. One declaration serves help and parsing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import InvalidOperation

from drivers.errors import UsageError
from drivers.psem.codes import ResponseCode
from metersim.meter import fault_values as values
from metersim.meter.bad_data import BadData
from metersim.meter.model import Mishaps
from metersim.meter.procedure_faults import ProcedureFaults
from metersim.meter.scenario import Scenario

Value = object


@dataclass(frozen=True, slots=True)
class Faults:
    """Everything that goes wrong with one meter and its line. The default is a perfect world."""

    mishaps: Mishaps = field(default_factory=Mishaps)
    bad_data: BadData = field(default_factory=BadData)
    procedures: ProcedureFaults = field(default_factory=ProcedureFaults)
    garble: float = 0.0  # probability for each byte, both directions
    lose: float = 0.0
    insert: float = 0.0
    burst: tuple[float, int] = (0.0, 0)  # probability for each byte to begin one, octets damaged
    silence_after: int | None = None  # bytes sent; 0: never says a word
    drop_after: int | None = None
    late_s: float = 0.0
    slow_answers_s: float = 0.0
    echo: bool = False
    reversed_probe: str = ""  # dark, or reflects what the client sends
    seven_bits: str = ""  # sends: 7E1 outwards only; both: it hears 7E1 too
    iec: str = ""  # sign_on: answers an IEC sign-on; always: answers anything
    duplicate_packets: float = 0.0
    drop_ack: float = 0.0
    nonsense: bool = False
    bad_checksum: int = 0
    no_toggle: bool = False
    wrong_password: bool = False
    wrong_proof: bool = False
    timing_tries: bool = False
    busy: int = 0
    dnr: int = 0
    isss_after: int | None = None
    packet_size: int | None = None
    no_negotiate: bool = False
    shifting_profile: int = 0
    refuse: Mapping[int, ResponseCode] = field(default_factory=dict)
    one_bad_table: Mapping[int, int] = field(default_factory=dict)  # table → code, or `values.GARBAGE`
    truncate: Mapping[int, int | None] = field(default_factory=dict)  # table → octets left; None: half
    lying_size: Mapping[int, int] = field(default_factory=dict)  # table → what its count says too much
    wrong_size: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Fault:
    """One name: what it takes, what stands in when no value is given (None: a value is needed), what it does."""

    name: str
    value: str
    parse: Callable[[str], Value]
    default: str | None
    help: str


_PROBE = values.one_of("dark", "reflects")
_SEVEN = values.one_of("sends", "both")
_IEC = values.one_of("sign_on", "always")
_FLOAT = values.one_of("nan", "inf", "constants")
_BCD = values.one_of("demand", "id", "time")
_DATE = values.one_of("clock", "block", "event")

#: Everything that `--fault` knows, in the order in which `--help` shows it.
FAULTS: tuple[Fault, ...] = (
    Fault("garble", "RATE", values.rate, None, "each byte, both ways, is damaged with this probability"),
    Fault("lose", "RATE", values.rate, None, "each byte, both ways, is lost with this probability"),
    Fault("insert", "RATE", values.rate, None, "a stray byte before each byte, both ways, with this probability"),
    Fault("burst", "RATE[:N]", values.burst, "0.001", "as garble, but N bytes (8) in a row"),
    Fault("silence", "", values.flag, "", "never answers"),
    Fault("silence_after", "N", values.count, None, "falls silent for good after N bytes sent"),
    Fault("drop_after", "N", values.count, None, "closes the line after N bytes sent, once"),
    Fault("late", "SECONDS", values.seconds, None, "every packet leaves this much later"),
    Fault("slow_answers", "SECONDS", values.seconds, "1.5", "ACK at once, the answer half to all of this later"),
    Fault("echo", "", values.flag, "", "the client gets back every byte that it sends, as with --echo"),
    Fault("reversed_probe", "HOW", _PROBE, "reflects", "the meter hears nothing; dark, or the client its own light"),
    Fault("7e1", "HOW", _SEVEN, "sends", "7 data bits, even parity: what it sends, or both ways (then it only NAKs)"),
    Fault("iec", "WHEN", _IEC, "sign_on", "an IEC 62056-21 meter: answers /?! in 7E1, or always whatever it hears"),
    Fault("duplicate_packets", "RATE", values.rate, "1", "packets are sent twice with this probability"),
    Fault("drop_ack", "RATE", values.rate, "0.3", "the meter's ACKs are lost with this probability"),
    Fault("nonsense", "", values.flag, "", "packets with good CRCs and random contents"),
    Fault("bad_checksum", "N", values.count, "1", "the first N table replies have a wrong table checksum"),
    Fault("no_toggle", "", values.flag, "", "the toggle bit never moves"),
    Fault("wrong_password", "", values.flag, "", "refuses every password"),
    Fault("wrong_proof", "", values.flag, "", "Authenticate lets any key in, and answers a wrong proof"),
    Fault("timing_tries", "", values.flag, "", "Timing setup counts tries where it names retries, and wants one"),
    Fault("busy", "N", values.count, "3", "BSY to the first N of Identify, Logon, Security, reads and writes"),
    Fault("dnr", "N", values.count, "3", "DNR to the first N reads"),
    Fault("isss_after", "N", values.count, None, "forgets the session after N requests, once"),
    Fault("small_packets", "SIZE", values.packet_size, "64", "negotiates packets of no more than SIZE"),
    Fault("no_negotiate", "", values.flag, "", "SNS to Negotiate"),
    Fault("shifting_profile", "N", values.count, "1", "an interval ends after each of the first N reads of a profile"),
    Fault("refuse", "STnn[:CODE]", values.refusal, None, "answers CODE (IAR) to reads of this table"),
    Fault("one_bad_table", "STnn[:HH]", values.badness, None, "answers HH (47) or `garbage` to reads of this table"),
    Fault("truncate", "STnn[:N]", values.cut, None, "the table ends after N octets (half of it)"),
    Fault("wrong_size", "STnn", values.table, None, "the table is three octets longer than ST00 and ST61 say"),
    Fault("lying_size", "STnn[:N]", values.surplus, None, "the answer's count says N octets (7) more than come"),
    Fault("zero_length", "STnn", values.table, None, "the table is there and has no octets"),
    Fault("dims_255", "STnn", values.table, "ST21", "ST11, ST21, ST61 or ST71 says FF for every number of entries"),
    Fault("nan_float", "WHAT", _FLOAT, "nan", "the first total in ST23 is nan or inf, or ST15 begins with nan"),
    Fault("bcd_hex", "WHERE", _BCD, "demand", "hexadecimal digits in BCD: a demand, the meter's id or the clock"),
    Fault("feb_31", "WHERE", _DATE, "block", "31 February: in the clock, the newest block or the newest event"),
    Fault("clock_1970", "", values.flag, "", "the clock tables show the first minutes of 1970"),
    Fault("clock_2099", "", values.flag, "", "the clock tables show the end of 2099"),
    Fault("intervals_shuffled", "", values.flag, "", "the blocks of the profile lie in random order"),
    Fault("proc_slow", "N", values.count, "3", "ST08 says `not complete` to the first N looks after each procedure"),
    Fault("proc_refuse", "NN[:RESULT]", values.procedure, None, "standard procedure NN is refused with RESULT (5)"),
    Fault("clock_stuck", "", values.flag, "", "SP10 is answered as done, and the clock goes on as before"),
    Fault("patch", "STnn:N:HEX", values.patch, None, "octets of a table from offset N on are these instead"),
    Fault("wrong_meter_id", "ID", values.meter_id, "99999999", "the meter identifies itself as ID"),
    Fault("test_mode", "", values.flag, "", "in test mode for 45 minutes"),
    Fault("pulse_overflow", "", values.flag, "", "one interval, five hours ago, had more pulses than its item holds"),
    Fault("missing_intervals", "N", values.count, "3", "N intervals, eight hours ago, were not recorded"),
    Fault("power_outage", "", values.flag, "", "the service was off for 47 minutes, four hours ago"),
    Fault("clock_offset", "SECONDS", values.offset, None, "the meter's clock is this far ahead"),
)
_BY_NAME = {fault.name: fault for fault in FAULTS}
_RENAMED = (
    ("late", "late_s"),
    ("slow_answers", "slow_answers_s"),
    ("small_packets", "packet_size"),
    ("7e1", "seven_bits"),
)
_BY_TABLE = ("refuse", "one_bad_table", "truncate", "lying_size")


def parse_faults(texts: Iterable[str]) -> Faults:
    """Return the faults of these `NAME[=VALUE]`; `-` is as good as `_`. Raises `UsageError` naming what is wrong."""
    given: dict[str, list[Value]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        fault = _BY_NAME.get(name.replace("-", "_").lower())
        if fault is None:
            raise UsageError(f"no fault is called {name}", advice=f"there are {', '.join(_BY_NAME)}")
        if (equals and not fault.value) or (not equals and fault.default is None):
            raise UsageError(f"fault {name}: " + ("takes no value" if equals else f"needs ={fault.value}"))
        try:
            parsed = fault.parse(value if equals else fault.default or "")
        except (ValueError, KeyError, InvalidOperation) as error:
            raise UsageError(f"fault {name}: {value} is no {fault.value}") from error
        given.setdefault(fault.name, []).append(parsed)
    return _assembled(given)


def faults_of(scenario: Scenario, texts: Iterable[str] = ()) -> Faults:
    """Return the faults that a scenario has, and those besides. Raises as `parse_faults`."""
    return parse_faults([*scenario.faults, *texts])


def _assembled(given: Mapping[str, list[Value]]) -> Faults:
    last = {name: found[-1] for name, found in given.items()}
    mishaps = Mishaps(
        meter_id=last.pop("wrong_meter_id", None),  # type: ignore[arg-type]
        test_mode=bool(last.pop("test_mode", False)),
        pulse_overflow=bool(last.pop("pulse_overflow", False)),
        missing_intervals=last.pop("missing_intervals", 0),  # type: ignore[arg-type]
        power_outage=bool(last.pop("power_outage", False)),
        clock_offset_s=last.pop("clock_offset", None),  # type: ignore[arg-type]
    )
    bad_data = _bad_data(given, last)
    procedures = ProcedureFaults(
        slow=last.pop("proc_slow", 0),  # type: ignore[arg-type]
        refused=dict(given.get("proc_refuse", ())),  # type: ignore[arg-type]
        clock_stuck=bool(last.pop("clock_stuck", False)),
    )
    last.pop("proc_refuse", None)
    if last.pop("silence", False):
        last["silence_after"] = 0
    for name, attribute in _RENAMED:
        if name in last:
            last[attribute] = last.pop(name)
    for name in _BY_TABLE:
        if name in last:
            last[name] = dict(given[name])  # type: ignore[arg-type]
    if "wrong_size" in last:
        last["wrong_size"] = frozenset(given["wrong_size"])
    return Faults(mishaps=mishaps, bad_data=bad_data, procedures=procedures, **last)  # type: ignore[arg-type]


def _bad_data(given: Mapping[str, list[Value]], last: dict[str, Value]) -> BadData:
    year = 2099 if last.pop("clock_2099", False) else None
    year = 1970 if last.pop("clock_1970", False) else year
    for name in ("zero_length", "dims_255", "patch"):
        last.pop(name, None)
    return BadData(
        zero_length=frozenset(given.get("zero_length", ())),  # type: ignore[arg-type]
        dims_255=frozenset(given.get("dims_255", ())),  # type: ignore[arg-type]
        nan_float=str(last.pop("nan_float", "")),
        bcd_hex=str(last.pop("bcd_hex", "")),
        feb_31=str(last.pop("feb_31", "")),
        clock_year=year,
        shuffled=bool(last.pop("intervals_shuffled", False)),
        patches=tuple(given.get("patch", ())),  # type: ignore[arg-type]
    )


def faults_help() -> str:
    """One line for each fault, for `metersim meter --help`."""
    shown = [(f"{f.name}{f'={f.value}' if f.value else ''}", f) for f in FAULTS]
    return "\n".join(f"  {left:<26} {f.help}{f' (default {f.default})' if f.default else ''}" for left, f in shown)
