"""Decade 3: the local display (ST30–ST34). Which value a display source shows is the manufacturer's own."""

from typing import Annotated

from drivers.c1219.record import Array, BitField, Record, Sub, Table, record
from drivers.c1219.wire import U8, U16, Binary
from drivers.c1219.wording import MINUTES, OCTETS, SECONDS

_FLAGS, _SCROLL_1, _SCROLL_2 = BitField(1), BitField(1), BitField(1)


@record
class DisplayLimits(Table):
    """ST31 ACT_DISP_TBL (10 octets).

    0 flags | 1 NBR_DISP_SOURCES U16 | 3 WIDTH_DISP_SOURCES U8 | 4 NBR_PRI_DISP_LIST_ITEMS U16 |
    6 NBR_PRI_DISP_LISTS U8 | 7 NBR_SEC_DISP_LIST_ITEMS U16 | 9 NBR_SEC_DISP_LISTS U8
    """

    number = 31
    title = "ACT_DISP_TBL"

    on_time_flag: Annotated[bool, _FLAGS.bit(0)] = False
    off_time_flag: Annotated[bool, _FLAGS.bit(1)] = False
    hold_time_flag: Annotated[bool, _FLAGS.bit(2)] = False
    nbr_disp_sources: Annotated[int, U16] = 0
    width_disp_sources: Annotated[int, U8, OCTETS] = 0
    nbr_pri_disp_list_items: Annotated[int, U16] = 0
    nbr_pri_disp_lists: Annotated[int, U8] = 0
    nbr_sec_disp_list_items: Annotated[int, U16] = 0
    nbr_sec_disp_lists: Annotated[int, U8] = 0


@record
class DisplayDimensions(DisplayLimits):
    """ST30 DIM_DISP_TBL: the most that ST31 could say. Never used to decode other tables."""

    number = 30
    title = "DIM_DISP_TBL"


@record
class DisplaySources(Table):
    """ST32 DISP_SOURCE_TBL: NBR_DISP_SOURCES × WIDTH_DISP_SOURCES octets of the vendor's meaning."""

    number = 32
    title = "DISP_SOURCE_TBL"

    display_sources: Annotated[tuple[bytes, ...], Array(Binary("st31.width_disp_sources"), "st31.nbr_disp_sources")]


@record
class DisplayList(Record):
    """0 ON_TIME 0..3, OFF_TIME 4..7 (seconds) | 1 HOLD_TIME 0..3 (minutes), DEFAULT_LIST 4..7 | 2 NBR_LIST_ITEMS U8."""

    on_time: Annotated[int, _SCROLL_1.bits(0, 3), SECONDS] = 0
    off_time: Annotated[int, _SCROLL_1.bits(4, 7), SECONDS] = 0
    hold_time: Annotated[int, _SCROLL_2.bits(0, 3), MINUTES] = 0
    default_list: Annotated[int, _SCROLL_2.bits(4, 7)] = 0
    nbr_list_items: Annotated[int, U8] = 0


@record
class PrimaryDisplayLists(Table):
    """ST33 PRI_DISP_LIST_TBL: lists × NBR_PRI_DISP_LISTS | U16 × NBR_PRI_DISP_LIST_ITEMS (indices into ST32)."""

    number = 33
    title = "PRI_DISP_LIST_TBL"

    lists: Annotated[tuple[DisplayList, ...], Array(Sub(DisplayList), "st31.nbr_pri_disp_lists")] = ()
    sources: Annotated[tuple[int, ...], Array(U16, "st31.nbr_pri_disp_list_items")] = ()


@record
class SecondaryDisplayLists(Table):
    """ST34 SEC_DISP_LIST_TBL: as ST33, for the secondary lists."""

    number = 34
    title = "SEC_DISP_LIST_TBL"

    lists: Annotated[tuple[DisplayList, ...], Array(Sub(DisplayList), "st31.nbr_sec_disp_lists")] = ()
    sources: Annotated[tuple[int, ...], Array(U16, "st31.nbr_sec_disp_list_items")] = ()
