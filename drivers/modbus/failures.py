"""What a meter or a gateway answers instead of registers, in words, and what the operator can do about it."""

from __future__ import annotations

from typing import Final

from drivers.errors import MeterProtocolError, MeterRefused, MeterSilent, MrspError, TransportError
from drivers.modbus.address import Framing
from drivers.modbus.frames import responses
from drivers.modbus.image import Span

#: Exception codes that mean "later" (Modbus Application Protocol V1.1b3 §7): acknowledge, device busy.
LATER: Final = frozenset({5, 6})
GATEWAY_PATH: Final = 10
GATEWAY_SILENT: Final = 11

#: Exception code → (what it says, what to do next).
_CODES: Final = {
    1: ("illegal function", "the meter keeps them under the other function: see `function` of the register map"),
    2: ("illegal data address", "the meter has no such registers: is this the right register map, and its `base`?"),
    3: ("illegal data value", "the meter does not give so many at once: see `most` of the register map"),
    4: ("device failure", "the meter reports an error of its own; some gateways answer so for an unknown unit"),
    5: ("acknowledge: it takes its time", "the meter is busy with a longer command; read again later"),
    6: ("device busy", "another master may be using the meter; read again later"),
    7: ("negative acknowledge", "the meter cannot do this"),
    8: ("memory parity error", "the meter's memory is damaged: have it looked at"),
}


def refused(code: int, span: Span, where: str) -> MrspError:
    """Return the error for an exception code that answered a request for `span`."""
    if code == GATEWAY_SILENT:
        return MeterSilent(
            f"{where}: the gateway got no answer from the meter",
            advice="is the unit id right, the meter powered, and the wiring behind the gateway whole?",
        )
    if code == GATEWAY_PATH:
        return TransportError(
            f"{where}: the gateway has no path to the meter",
            advice="it is overloaded, or not set up for this unit id",
        )
    said, advice = _CODES.get(code, ("a code that is not in the standard", "see the meter's manual"))
    return MeterRefused(f"{where} refused {span}: {said} (exception {code})", code=code, advice=advice)


def silent(span: Span, where: str, tries: int, wait_s: float, came: bytes, *, framing: Framing) -> MrspError:
    """Return the error for a request that was not answered; `came`: what came in instead."""
    asked = f"{where} did not answer a request for {span} in {tries} tries of {wait_s:g} s"
    if not came:
        how = "are unit id, speed and parity right?" if framing == "rtu" else "is the unit id right?"
        return MeterSilent(asked, advice=f"is the meter powered and wired? {how}")
    return MeterProtocolError(f"{asked}; what came is {what_came(came, framing)}", advice=_advice(came, framing))


def what_came(came: bytes, framing: Framing) -> str:
    """Describe octets that are no answer to what was asked."""
    frames = responses(came, framing)
    shown = came[:24].hex(" ") + (" …" if len(came) > 24 else "")
    if not frames:
        damaged = "no whole frame with a right checksum" if framing == "rtu" else "no whole frame"
        return f"{damaged}: {len(came)} octets, {shown}"
    last = frames[-1]
    number = f", transaction {last.transaction}" if framing == "tcp" else ""
    held = f", {len(last.octets) // 2} registers" if not last.code else ""
    return f"an answer of unit {last.unit} to function {last.function & 0x7F}{number}{held}: {shown}"


def _advice(came: bytes, framing: Framing) -> str:
    frames = responses(came, framing)
    if framing == "tcp":
        return "does the gateway mix up its clients, is `most` of the register map too large, or is it RTU over TCP?"
    if frames:
        return "does another meter have this unit id, or is `most` of the register map too large for this one?"
    return "check speed, parity and wiring; if the adapter hears itself, say echo=on"
