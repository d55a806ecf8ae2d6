"""Decade 7: the history log and the event log (ST70–ST79)."""

from datetime import datetime
from typing import Annotated

from drivers.c1219.enumerations import EVENTS, USERS
from drivers.c1219.opaque import OpaqueTable
from drivers.c1219.record import Array, BitField, Record, Sub, Table, record
from drivers.c1219.scope import BySize, If
from drivers.c1219.wire import LTIME, U8, U16, U32, Binary, Flags
from drivers.c1219.wording import LIST_ORDER, LIST_TYPE, OCTETS

_FLAGS, _LIST, _HISTORY_CODE, _EVENT_CODE = BitField(1), BitField(1), BitField(2), BitField(2)


@record
class LogLimits(Table):
    """ST71 ACT_LOG_TBL (9 octets; 12 in the 2008 edition).

    0 LOG_FLAGS | 1 NBR_STD_EVENTS | 2 NBR_MFG_EVENTS | 3 HIST_DATA_LENGTH | 4 EVENT_DATA_LENGTH |
    5 NBR_HISTORY_ENTRIES U16 | 7 NBR_EVENT_ENTRIES U16 | [9 EXT_LOG_FLAGS | 10 NBR_PROGRAM_TABLES U16]
    """

    number = 71
    title = "ACT_LOG_TBL"

    event_number: Annotated[bool, _FLAGS.bit(0)] = False
    hist_date_time: Annotated[bool, _FLAGS.bit(1)] = False
    hist_seq_nbr: Annotated[bool, _FLAGS.bit(2)] = False
    hist_inhibit_ovf: Annotated[bool, _FLAGS.bit(3)] = False
    event_inhibit_ovf: Annotated[bool, _FLAGS.bit(4)] = False
    nbr_std_events: Annotated[int, U8, OCTETS] = 0  # of the sets of ST72, 73 and 75
    nbr_mfg_events: Annotated[int, U8, OCTETS] = 0
    hist_data_length: Annotated[int, U8, OCTETS] = 0
    event_data_length: Annotated[int, U8, OCTETS] = 0
    nbr_history_entries: Annotated[int, U16] = 0
    nbr_event_entries: Annotated[int, U16] = 0
    ext_log_flags: Annotated[int | None, U8, BySize(If("st00.std_version_no", above=1))] = None
    nbr_program_tables: Annotated[int | None, U16, BySize(If("st00.std_version_no", above=1))] = None


@record
class LogDimensions(LogLimits):
    """ST70 DIM_LOG_TBL: the most that ST71 could say. Never used to decode other tables."""

    number = 70
    title = "DIM_LOG_TBL"


@record
class EventIdentification(Table):
    """ST72 EVENTS_ID_TBL: the events that the meter knows, SET(NBR_STD_EVENTS) | SET(NBR_MFG_EVENTS)."""

    number = 72
    title = "EVENTS_ID_TBL"

    std_events_supported: Annotated[frozenset[int], Flags("st71.nbr_std_events"), EVENTS] = frozenset()
    mfg_events_supported: Annotated[frozenset[int], Flags("st71.nbr_mfg_events")] = frozenset()


@record
class HistoryLogControl(Table):
    """ST73 HISTORY_LOG_CTRL_TBL: what is logged; events, tables written and procedures, standard and vendor's."""

    number = 73
    title = "HISTORY_LOG_CTRL_TBL"

    std_events_monitored: Annotated[frozenset[int], Flags("st71.nbr_std_events"), EVENTS] = frozenset()
    mfg_events_monitored: Annotated[frozenset[int], Flags("st71.nbr_mfg_events")] = frozenset()
    std_tbls_monitored: Annotated[frozenset[int], Flags("st00.dim_std_tbls_used")] = frozenset()
    mfg_tbls_monitored: Annotated[frozenset[int], Flags("st00.dim_mfg_tbls_used")] = frozenset()
    std_proc_monitored: Annotated[frozenset[int], Flags("st00.dim_std_proc_used")] = frozenset()
    mfg_proc_monitored: Annotated[frozenset[int], Flags("st00.dim_mfg_proc_used")] = frozenset()


@record
class EventLogControl(HistoryLogControl):
    """ST75 EVENT_LOG_CTRL_TBL: as ST73, for the event log."""

    number = 75
    title = "EVENT_LOG_CTRL_TBL"


@record
class HistoryEntry(Record):
    """[HISTORY_TIME LTIME] | [EVENT_NUMBER U16] | [SEQ_NBR U16] | USER_ID U16 | HISTORY_CODE U16 | argument.

    CODE: 0..10 the event, 11 set for a vendor's own, 12..15 fill or selector.
    """

    time: Annotated[datetime | None, LTIME, If("st71.hist_date_time")] = None
    event_number: Annotated[int | None, U16, If("st71.event_number")] = None
    sequence: Annotated[int | None, U16, If("st71.hist_seq_nbr")] = None
    user_id: Annotated[int, U16, USERS] = 0
    code: Annotated[int, _HISTORY_CODE.bits(0, 10)]
    manufacturer: Annotated[bool, _HISTORY_CODE.bit(11)] = False
    selector: Annotated[int, _HISTORY_CODE.bits(12, 15)] = 0
    argument: Annotated[bytes, Binary("st71.hist_data_length")] = b""


@record
class LogHeader(Table):
    """How ST74 and ST76 begin, in 11 octets.

    0 flags | 1 NBR_VALID_ENTRIES U16 | 3 LAST_ENTRY_ELEMENT U16 | 5 LAST_ENTRY_SEQ_NBR U32 | 9 NBR_UNREAD_ENTRIES U16
    """

    order: Annotated[int, _LIST.bit(0), LIST_ORDER] = 0
    overflow: Annotated[bool, _LIST.bit(1)] = False
    list_type: Annotated[int, _LIST.bit(2), LIST_TYPE] = 0
    inhibit_overflow: Annotated[bool, _LIST.bit(3)] = False
    nbr_valid_entries: Annotated[int, U16] = 0
    last_entry_element: Annotated[int, U16] = 0
    last_entry_seq_nbr: Annotated[int, U32] = 0
    nbr_unread_entries: Annotated[int, U16] = 0


@record
class HistoryLog(LogHeader):
    """ST74 HISTORY_LOG_DATA_TBL: the header, then NBR_HISTORY_ENTRIES entries."""

    number = 74
    title = "HISTORY_LOG_DATA_TBL"

    entries: Annotated[tuple[HistoryEntry, ...], Array(Sub(HistoryEntry), "st71.nbr_history_entries")]


@record
class EventEntry(Record):
    """EVENT_TIME LTIME [+ fraction U8] | [EVENT_NUMBER U16] | SEQ_NBR U16 | USER_ID U16 | EVENT_CODE U16 | argument.

    The octet of the fraction (HTIME_DATE) is there if only then the table has the size that came.
    """

    time: Annotated[datetime | None, LTIME]
    fraction: Annotated[int | None, U8, BySize(If("quirks.event_time", equals="htime"))] = None
    event_number: Annotated[int | None, U16, If("st71.event_number")] = None
    sequence: Annotated[int, U16] = 0
    user_id: Annotated[int, U16, USERS] = 0
    code: Annotated[int, _EVENT_CODE.bits(0, 10)]
    manufacturer: Annotated[bool, _EVENT_CODE.bit(11)] = False
    selector: Annotated[int, _EVENT_CODE.bits(12, 15)] = 0
    argument: Annotated[bytes, Binary("st71.event_data_length")] = b""


@record
class EventLog(LogHeader):
    """ST76 EVENT_LOG_DATA_TBL: the header, then NBR_EVENT_ENTRIES entries."""

    number = 76
    title = "EVENT_LOG_DATA_TBL"

    entries: Annotated[tuple[EventEntry, ...], Array(Sub(EventEntry), "st71.nbr_event_entries")]


@record
class LogSignatures(OpaqueTable):
    """ST77 (2008): signatures of the event log. Its layout is not confirmed by any open source."""

    number = 77
    title = "EVENT_LOG_SIGNATURES_TBL"


@record
class ProgramState(OpaqueTable):
    """ST78 (2008): program state of the end device. Its layout is not confirmed by any open source."""

    number = 78
    title = "END_DEVICE_PROGRAM_STATE_TBL"


@record
class EventCounters(OpaqueTable):
    """ST79 (2008): event counters. Its layout is not confirmed by any open source."""

    number = 79
    title = "EVENT_COUNTERS_TBL"
