"""Decade 1: the sources, what each measures, and its constants (ST10–ST17)."""

from typing import Annotated

from drivers.c1219.enumerations import (
    CONSTANT_TO_BE_APPLIED,
    CONSTANTS_SELECTORS,
    HARMONICS,
    MULTIPLIERS,
    NET_FLOW,
    PULSE_ENGR,
    QUANTITIES,
    SEGMENTATIONS,
    SET_APPLIED,
    TIME_BASES,
)
from drivers.c1219.number import Number
from drivers.c1219.opaque import OpaqueTable
from drivers.c1219.record import Array, BitField, Record, Sub, Table, record
from drivers.c1219.scope import BySize, If, Unless
from drivers.c1219.wire import NI1, U8, U16, Binary
from drivers.c1219.wording import MINUTES, OCTETS, SECONDS

_FLAGS, _UOM, _SET, _SOURCE = BitField(1), BitField(4), BitField(1), BitField(1)


@record
class SourcesLimits(Table):
    """ST11 ACT_SOURCES_LIM_TBL (8 octets): what of decade 1 is there.

    0 SOURCE_FLAGS | 1 NBR_UOM_ENTRIES | 2 NBR_DEMAND_CTRL_ENTRIES | 3 DATA_CTRL_LENGTH | 4 NBR_DATA_CTRL_ENTRIES |
    5 NBR_CONSTANTS_ENTRIES | 6 CONSTANTS_SELECTOR | 7 NBR_SOURCES
    """

    number = 11
    title = "ACT_SOURCES_LIM_TBL"

    pf_exclude: Annotated[bool, _FLAGS.bit(0)] = False
    reset_exclude: Annotated[bool, _FLAGS.bit(1)] = False
    block_demand: Annotated[bool, _FLAGS.bit(2)] = False
    sliding_demand: Annotated[bool, _FLAGS.bit(3)] = False
    thermal_demand: Annotated[bool, _FLAGS.bit(4)] = False
    set1_present: Annotated[bool, _FLAGS.bit(5)] = False
    set2_present: Annotated[bool, _FLAGS.bit(6)] = False
    conversion_alg: Annotated[bool, _FLAGS.bit(7)] = False  # 2008; before: fill, or NO_OFFSET in some families
    nbr_uom_entries: Annotated[int, U8] = 0
    nbr_demand_ctrl_entries: Annotated[int, U8] = 0
    data_ctrl_length: Annotated[int, U8, OCTETS] = 0
    nbr_data_ctrl_entries: Annotated[int, U8] = 0
    nbr_constants_entries: Annotated[int, U8] = 0
    constants_selector: Annotated[int, U8, CONSTANTS_SELECTORS] = 2
    nbr_sources: Annotated[int, U8] = 0


@record
class SourcesDimensions(SourcesLimits):
    """ST10 DIM_SOURCES_LIM_TBL: the most that ST11 could say. Never used to decode other tables."""

    number = 10
    title = "DIM_SOURCES_LIM_TBL"


@record
class UnitOfMeasure(Record):
    """One entry of ST12, a bit field of U32: what a source measures.

    0..7 ID_CODE | 8..10 TIME_BASE | 11..13 MULTIPLIER | 14..17 Q1..Q4 | 18 NET_FLOW | 19..21 SEGMENTATION |
    22 HARMONIC | 23..27 ID_RESOURCE (2008) | 28..30 reserved | 31 NFS (does not follow the standard)
    """

    id_code: Annotated[int, _UOM.bits(0, 7), QUANTITIES]
    time_base: Annotated[int, _UOM.bits(8, 10), TIME_BASES] = 0
    multiplier: Annotated[int, _UOM.bits(11, 13), MULTIPLIERS] = 0  # a code, see `units.POWERS`
    q1: Annotated[bool, _UOM.bit(14)] = False
    q2: Annotated[bool, _UOM.bit(15)] = False
    q3: Annotated[bool, _UOM.bit(16)] = False
    q4: Annotated[bool, _UOM.bit(17)] = False
    net_flow: Annotated[bool, _UOM.bit(18), NET_FLOW] = False
    segmentation: Annotated[int, _UOM.bits(19, 21), SEGMENTATIONS] = 0
    harmonic: Annotated[bool, _UOM.bit(22), HARMONICS] = False
    id_resource: Annotated[int, _UOM.bits(23, 27)] = 0
    reserved: Annotated[int, _UOM.bits(28, 30)] = 0
    nfs: Annotated[bool, _UOM.bit(31)] = False


@record
class UnitsOfMeasure(Table):
    """ST12 UOM_ENTRY_TBL: NBR_UOM_ENTRIES × U32."""

    number = 12
    title = "UOM_ENTRY_TBL"

    entries: Annotated[tuple[UnitOfMeasure, ...], Array(Sub(UnitOfMeasure), "st11.nbr_uom_entries")]


@record
class DemandInterval(Record):
    """Sliding: 0 SUB_INT U8 (minutes) | 1 INT_MULTIPLIER U8. Otherwise: 0 INT_LENGTH U16 (minutes)."""

    sub_int: Annotated[int | None, U8, If("st11.sliding_demand"), MINUTES] = None
    int_multiplier: Annotated[int | None, U8, If("st11.sliding_demand")] = None
    int_length: Annotated[int | None, U16, Unless("st11.sliding_demand"), MINUTES] = None

    @property
    def minutes(self) -> int:
        """Length of the whole demand interval."""
        return self.int_length if self.int_length is not None else (self.sub_int or 0) * (self.int_multiplier or 0)


@record
class DemandControl(Table):
    """ST13 DEMAND_CONTROL_TBL: [1 octet of RESET_EXCLUDE] [3 octets of PF_EXCLUDE] | entries of 2 octets."""

    number = 13
    title = "DEMAND_CONTROL_TBL"

    reset_exclusion: Annotated[int | None, U8, If("st11.reset_exclude"), MINUTES] = None
    p_fail_recogntn_tm: Annotated[int | None, U8, If("st11.pf_exclude"), SECONDS] = None
    p_fail_exclusion: Annotated[int | None, U8, If("st11.pf_exclude"), MINUTES] = None
    cold_load_pickup: Annotated[int | None, U8, If("st11.pf_exclude"), MINUTES] = None
    intervals: Annotated[tuple[DemandInterval, ...], Array(Sub(DemandInterval), "st11.nbr_demand_ctrl_entries")]


@record
class DataControl(Table):
    """ST14 DATA_CONTROL_TBL: NBR_DATA_CTRL_ENTRIES × DATA_CTRL_LENGTH octets of the vendor's meaning."""

    number = 14
    title = "DATA_CONTROL_TBL"

    source_ids: Annotated[tuple[bytes, ...], Array(Binary("st11.data_ctrl_length"), "st11.nbr_data_ctrl_entries")]


@record
class ConstantSet(Record):
    """SET_CTRL U8 (bit 0 SET_APPLIED) | RATIO_F1 NI1 (current transformers) | RATIO_P1 NI1 (voltage transformers)."""

    set_applied: Annotated[bool, _SET.bit(0), SET_APPLIED] = False
    ratio_f1: Annotated[Number | None, NI1] = 1
    ratio_p1: Annotated[Number | None, NI1] = 1


@record
class Constant(Record):
    """MULTIPLIER NI1 | OFFSET NI1 (absent in NO_OFFSET meters) | [SET1] | [SET2]."""

    multiplier: Annotated[Number | None, NI1] = 1
    offset: Annotated[Number | None, NI1, BySize(Unless("quirks.no_offset"))] = None
    set1: Annotated[ConstantSet | None, Sub(ConstantSet), If("st11.set1_present")] = None
    set2: Annotated[ConstantSet | None, Sub(ConstantSet), If("st11.set2_present")] = None


@record
class Constants(Table):
    """ST15 CONSTANTS_TBL of an electric meter (selector 2): NBR_CONSTANTS_ENTRIES records.

    An entry takes 2·NI1 octets, and 1 + 2·NI1 for each set present. `offset` None leaves the field out (NO_OFFSET).
    """

    number = 15
    title = "CONSTANTS_TBL"

    entries: Annotated[tuple[Constant, ...], Array(Sub(Constant), "st11.nbr_constants_entries")]


@record
class SourceFlags(Record):
    """One octet of ST16: which tables hold an entry for this source.

    0 UOM_ENTRY | 1 DEMAND_CTRL | 2 DATA_CTRL | 3 CONSTANTS | 4 PULSE_ENGR (1: engineering units) |
    5 CONSTANT_TO_BE_APPLIED (1: ST15 is not yet in the value)
    """

    uom_entry: Annotated[bool, _SOURCE.bit(0)] = False
    demand_ctrl: Annotated[bool, _SOURCE.bit(1)] = False
    data_ctrl: Annotated[bool, _SOURCE.bit(2)] = False
    constants: Annotated[bool, _SOURCE.bit(3)] = False
    pulse_engr: Annotated[bool, _SOURCE.bit(4), PULSE_ENGR] = False
    constant_to_be_applied: Annotated[bool, _SOURCE.bit(5), CONSTANT_TO_BE_APPLIED] = False


@record
class Sources(Table):
    """ST16 SOURCES_TBL: NBR_SOURCES × U8."""

    number = 16
    title = "SOURCES_TBL"

    sources: Annotated[tuple[SourceFlags, ...], Array(Sub(SourceFlags), "st11.nbr_sources")]


@record
class TransformerLosses(OpaqueTable):
    """ST17: transformer loss compensation. Its layout is not confirmed by any open source."""

    number = 17
    title = "TRANSFORMER_LOSS_COMPENSATION_TBL"
