"""rtl_433's lines become values exactly, or reasons; nothing that it prints raises."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.ert.check_words import bch16, crc16, id_crc
from drivers.ert.message import ErtMessage, Signal
from drivers.ert.parse import LONGEST_LINE, Unusable, parse_line, position_ns
from tests.ert.ert_lines import SCM, idm, line, netidm, scm, scmplus


def message(octets: bytes) -> ErtMessage:
    parsed = parse_line(octets)
    assert isinstance(parsed, ErtMessage), parsed
    return parsed


def reason(octets: bytes) -> str:
    parsed = parse_line(octets)
    assert isinstance(parsed, Unusable)
    return parsed.reason


def shown(parsed: ErtMessage) -> int:
    """The number at the place that the message names."""
    return int(parsed.line[parsed.place.offset : parsed.place.offset + parsed.place.length])


def test_check_words_of_published_captures() -> None:
    assert id_crc(11278109) == 60090
    scm_54585868 = bytes.fromhex("f95306f008951840ea0c")  # type 12, tamper 3 and 0, 562456
    assert bch16(scm_54585868[2:]) == 0x101A
    assert crc16(b"") == 0


def test_an_scm_as_the_receiver_prints_it() -> None:
    parsed = message(SCM)
    assert (parsed.kind, parsed.meter_id, parsed.count, parsed.type) == ("scm", 54585868, 562456, 12)
    assert parsed.tamper == (3, 0)
    assert (parsed.commodity, parsed.is_ambiguous) == ("gas", True)
    assert shown(parsed) == 562456
    assert parsed.signal == Signal()
    assert parsed.line == SCM


def test_levels_are_exact_and_optional() -> None:
    octets = scm(rssi=-5.309, snr=20.33, noise=-25.639, freq=912.6, mod="ASK", protocol=149)
    assert message(octets).signal == Signal(Decimal("-5.309"), Decimal("20.33"), Decimal("-25.639"), Decimal("912.6"))
    assert message(scm(rssi="loud", snr=True)).signal == Signal()


def test_thirty_two_bits_are_printed_signed_and_repaired() -> None:
    parsed = message(scmplus(4_294_967_295, 2_147_483_648))
    assert (parsed.meter_id, parsed.count) == (4_294_967_295, 2_147_483_648)
    assert b" -1" in parsed.line
    assert shown(parsed) == -2_147_483_648
    assert parsed.tamper == (0x4900,)
    assert parsed.type == 0xAB


def test_an_idm_with_its_intervals() -> None:
    parsed = message(idm())
    assert parsed.profile is not None
    assert (parsed.profile.number, parsed.profile.offset, parsed.profile.maximum) == (246, 476, 511)
    assert parsed.profile.outages == 1 << 46
    assert parsed.commodity == "electric"  # the whole octet is 23: its low half is 7
    assert parsed.tamper == (0x42, 0x05, 0x1B, 0x06, 0xAF, 0x2B)


def test_a_netidm_with_both_registers() -> None:
    parsed = message(netidm())
    assert (parsed.count, parsed.generation) == (4_294_967_000, 77)
    assert parsed.profile is not None
    assert parsed.profile.outages is None
    assert parsed.generation_place is not None
    assert parsed.line[parsed.generation_place.offset :].startswith(b"77")


@pytest.mark.parametrize(
    "changed",
    [
        {"DifferentialConsumptionIntervals": [1] * 46},
        {"DifferentialConsumptionIntervals": [512] + [0] * 46},
        {"DifferentialConsumptionIntervals": ["1"] * 47},
        {"ConsumptionIntervalCount": 256},
        {"TransmitTimeOffset": None},
        {"PowerOutageFlags": "gibberish"},
    ],
)
def test_a_doubtful_profile_leaves_the_register(changed: dict[str, Any]) -> None:
    parsed = message(line(json.loads(idm()), **changed))
    assert parsed.profile is None
    assert parsed.count == 339972
    assert len(parsed.remarks) == 1


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "not JSON"),
        (b"Tuned to 912.6MHz", "not JSON"),
        (b'{"rssi": NaN}', "not JSON"),
        (b"[" * 100_000, "line too long"),
        (b"[" * 60_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"count":1}', "not a message of a meter"),
        (scm(model="Acurite-Tower"), "unknown model"),
        (scm(mic=None), "not checked by the receiver"),
        (scm(id=0), "identification 0"),
        (scm(id=1 << 26), "id is out of range"),
        (scm(id=-1), "id is out of range"),
        (scm(consumption_data=None), "consumption_data is missing"),
        (scm(consumption_data="12"), "consumption_data is no whole number"),
        (scm(consumption_data=12.5), "consumption_data is no whole number"),
        (scm(consumption_data=True), "consumption_data is no whole number"),
        (scm(consumption_data=1 << 24), "consumption_data is out of range"),
        (SCM[:-1] + b', "consumption_data" : 1}', "consumption_data is not there exactly once"),
        (SCM.replace(b"562456", b"5.62456e5"), "consumption_data is no whole number"),
        (scmplus(id=1), "id and EndpointID differ"),
        (scmplus(Tamper=18688), "Tamper is no hexadecimal text"),
        (scmplus(EndpointType="0x1AB"), "EndpointType is no hexadecimal text"),
        (idm(MeterIdCRC=1), "MeterIdCRC is not that of the identification"),
        (scm(padding="x" * LONGEST_LINE), "line too long"),
    ],
)
def test_bad_lines_are_refused_by_reason(octets: bytes, why: str) -> None:
    assert reason(octets) == why


@given(st.binary(max_size=300))
def test_any_octets_are_taken(octets: bytes) -> None:
    assert isinstance(parse_line(octets), Unusable)


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4), max_leaves=6)


@given(st.sampled_from([scm(), scmplus(), idm(), netidm()]), st.data())
def test_a_changed_field_gives_no_wrong_number(octets: bytes, data: st.DataObject) -> None:
    fields = json.loads(octets)
    key = data.draw(st.sampled_from(sorted(fields)))
    parsed = parse_line(line(fields, **{key: data.draw(values)}))
    if isinstance(parsed, ErtMessage):
        assert 0 < parsed.meter_id < 1 << 32
        assert 0 <= parsed.count < 1 << 32
        assert (shown(parsed) - parsed.count) % (1 << 32) == 0


@given(st.integers(1, (1 << 32) - 1), st.integers(0, (1 << 32) - 1))
def test_every_number_survives_the_sign(meter_id: int, count: int) -> None:
    for octets in (scmplus(meter_id, count), idm(meter_id, count), netidm(meter_id, count)):
        parsed = message(octets)
        assert (parsed.meter_id, parsed.count) == (meter_id, count)


@pytest.mark.parametrize(
    ("time", "ns"),
    [
        ("@0.110001s", 110_001_000),
        ("@12s", 12_000_000_000),
        ("1795290373.236283", 1_795_290_373_236_283_000),
        ("2026-11-21 19:46:13", None),
        ("@-1s", None),
        ("", None),
    ],
)
def test_positions(time: str, ns: int | None) -> None:
    assert position_ns(time) == ns
