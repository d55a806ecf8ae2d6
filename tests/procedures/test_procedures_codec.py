"""Parameters and responses of every standard procedure, and the catalogue of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.c1219 import Context, decode_record, encode_record
from drivers.c1219 import procedures as sp
from drivers.c1219.decade0 import GeneralConfiguration
from drivers.c1219.procedure_catalogue import ACTIONS, PROCEDURES, action_named, result_in_words
from drivers.c1219.record import Record
from drivers.errors import DataError

CONTEXTS = st.builds(
    lambda order, form: Context().with_tables(GeneralConfiguration(data_order=order, tm_format=form)),
    st.integers(0, 1),
    st.integers(1, 4),
)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2089, 12, 31)).map(lambda at: at.replace(microsecond=0))  # noqa: DTZ001
BITS = st.booleans()
U8, U16, OCTETS = st.integers(0, 255), st.integers(0, 65_535), st.binary(max_size=20)
RECORDS: dict[type[Record], st.SearchStrategy[Any]] = {
    sp.Nothing: st.builds(sp.Nothing),
    sp.ResetListPointers: st.builds(sp.ResetListPointers, list_number=U8),
    sp.UpdateLastRead: st.builds(sp.UpdateLastRead, list_number=U8, entries_read=U16),
    sp.ChangeMode: st.builds(sp.ChangeMode, metering=BITS, test=BITS, meter_shop=BITS, factory=BITS),
    sp.RemoteReset: st.builds(
        sp.RemoteReset, demand_reset=BITS, self_read=BITS, season_change=BITS, new_season=st.integers(0, 15)
    ),
    sp.SetDateTime: st.builds(
        sp.SetDateTime, set_time=BITS, clock=MOMENTS, day_of_week=st.integers(0, 7), dst_flag=BITS, gmt_flag=BITS
    ),
    sp.DateTimeSet: st.builds(sp.DateTimeSet, before=MOMENTS, after=MOMENTS),
    sp.PendingEvent: st.builds(sp.PendingEvent, event=OCTETS),
    sp.LogIn: st.builds(sp.LogIn, user_id=U16, password=OCTETS),
    sp.CallNumber: st.builds(sp.CallNumber, index=U8),
    sp.VendorParameters: st.builds(sp.VendorParameters, octets=OCTETS),
    sp.SetPreciseDateTime: st.builds(sp.SetPreciseDateTime, set_date=BITS, moment=OCTETS),
    sp.PreciseDateTimeSet: st.builds(sp.PreciseDateTimeSet, moments=OCTETS),
}


def test_every_record_of_the_catalogue_is_tried_here() -> None:
    used = {kind for procedure in PROCEDURES.values() for kind in (procedure.parameters, procedure.response)}
    assert used == set(RECORDS)
    assert set(PROCEDURES) == set(range(23)) | set(range(27, 33))


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@given(data=st.data(), context=CONTEXTS)
def test_what_is_written_is_read_back(kind: type[Record], data: st.DataObject, context: Context) -> None:
    record = data.draw(RECORDS[kind])
    assert decode_record(kind, encode_record(record, context), context) == record


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@given(octets=st.binary(max_size=30), context=CONTEXTS)
def test_any_octets_are_a_record_or_a_data_error(kind: type[Record], octets: bytes, context: Context) -> None:
    try:
        record = decode_record(kind, octets, context)
    except DataError:
        return
    assert isinstance(record, kind)


def octets_of(name: str, order: int = 0, **given: str) -> str:
    context = Context().with_tables(GeneralConfiguration(data_order=order))
    return encode_record(action_named(name).parameters(given), context).hex()


def test_octets_as_the_standard_has_them() -> None:
    assert octets_of("demand_reset") == "01"
    assert octets_of("self-read") == "02"
    assert octets_of("season_change", season="3") == "1c"
    assert octets_of("end_device_mode", mode="test") == "02"
    assert octets_of("end_device_mode", mode="factory") == "08"
    assert octets_of("update_last_read", list="profile_1", entries="259") == "030301"
    assert octets_of("update_last_read", order=1, list="7", entries="259") == "070103"
    assert octets_of("reset_list_pointers", list="all") == "ff"
    assert octets_of("warm_start") == ""
    assert octets_of("activate_specific_pending", event="0102ff") == "0102ff"
    assert octets_of("immediate_call", number="2") == "02"


def test_every_action_has_a_usage_and_an_effect() -> None:
    for action in ACTIONS.values():
        assert action.usage.startswith(action.name)
        assert action.effect
        assert action.title == f"SP{action.procedure.number:02} {action.procedure.title}"
        if action.procedure.parameters is sp.LogIn:
            assert action.danger == "withheld"


@given(code=st.integers(0, 255))
def test_every_result_has_words(code: int) -> None:
    words, advice = result_in_words(code)
    assert words
    assert advice or code == 0
