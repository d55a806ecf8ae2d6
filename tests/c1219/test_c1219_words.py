"""Identity, status and logs in words."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import drivers.c1219
from drivers.c1219 import Context, Decoded, Quirks, decode
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade5 as d5
from drivers.c1219 import decade7 as d7
from drivers.c1219.event_names import EVENT_NAMES, event_name
from drivers.c1219.events import events_of
from drivers.c1219.identity import identity_of
from drivers.c1219.logs import oldest_first
from drivers.c1219.status import status_of
from drivers.c1219.times import MeterTimes
from drivers.data import Event, MeterStatus
from drivers.errors import DataError

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text(), parse_float=Decimal)


def reference(name: str) -> Context:
    """Decode every table of a reference meter."""
    context = Context()
    for table, octets in VECTORS["tables"][name]["hex"].items():
        context = context.with_table(decode(int(table[2:]), bytes.fromhex(octets), context))
    return context


MAKER = d0.ManufacturerIdentification(
    manufacturer="ACME", ed_model="MODEL", hw_version_number=3, hw_revision_number=1, mfg_serial_number="0042"
)


def identified(id_form: int = 0, quirks: Quirks | None = None, **ids: Any) -> Context:
    """Return a meter with ST01 and the ids given."""
    context = Context(quirks or Quirks()).with_tables(d0.GeneralConfiguration(id_form=id_form), MAKER)
    if "st05" in ids:
        context = context.with_table(d0.DeviceIdentification(identification=ids["st05"]))
    if "st06" in ids:
        context = context.with_table(d0.UtilityInformation(device_id=ids["st06"], owner_name="OWNER"))
    return context


@pytest.mark.parametrize(
    ("ids", "quirks", "meter_id"),
    [
        ({"st05": "M1", "st06": "M2"}, Quirks(), "M1"),
        ({"st05": "", "st06": "M2"}, Quirks(), "M2"),
        ({"st06": "M2"}, Quirks(), "M2"),
        ({}, Quirks(), "0042"),
        ({"st05": "M1", "st06": "M2"}, Quirks(meter_id_at="st06"), "M2"),
        ({"st05": "M1", "st06": "M2"}, Quirks(meter_id_at="st01"), "0042"),
        ({"st05": "M1"}, Quirks(meter_id_at="st06"), "M1"),
    ],
)
def test_meter_id(ids: dict[str, Any], quirks: Quirks, meter_id: str) -> None:
    identity = identity_of(identified(quirks=quirks, **ids))
    assert identity.meter_id == meter_id
    assert identity.serial_number == "0042"


def test_leading_zeros_are_padding_of_bcd_ids_only() -> None:
    assert identity_of(identified(st05="00000000000000001234", id_form=1)).meter_id == "1234"
    assert identity_of(identified(st05="00000000000000000000", id_form=1)).meter_id == "0"
    assert identity_of(identified(st05="0001234")).meter_id == "0001234"


def test_padding_and_unprintable_characters() -> None:
    context = Context().with_table(d0.GeneralConfiguration())
    octets = b"  AB\x07\xe9C\x00\x00 "
    decoded = decode(5, octets.ljust(20), context)
    assert identity_of(context.with_table(decoded)).meter_id == "AB\\x07\\xe9C"


def test_identity_of_the_reference_meters() -> None:
    a, b = identity_of(reference("meter_A")), identity_of(reference("meter_B"))
    assert (a.manufacturer, a.model, a.serial_number, a.device_class) == ("DEMO", "MODEL-A", "SN00001234", "DEMO")
    assert (b.serial_number, b.device_class, b.meter_id) == ("1234567890", "00010203", "1234567890")
    assert (b.hardware_version, b.firmware_version) == ("9.8", "7.6")


def test_identity_of_a_meter_that_has_shown_nothing() -> None:
    assert identity_of(Context()).meter_id == ""


def test_utility_and_nameplate() -> None:
    plate = d0.Nameplate(
        e_kh="1.8",
        e_ed_config="2S",
        e_freq=4,
        e_no_of_elements=1,
        e_base_type=1,
        elements_volts=5,
        e_class_max_amps="200",
    )
    identity = identity_of(identified(st06="M2").with_table(plate))
    assert identity.utility == {"owner_name": "OWNER", "device_id": "M2"}
    assert identity.nameplate == {
        "kh": "1.8",
        "input_scalar": "1",
        "form": "2S",
        "frequency": "60 Hz",
        "elements": "1",
        "base": "S",
        "volts": "240",
        "class_max_amps": "200",
    }
    odd = replace(plate, e_base_type=15, elements_volts=15)
    assert {"base", "volts"}.isdisjoint(identity_of(identified().with_table(odd)).nameplate)


def test_status() -> None:
    assert status_of(reference("meter_A")) == MeterStatus(
        ("metering",), ("low_battery", "power_failure"), bytes.fromhex("0400")
    )
    assert status_of(reference("meter_B")) is None
    both = Context().with_tables(d0.GeneralConfiguration(), d0.ModeStatus(test=True, reverse_rotation=True))
    assert status_of(both) == MeterStatus(("metering", "test"), ("reverse_rotation",))


# --- logs ------------------------------------------------------------------------------------------------------------


def test_events_of_meter_b() -> None:
    context = reference("meter_B")
    events, problems = events_of(context, MeterTimes.of(context))
    assert problems == []
    assert events == [
        Event(
            at=datetime(2024, 3, 9, 1, 2, 3, tzinfo=UTC),
            code=1,
            name="primary_power_down",
            argument="AA",
            sequence=300,
            user_id=0,
        ),
        Event(
            at=datetime(2024, 3, 9, 1, 5, 4, tzinfo=UTC),
            code=20,
            name="manufacturer_event_20",
            argument="BB",
            manufacturer=True,
            sequence=301,
            user_id=2,
        ),
    ]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0, "none"),
        (2, "primary_power_up"),
        (3, "time_changed_old_time"),
        (11, "device_programmed"),
        (18, "event_log_cleared"),
        (20, "demand_reset"),
        (22, "dst_on"),
        (32, "test_mode_started"),
        (44, "low_battery"),
        (48, "reverse_rotation"),
        (58, "procedure_invoked_with_values"),
        (76, "secured_register_read_with_values"),
        (77, "event_77"),
        (2047, "event_2047"),
    ],
)
def test_event_names(code: int, name: str) -> None:
    assert event_name(code, manufacturer=False) == name
    assert event_name(code, manufacturer=True) == f"manufacturer_event_{code}"


def test_every_event_has_a_name_of_its_own() -> None:
    assert len(set(EVENT_NAMES)) == len(EVENT_NAMES) == 77


def log(*times: str | None, **header: int) -> Context:
    """Return a meter with an event log; its clock shows local time with daylight saving."""
    entries = tuple(
        d7.EventEntry(time=None if at is None else datetime.fromisoformat(at), code=1, sequence=k)
        for k, at in enumerate(times)
    )
    filled: dict[str, Any] = {"nbr_valid_entries": len(times), "last_entry_element": len(times) - 1} | header
    return Context().with_tables(
        d0.GeneralConfiguration(),
        d5.Clock(clock_calendar=None, tm_zn_applied=True, dst_applied=True),
        d5.TimeOffset(time_zone_offset=-300),
        d7.EventLog(entries=entries, **filled),
    )


def hours(context: Context) -> list[int | None]:
    """Return the UTC hour of each event."""
    return [None if event.at is None else event.at.hour for event in events_of(context, MeterTimes.of(context))[0]]


def test_the_repeated_hour_follows_the_order_of_the_log() -> None:
    context = log("2026-11-01T01:50", "2026-11-01T01:10", "2026-11-01T01:20", "2026-11-01T02:00")
    events, problems = events_of(context, MeterTimes.of(context))
    assert hours(context) == [5, 6, 6, 7]
    assert [problem.what for problem in problems] == ["ST76 entry 0"]
    assert all(event.at for event in events)


def test_a_log_that_wraps_and_one_in_descending_order() -> None:
    times = ("2026-07-01T03:00", "2026-07-01T01:00", "2026-07-01T02:00")
    assert hours(log(*times, last_entry_element=0, list_type=1)) == [5, 6, 7]
    times = ("2026-07-01T03:00", "2026-07-01T02:00", "2026-07-01T01:00")
    assert hours(log(*times, last_entry_element=0, order=1)) == [5, 6, 7]
    assert hours(log(*times, last_entry_element=0, order=1, nbr_valid_entries=2)) == [6, 7]


def test_an_event_without_a_time_is_kept() -> None:
    assert hours(log(None, "2026-07-01T03:00")) == [None, 7]


def test_a_log_that_contradicts_itself_is_a_problem() -> None:
    context = log("2026-07-01T03:00", nbr_valid_entries=2)
    events, problems = events_of(context, MeterTimes.of(context))
    assert events == []
    assert (problems[0].what, problems[0].lost) == ("ST76", True)


def test_an_overflowed_log_is_remarked() -> None:
    context = log("2026-07-01T03:00", overflow=1)
    assert "overflowed" in events_of(context, MeterTimes.of(context))[1][0].reason


def test_history_entries_and_a_log_without_times() -> None:
    entries = (d7.HistoryEntry(code=9, argument=b"\1\2"), d7.HistoryEntry(code=10, manufacturer=True))
    context = Context().with_tables(
        d0.GeneralConfiguration(),
        d7.HistoryLog(entries=entries, nbr_valid_entries=2, last_entry_element=1),
    )
    events, _problems = events_of(context, MeterTimes.of(context))
    assert [(event.name, event.log, event.argument, event.at) for event in events] == [
        ("procedure_invoked", "history", "0102", None),
        ("manufacturer_event_10", "history", "", None),
    ]


def test_event_time_with_a_fraction_is_found_by_size() -> None:
    context = Context().with_tables(
        d0.GeneralConfiguration(), d7.LogLimits(nbr_event_entries=2, event_number=False, event_data_length=0)
    )
    plain = bytes(11) + 2 * bytes.fromhex("1A0701 0C0000 0100 0000 0100")
    fraction = bytes(11) + 2 * bytes.fromhex("1A0701 0C0000 32 0100 0000 0100")
    for octets, hundredths in ((plain, None), (fraction, 0x32)):
        table = decode(76, octets, context).table
        assert isinstance(table, d7.EventLog)
        assert table.entries[1].time == datetime.fromisoformat("2026-07-01T12:00")
        assert table.entries[1].fraction == hundredths
        assert table.entries[1].code == 1


@pytest.mark.parametrize(
    ("entries", "valid", "newest", "descending", "expected"),
    [
        (5, 3, 2, False, (0, 1, 2)),
        (5, 3, 0, False, (3, 4, 0)),
        (5, 3, 0, True, (2, 1, 0)),
        (5, 3, 4, True, (1, 0, 4)),
        (5, 0, 9, False, ()),
        (1, 1, 0, True, (0,)),
    ],
)
def test_oldest_first(entries: int, valid: int, newest: int, *, descending: bool, expected: tuple[int, ...]) -> None:
    assert oldest_first("ST63", entries, valid, newest, descending=descending) == expected


@pytest.mark.parametrize(("entries", "valid", "newest"), [(5, 6, 0), (5, 1, 5), (0, 1, 0)])
def test_a_list_that_contradicts_itself_is_refused(entries: int, valid: int, newest: int) -> None:
    with pytest.raises(DataError, match="read the list"):
        oldest_first("ST63", entries, valid, newest, descending=False)


# --- the house -------------------------------------------------------------------------------------------------------


def test_public_names() -> None:
    assert len(drivers.c1219.__all__) <= 25
    assert all(hasattr(drivers.c1219, name) for name in drivers.c1219.__all__)


def test_remarks_and_sources_of_a_context() -> None:
    context = Context().with_table(d0.GeneralConfiguration())
    clock = decode(52, bytes([26, 13, 1, 0, 0, 0, 0]), context)
    context = context.with_table(clock)
    assert context.need(d5.Clock).clock_calendar is None
    assert list(context.remarks()) == [("ST52", "clock_calendar is no time: 26-13-01 00:00:00")]
    assert clock.source("dst_flag") == clock.source("day_of_week")
    assert clock.source("nothing") is None
    assert Decoded(52, clock.table).source("dst_flag") is None


def test_clock_with_a_fraction_and_offsets_are_found_by_size() -> None:
    context = Context().with_table(d0.GeneralConfiguration())
    clock = decode(52, bytes([26, 7, 1, 12, 0, 0, 99, 0x2B]), context).table
    assert isinstance(clock, d5.Clock)
    assert (clock.fraction, clock.dst_flag, clock.tm_zn_applied) == (99, True, True)
    for octets, zone, ends in (
        ("02 00 00 3C", None, False),
        ("02 00 00 3C D4 FE", -300, False),
        ("02 00 00 3C 02 00 00", None, True),
        ("02 00 00 3C D4 FE 02 00 00", -300, True),
    ):
        offset = decode(53, bytes.fromhex(octets), context).table
        assert isinstance(offset, d5.TimeOffset)
        assert offset.time_zone_offset == zone
        assert (offset.std_time_eff is not None) is ends


def test_profile_sets_are_found_by_size_where_the_map_is_wrong() -> None:
    context = Context().with_table(d0.GeneralConfiguration(std_tbls_used=frozenset({64})))
    limits = bytes(7) + b"".join(bytes([k, 0, 4, 0, k, 15]) for k in (1, 2, 3, 4))
    for sets in (1, 2, 4):
        found = context.with_table(decode(61, limits[: 7 + 6 * sets], context)).st61
        assert [one.nbr_blks for one in found.sets if one] == list(range(1, sets + 1))
    four = context.with_table(decode(61, limits, context))
    assert len(decode(63, bytes(13 * 4), four).table.sets) == 4  # type: ignore[attr-defined]
    assert [one is not None for one in decode(63, bytes(13), four).table.sets] == [True, False, False, False]  # type: ignore[attr-defined]


def test_log_limits_of_either_edition_are_found_by_size() -> None:
    for edition in (1, 2):
        context = Context().with_table(d0.GeneralConfiguration(std_version_no=edition))
        for octets, programs in ((bytes(9), None), (bytes(10) + b"\5\0", 5)):
            assert context.with_table(decode(71, octets, context)).st71.nbr_program_tables == programs
