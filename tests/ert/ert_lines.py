"""Lines as rtl_433 22.11 prints them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from drivers.ert.check_words import id_crc

SCM = (
    b'{"time" : "@0.110001s", "model" : "ERT-SCM", "id" : 54585868, "physical_tamper" : 3, "ert_type" : 12,'
    b' "encoder_tamper" : 0, "consumption_data" : 562456, "mic" : "CRC"}'
)


def signed(number: int) -> int:
    """Print a 32-bit number as the receiver does."""
    return number - (1 << 32) if number >= 1 << 31 else number


def line(fields: Mapping[str, Any], **changed: Any) -> bytes:
    """Return a line of these fields; a changed one that is None is left out."""
    merged = {key: value for key, value in {**fields, **changed}.items() if value is not None}
    return json.dumps(merged, separators=(", ", " : ")).encode()


def scm(meter_id: int = 54585868, count: int = 562456, **changed: Any) -> bytes:
    fields = {
        "time": "@0.110001s",
        "model": "ERT-SCM",
        "id": meter_id,
        "physical_tamper": 3,
        "ert_type": 12,
        "encoder_tamper": 0,
        "consumption_data": count,
        "mic": "CRC",
    }
    return line(fields, **changed)


def scmplus(meter_id: int = 68211547, count: int = 12345, **changed: Any) -> bytes:
    fields = {
        "time": "@0.2s",
        "model": "SCMplus",
        "id": signed(meter_id),
        "ProtocolID": "0x1E",
        "EndpointType": "0xAB",
        "EndpointID": signed(meter_id),
        "Consumption": signed(count),
        "Tamper": "0x4900",
        "PacketCRC": "0x39BE",
        "MeterType": "Water",
        "mic": "CRC",
    }
    return line(fields, **changed)


def idm(
    meter_id: int = 11278109,
    count: int = 339972,
    counts: tuple[int, ...] = (1,) * 47,
    number: int = 246,
    **changed: Any,
) -> bytes:
    fields = {
        "time": "@0.3s",
        "model": "IDM",
        "ERTType": 23,
        "ERTSerialNumber": signed(meter_id),
        "ConsumptionIntervalCount": number,
        "ModuleProgrammingState": 188,
        "TamperCounters": "0x42051B06AF2B",
        "AsynchronousCounters": 0,
        "PowerOutageFlags": "0x400000000000",
        "LastConsumptionCount": signed(count),
        "DifferentialConsumptionIntervals": list(counts),
        "TransmitTimeOffset": 476,
        "MeterIdCRC": id_crc(meter_id),
        "PacketCRC": 31799,
        "MeterType": "Electric",
        "mic": "CRC",
    }
    return line(fields, **changed)


def netidm(meter_id: int = 11278109, net: int = 4_294_967_000, generation: int = 77, **changed: Any) -> bytes:
    fields = {
        "time": "@0.3s",
        "model": "NETIDM",
        "ERTType": 24,
        "ERTSerialNumber": signed(meter_id),
        "ConsumptionIntervalCount": 9,
        "TamperCounters": "0x000000000000",
        "Unknown_field_1": "0x00000000000000",
        "LastGenerationCount": generation,
        "Unknown_field_2": "0x000000",
        "LastConsumptionCount": signed(net),
        "DifferentialConsumptionIntervals": [16383, *range(26)],
        "TransmitTimeOffset": 16,
        "MeterIdCRC": id_crc(meter_id),
        "PacketCRC": 1,
        "MeterType": "Electric",
        "mic": "CRC",
    }
    return line(fields, **changed)
