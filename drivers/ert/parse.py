"""The JSON lines of rtl_433 (22.11) into values. Pure; bad lines become reasons, never exceptions.

The receiver prints 32-bit numbers signed, some octets as numbers and others as `0x` texts, and no units. It compares
the check word of every message, but not that of an IDM's identification: that is done here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from drivers.ert.check_words import id_crc
from drivers.ert.message import ErtMessage, Kind, Place, Profile, Signal

LONGEST_LINE = 65_536
MODELS: Mapping[str, Kind] = {"ERT-SCM": "scm", "SCMplus": "scmplus", "IDM": "idm", "NETIDM": "netidm"}
_HEX = re.compile(r"0x[0-9A-Fa-f]{1,12}")
_NUMBER = rb'"\s*:\s*(-?[0-9]+)\s*[,}]'
_INTERVALS = {"idm": (47, 511), "netidm": (27, 16_383)}


class _NotSo(Exception):
    """A field is not as the receiver prints it; the text is the reason, one of few."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A line that is no message of a meter. `reason` is one of a few dozen: counted by it."""

    reason: str


def parse_line(line: bytes) -> ErtMessage | Unusable:
    """Return the message of one line of rtl_433's JSON output, without its line feed. Never raises."""
    try:
        return _message(line)
    except _NotSo as why:
        return Unusable(str(why))
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return Unusable("not JSON")


def _message(line: bytes) -> ErtMessage:
    if len(line) > LONGEST_LINE:
        raise _NotSo("line too long")
    fields = msgspec.json.decode(line)
    if not isinstance(fields, dict):
        raise _NotSo("not a JSON object")
    model = fields.get("model")
    if not isinstance(model, str):
        raise _NotSo("not a message of a meter")
    kind = MODELS.get(model)
    if kind is None:
        raise _NotSo("unknown model")
    if not isinstance(fields.get("mic"), str):
        raise _NotSo("not checked by the receiver")
    message = _MAKERS[kind](_Fields(fields, line))
    if not message.meter_id:
        raise _NotSo("identification 0")
    return message


@dataclass(frozen=True, slots=True)
class _Fields:
    """One object, read strictly."""

    fields: Mapping[str, Any]
    line: bytes

    def number(self, key: str, bits: int, *, signed: bool = False) -> int:
        """Return an unsigned number of so many bits; `signed`: the receiver prints its upper half negative."""
        value = self.fields.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise _NotSo(f"{key} is {'missing' if value is None else 'no whole number'}")
        if signed and -(1 << bits - 1) <= value < 0:
            value += 1 << bits
        if not 0 <= value < 1 << bits:
            raise _NotSo(f"{key} is out of range")
        return value

    def hexadecimal(self, key: str, octets: int) -> int:
        """Return the number of a text like `0x4900`."""
        value = self.fields.get(key)
        if not isinstance(value, str) or not _HEX.fullmatch(value) or int(value, 16) >> octets * 8:
            raise _NotSo(f"{key} is {'missing' if value is None else 'no hexadecimal text'}")
        return int(value, 16)

    def place(self, key: str) -> Place:
        """Return where a number lies in the line. A key that is there twice makes the line ambiguous."""
        found = list(re.finditer(rb'"' + re.escape(key.encode()) + _NUMBER, self.line))
        if len(found) != 1 or self.line.count(b'"' + key.encode() + b'"') != 1:
            raise _NotSo(f"{key} is not there exactly once")
        return Place(found[0].start(1), found[0].end(1) - found[0].start(1))

    def intervals(self, key: str, length: int, maximum: int) -> tuple[int, ...]:
        """Return a list of so many counts."""
        counts = self.fields.get(key)
        if not isinstance(counts, list) or len(counts) != length:
            raise _NotSo(f"there are not {length} intervals")
        if not all(type(count) is int and 0 <= count <= maximum for count in counts):
            raise _NotSo(f"an interval is no number up to {maximum}")
        return tuple(counts)

    def decibel(self, key: str) -> Decimal | None:
        value = self.fields.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return Decimal(str(value)) if abs(value) < 1_000_000 else None

    def signal(self) -> Signal:
        return Signal(*(self.decibel(key) for key in ("rssi", "snr", "noise", "freq")))

    def time(self) -> str:
        value = self.fields.get("time")
        return value if isinstance(value, str) and len(value) <= 40 else ""


def _scm(f: _Fields) -> ErtMessage:
    return ErtMessage(
        kind="scm",
        meter_id=f.number("id", 26),
        type=f.number("ert_type", 4),
        count=f.number("consumption_data", 24),
        place=f.place("consumption_data"),
        tamper=(f.number("physical_tamper", 2), f.number("encoder_tamper", 2)),
        line=f.line,
        signal=f.signal(),
        time=f.time(),
    )


def _scmplus(f: _Fields) -> ErtMessage:
    meter_id = f.number("EndpointID", 32, signed=True)
    if f.number("id", 32, signed=True) != meter_id:
        raise _NotSo("id and EndpointID differ")
    return ErtMessage(
        kind="scmplus",
        meter_id=meter_id,
        type=f.hexadecimal("EndpointType", 1),
        count=f.number("Consumption", 32, signed=True),
        place=f.place("Consumption"),
        tamper=(f.hexadecimal("Tamper", 2),),
        line=f.line,
        signal=f.signal(),
        time=f.time(),
    )


def _idm(f: _Fields) -> ErtMessage:
    return _interval_message(f, "idm", None, None)


def _netidm(f: _Fields) -> ErtMessage:
    return _interval_message(f, "netidm", f.number("LastGenerationCount", 24), f.place("LastGenerationCount"))


def _interval_message(f: _Fields, kind: Kind, generation: int | None, place: Place | None) -> ErtMessage:
    meter_id = f.number("ERTSerialNumber", 32, signed=True)
    if id_crc(meter_id) != f.number("MeterIdCRC", 16):
        raise _NotSo("MeterIdCRC is not that of the identification")
    profile, remarks = _profile(f, kind)
    return ErtMessage(
        kind=kind,
        meter_id=meter_id,
        type=f.number("ERTType", 8),
        count=f.number("LastConsumptionCount", 32, signed=True),
        place=f.place("LastConsumptionCount"),
        tamper=tuple(f.hexadecimal("TamperCounters", 6).to_bytes(6, "big")),
        line=f.line,
        signal=f.signal(),
        time=f.time(),
        profile=profile,
        generation=generation,
        generation_place=place,
        remarks=remarks,
    )


def _profile(f: _Fields, kind: Kind) -> tuple[Profile | None, tuple[str, ...]]:
    """Return the intervals; None, with the reason, where the register is all that can be relied on."""
    try:
        return Profile(
            number=f.number("ConsumptionIntervalCount", 8),
            offset=f.number("TransmitTimeOffset", 16),
            counts=f.intervals("DifferentialConsumptionIntervals", *_INTERVALS[kind]),
            maximum=_INTERVALS[kind][1],
            outages=f.hexadecimal("PowerOutageFlags", 6) if kind == "idm" else None,
        ), ()
    except _NotSo as why:
        return None, (str(why),)


_MAKERS: Mapping[Kind, Callable[[_Fields], ErtMessage]] = {
    "scm": _scm,
    "scmplus": _scmplus,
    "idm": _idm,
    "netidm": _netidm,
}


def position_ns(time: str) -> int | None:
    """Return the moment of a message on the receiver's time line: `@0.110001s` of a file, or Unix seconds; else None.

    Only differences of it mean something.
    """
    found = re.fullmatch(r"(?:@([0-9]{1,9})(?:\.([0-9]{1,9}))?s|([0-9]{9,11})(?:\.([0-9]{1,9}))?)", time)
    if found is None:
        return None
    whole, part = (found[1], found[2]) if found[1] else (found[3], found[4])
    return int(whole) * 1_000_000_000 + int((part or "").ljust(9, "0"))
