"""A reading as one `MeterReadings` document. What has no reading type is left out and named.

Values are written exactly, as decimal text; a receiver that reads them as `xs:float`, which is their type in the
standard's own schema, rounds by itself. An interval is stamped by its end. Nothing is marked as validated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

from agent.cim.quality import quality_codes
from agent.cim.reading_type import Unknown, block_type, register_type
from agent.reading import BlockPart, Reading, RegisterPart
from agent.utc_text import utc_text

NAMESPACE = "http://iec.ch/TC57/2011/MeterReadings#"
SCHEMA_FILE = Path(__file__).with_name("meter_readings.xsd")  # of what is written here, for receivers to check by
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # letters that XML 1.0 has no form for
_REASONS = {"cycle": "billing", "final": "moveOut", "off_cycle": "inquiry", "special": "inquiry"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """`xml` as UTF-8 with its declaration; `left_out` says in words what of the reading is not in it."""

    xml: bytes
    left_out: tuple[str, ...]


def rendered(reading: Reading) -> Rendered:
    """Write a reading as IEC 61968-9 XML. Pure."""
    register_namespace("", NAMESPACE)
    left_out: list[str] = []
    root = Element(_tag("MeterReadings"))
    inside = SubElement(root, _tag("MeterReading"))
    for index, block in enumerate(reading.interval_blocks):
        try:
            kind = block_type(block)
        except Unknown as error:
            left_out.append(f"interval_blocks[{index}]: {error}")
            continue
        inside.append(_block(block, kind))
    inside.append(_meter(reading))
    for index, register in enumerate(reading.registers):
        try:
            inside.append(_register(reading, register))
        except Unknown as error:
            left_out.append(f"registers[{index}]: {error}")
    if reading.site is not None and reading.site.service_delivery_point_id:
        _names(
            SubElement(inside, _tag("UsagePoint")), ("ServiceDeliveryPointID", reading.site.service_delivery_point_id)
        )
    indent(root)
    text = tostring(root, encoding="utf-8", xml_declaration=True)
    return Rendered(text + b"\n", tuple(left_out))


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _text(parent: Element, name: str, text: str) -> Element:
    child = SubElement(parent, _tag(name))
    child.text = _NOT_XML.sub("", text)
    return child


def _block(block: BlockPart, kind: str) -> Element:
    element = Element(_tag("IntervalBlocks"))
    first, step = datetime.fromisoformat(block.first_interval_end), timedelta(seconds=block.interval_s)
    for k, (value, status) in enumerate(zip(block.values, block.status, strict=True)):
        one = SubElement(element, _tag("IntervalReadings"))
        _text(one, "timeStamp", utc_text(first + k * step))
        if value is not None:
            _text(one, "value", value)
        for code, word in quality_codes(status or (("missing",) if value is None else ())):
            quality = SubElement(one, _tag("ReadingQualities"))
            _text(quality, "comment", word)
            SubElement(quality, _tag("ReadingQualityType"), ref=code)
    SubElement(element, _tag("ReadingType"), ref=kind)
    return element


def _register(reading: Reading, register: RegisterPart) -> Element:
    """Return a `Readings` element. Raises `Unknown`."""
    at = _time_of(reading, register)
    if register.value is None or at is None:
        raise Unknown("it has no value" if at else "the time that it is of is not known")
    element = Element(_tag("Readings"))
    if (reason := _REASONS.get(reading.purpose)) is not None:
        _text(element, "reason", reason)
    if reading.read_finished_at is not None:
        _text(element, "reportedDateTime", reading.read_finished_at)
    _text(element, "timeStamp", at)
    _text(element, "value", register.value)
    SubElement(element, _tag("ReadingType"), ref=register_type(register))
    return element


def _time_of(reading: Reading, register: RegisterPart) -> str | None:
    """Return when a register stood where it does: when a peak occurred, at the end of its period, or now."""
    if register.kind == "demand" and register.occurred_at is not None:
        return register.occurred_at
    if register.period == "present" and register.season == "current":
        return reading.read_finished_at
    return register.period_end


def _meter(reading: Reading) -> Element:
    element = Element(_tag("Meter"))
    _names(element, ("MeterID", reading.meter.meter_id), ("SerialNumber", reading.meter.serial_number))
    return element


def _names(parent: Element, *names: tuple[str, str | None]) -> None:
    """Add the names that there are, each with its kind and who keeps that kind."""
    for kind, name in names:
        if name:
            element = SubElement(parent, _tag("Names"))
            _text(element, "name", name)
            of = SubElement(element, _tag("NameType"))
            _text(of, "name", kind)
            _text(SubElement(of, _tag("NameTypeAuthority")), "name", "MRSP")
