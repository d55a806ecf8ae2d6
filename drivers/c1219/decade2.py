"""Decade 2: registers (ST20–ST28)."""

from datetime import datetime, timedelta
from typing import Annotated

from drivers.c1219.enumerations import SELF_READ_COUPLING
from drivers.c1219.number import Number
from drivers.c1219.record import Array, BitField, Record, Sub, Table, record
from drivers.c1219.scope import If
from drivers.c1219.wire import NI1, NI2, STIME, TIME, U8, U16, Flags
from drivers.c1219.wording import LIST_ORDER, LIST_TYPE, SOURCE

_FUNC1, _FUNC2, _LIST = BitField(1), BitField(1), BitField(1)


@record
class RegistersLimits(Table):
    """ST21 ACT_REGS_TBL (10 octets): what the register tables hold.

    0 REG_FUNC1 | 1 REG_FUNC2 | 2 NBR_SELF_READS | 3 NBR_SUMMATIONS | 4 NBR_DEMANDS | 5 NBR_COIN_VALUES |
    6 NBR_OCCUR | 7 NBR_TIERS | 8 NBR_PRESENT_DEMANDS | 9 NBR_PRESENT_VALUES
    """

    number = 21
    title = "ACT_REGS_TBL"

    season_info_field: Annotated[bool, _FUNC1.bit(0)] = False
    date_time_field: Annotated[bool, _FUNC1.bit(1)] = False
    demand_reset_ctr: Annotated[bool, _FUNC1.bit(2)] = False
    demand_reset_lock: Annotated[bool, _FUNC1.bit(3)] = False
    cum_demand: Annotated[bool, _FUNC1.bit(4)] = False
    cont_cum_demand: Annotated[bool, _FUNC1.bit(5)] = False
    time_remaining: Annotated[bool, _FUNC1.bit(6)] = False
    self_read_inhibit_overflow: Annotated[bool, _FUNC2.bit(0)] = False
    self_read_seq_nbr: Annotated[bool, _FUNC2.bit(1)] = False
    daily_self_read: Annotated[bool, _FUNC2.bit(2)] = False
    weekly_self_read: Annotated[bool, _FUNC2.bit(3)] = False
    self_read_demand_reset: Annotated[int, _FUNC2.bits(4, 5), SELF_READ_COUPLING] = 0
    nbr_self_reads: Annotated[int, U8] = 0
    nbr_summations: Annotated[int, U8] = 0
    nbr_demands: Annotated[int, U8] = 0
    nbr_coin_values: Annotated[int, U8] = 0
    nbr_occur: Annotated[int, U8] = 1
    nbr_tiers: Annotated[int, U8] = 0
    nbr_present_demands: Annotated[int, U8] = 0
    nbr_present_values: Annotated[int, U8] = 0


@record
class RegistersDimensions(RegistersLimits):
    """ST20 DIM_REGS_TBL: the most that ST21 could say. Never used to decode other tables."""

    number = 20
    title = "DIM_REGS_TBL"


@record
class DataSelection(Table):
    """ST22 DATA_SELECTION_TBL: which source (index into ST16, 255 unused) feeds each register.

    SUMMATION_SELECT NS | DEMAND_SELECT ND | MIN_OR_MAX_FLAGS SET of ND flags | COINCIDENT_SELECT NC |
    COIN_DEMAND_ASSOC NC (index into DEMAND_SELECT)
    """

    number = 22
    title = "DATA_SELECTION_TBL"

    summation_select: Annotated[tuple[int, ...], Array(U8, "st21.nbr_summations"), SOURCE]
    demand_select: Annotated[tuple[int, ...], Array(U8, "st21.nbr_demands"), SOURCE]
    min_or_max_flags: Annotated[frozenset[int], Flags(flags="st21.nbr_demands")]  # in the set: a maximum
    coincident_select: Annotated[tuple[int, ...], Array(U8, "st21.nbr_coin_values"), SOURCE]
    coin_demand_assoc: Annotated[tuple[int, ...], Array(U8, "st21.nbr_coin_values")]


@record
class DemandRecord(Record):
    """[EVENT_TIME STIME × NBR_OCCUR] | [CUM_DEMAND NI1] | [CONT_CUM_DEMAND NI1] | DEMAND NI2 × NBR_OCCUR."""

    event_time: Annotated[
        tuple[datetime | None, ...] | None, Array(STIME, "st21.nbr_occur"), If("st21.date_time_field")
    ] = None
    cum_demand: Annotated[Number | None, NI1, If("st21.cum_demand")] = None
    cont_cum_demand: Annotated[Number | None, NI1, If("st21.cont_cum_demand")] = None
    demand: Annotated[tuple[Number | None, ...], Array(NI2, "st21.nbr_occur")]


@record
class CoincidentRecord(Record):
    """COINCIDENT_VALUES NI2 × NBR_OCCUR: what another source was when the demand occurred."""

    values: Annotated[tuple[Number | None, ...], Array(NI2, "st21.nbr_occur")]


@record
class DataBlock(Record):
    """SUMMATIONS NI1 × NS | DEMANDS × ND | COINCIDENTS × NC: the total, or one tier."""

    summations: Annotated[tuple[Number | None, ...], Array(NI1, "st21.nbr_summations")]
    demands: Annotated[tuple[DemandRecord, ...], Array(Sub(DemandRecord), "st21.nbr_demands")] = ()
    coincidents: Annotated[tuple[CoincidentRecord, ...], Array(Sub(CoincidentRecord), "st21.nbr_coin_values")] = ()


@record
class RegisterData(Record):
    """The layout of ST23, also inside ST24, ST25 and ST26.

    [NBR_DEMAND_RESETS U8] | TOT_DATA_BLOCK | TIER_DATA_BLOCK × NBR_TIERS (rate A, B, C …)
    """

    nbr_demand_resets: Annotated[int | None, U8, If("st21.demand_reset_ctr")] = None
    total: Annotated[DataBlock, Sub(DataBlock)]
    tiers: Annotated[tuple[DataBlock, ...], Array(Sub(DataBlock), "st21.nbr_tiers")] = ()


@record
class CurrentRegisters(Table):
    """ST23 CURRENT_REG_DATA_TBL: the present registers, laid out as `RegisterData`."""

    number = 23
    title = "CURRENT_REG_DATA_TBL"

    data: Annotated[RegisterData, Sub(RegisterData)]


@record
class RegisterInformation(Record):
    """[END_DATE_TIME STIME] | [SEASON U8]: when a period ended (None: none has ended yet)."""

    end_date_time: Annotated[datetime | None, STIME, If("st21.date_time_field")] = None
    season: Annotated[int | None, U8, If("st21.season_info_field")] = None


@record
class PreviousSeason(Table):
    """ST24 PREVIOUS_SEASON_DATA_TBL: REGISTER_INF | REGISTER_DATA at the end of the last season."""

    number = 24
    title = "PREVIOUS_SEASON_DATA_TBL"

    info: Annotated[RegisterInformation, Sub(RegisterInformation)]
    data: Annotated[RegisterData, Sub(RegisterData)]


@record
class PreviousReset(Table):
    """ST25 PREVIOUS_DEMAND_RESET_DATA_TBL: REGISTER_INF | REGISTER_DATA at the last demand reset."""

    number = 25
    title = "PREVIOUS_DEMAND_RESET_DATA_TBL"

    info: Annotated[RegisterInformation, Sub(RegisterInformation)]
    data: Annotated[RegisterData, Sub(RegisterData)]


@record
class SelfRead(Record):
    """[SELF_READ_SEQ U16] | REGISTER_INF | REGISTER_DATA."""

    sequence: Annotated[int | None, U16, If("st21.self_read_seq_nbr")] = None
    info: Annotated[RegisterInformation, Sub(RegisterInformation)]
    data: Annotated[RegisterData, Sub(RegisterData)]


@record
class SelfReads(Table):
    """ST26 SELF_READ_DATA_TBL.

    0 LIST_STATUS | 1 NBR_VALID_ENTRIES U8 | 2 LAST_ENTRY_ELEMENT U8 | 3 LAST_ENTRY_SEQ_NBR U16 |
    5 NBR_UNREAD_ENTRIES U8 | 6 self reads × NBR_SELF_READS
    """

    number = 26
    title = "SELF_READ_DATA_TBL"

    order: Annotated[int, _LIST.bit(0), LIST_ORDER] = 0  # 0: element n is older than n + 1
    overflow: Annotated[bool, _LIST.bit(1)] = False
    list_type: Annotated[int, _LIST.bit(2), LIST_TYPE] = 0  # 0 FIFO, 1 circular
    inhibit_overflow: Annotated[bool, _LIST.bit(3)] = False
    nbr_valid_entries: Annotated[int, U8] = 0
    last_entry_element: Annotated[int, U8] = 0
    last_entry_seq_nbr: Annotated[int, U16] = 0
    nbr_unread_entries: Annotated[int, U8] = 0
    entries: Annotated[tuple[SelfRead, ...], Array(Sub(SelfRead), "st21.nbr_self_reads")]


@record
class PresentSelection(Table):
    """ST27 PRESENT_REGISTER_SELECT_TBL: PRESENT_DEMAND_SELECT | PRESENT_VALUE_SELECT (ST16 indices, 255 unused)."""

    number = 27
    title = "PRESENT_REGISTER_SELECT_TBL"

    present_demand_select: Annotated[tuple[int, ...], Array(U8, "st21.nbr_present_demands"), SOURCE]
    present_value_select: Annotated[tuple[int, ...], Array(U8, "st21.nbr_present_values"), SOURCE]


@record
class PresentDemand(Record):
    """[TIME_REMAINING TIME] | DEMAND_VALUE NI2."""

    time_remaining: Annotated[timedelta | None, TIME, If("st21.time_remaining")] = None
    demand_value: Annotated[Number | None, NI2]


@record
class PresentRegisters(Table):
    """ST28 PRESENT_REGISTER_DATA_TBL: demands × NBR_PRESENT_DEMANDS | PRESENT_VALUE NI1 × NBR_PRESENT_VALUES."""

    number = 28
    title = "PRESENT_REGISTER_DATA_TBL"

    present_demands: Annotated[tuple[PresentDemand, ...], Array(Sub(PresentDemand), "st21.nbr_present_demands")]
    present_values: Annotated[tuple[Number | None, ...], Array(NI1, "st21.nbr_present_values")]
