"""Decade 6: what the load profile records, and how far it is (ST60–ST63); its data are `profile_data.py`."""

from typing import Annotated

from drivers.c1219.enumerations import INTERVAL_FORMATS
from drivers.c1219.record import Array, BitField, PerSet, Record, Sub, Table, record
from drivers.c1219.scope import If
from drivers.c1219.wire import U8, U16, U32
from drivers.c1219.wording import LIST_ORDER, LIST_TYPE, MINUTES, OCTETS, SOURCE, FlagWords

_FLAGS, _FORMATS, _CHANNEL, _STATUS = BitField(2), BitField(1), BitField(1), BitField(1)


@record
class ProfileSet(Record):
    """0 NBR_BLKS U16 | 2 NBR_BLK_INTS U16 | 4 NBR_CHNS U8 | 5 MAX_INT_TIME U8 (in ST61: the interval, minutes)."""

    nbr_blks: Annotated[int, U16]
    nbr_blk_ints: Annotated[int, U16]
    nbr_chns: Annotated[int, U8]
    max_int_time: Annotated[int, U8, MINUTES]


@record
class ProfileLimits(Table):
    """ST61 ACT_LP_TBL: 0 LP_MEMORY_LEN U32 | 4 LP_FLAGS U16 | 6 LP_FMATS U8 | 7 six octets for each set in use.

    A set is in use when ST00 has its data table, ST64–ST67; where the size says otherwise, the size is believed.
    `sets` has four elements, None for a set that is not in use.
    """

    number = 61
    title = "ACT_LP_TBL"

    lp_memory_len: Annotated[int, U32, OCTETS] = 0
    lp_set1_inhibit_ovf: Annotated[bool, _FLAGS.bit(0)] = False
    lp_set2_inhibit_ovf: Annotated[bool, _FLAGS.bit(1)] = False
    lp_set3_inhibit_ovf: Annotated[bool, _FLAGS.bit(2)] = False
    lp_set4_inhibit_ovf: Annotated[bool, _FLAGS.bit(3)] = False
    blk_end_read: Annotated[bool, _FLAGS.bit(4)] = False
    blk_end_pulse: Annotated[bool, _FLAGS.bit(5)] = False
    scalar_divisor_set1: Annotated[bool, _FLAGS.bit(6)] = False
    scalar_divisor_set2: Annotated[bool, _FLAGS.bit(7)] = False
    scalar_divisor_set3: Annotated[bool, _FLAGS.bit(8)] = False
    scalar_divisor_set4: Annotated[bool, _FLAGS.bit(9)] = False
    extended_int_status: Annotated[bool, _FLAGS.bit(10)] = False
    simple_int_status: Annotated[bool, _FLAGS.bit(11)] = False
    bit_12: Annotated[bool, _FLAGS.bit(12)] = False  # 1997: CLOSURE_STATUS field; 2008: BLK_END_RD_INDICATOR
    fill: Annotated[int, _FLAGS.bits(13, 15)] = 0
    lp_fmats: Annotated[int, U8, FlagWords(INTERVAL_FORMATS.by_number)] = 0xFF
    sets: Annotated[tuple[ProfileSet | None, ...], PerSet(Sub(ProfileSet))]

    def of_set(self, number: int, name: str) -> int:
        """Return a limit of set 1–4, `"scalar_divisor"` among them; 0 for a set that is not in use."""
        if name == "scalar_divisor":
            return int(getattr(self, f"scalar_divisor_set{number}"))
        limits = self.sets[number - 1]
        return 0 if limits is None else int(getattr(limits, name))


@record
class ProfileDimensions(ProfileLimits):
    """ST60 DIM_LP_TBL: the most that ST61 could say. Never used to decode other tables."""

    number = 60
    title = "DIM_LP_TBL"


@record
class ProfileChannel(Record):
    """CHNL_FLAG U8 (bit 0 END_RDG_FLAG) | LP_SOURCE_SELECT U8 | END_BLK_RDG_SOURCE_SELECT U8 (255: none)."""

    end_rdg_flag: Annotated[bool, _CHANNEL.bit(0)] = False
    lp_source_select: Annotated[int, U8, SOURCE]
    end_blk_rdg_source_select: Annotated[int, U8, SOURCE] = 255


@record
class ProfileSetControl(Record):
    """Channels × NBR_CHNS | INT_FMT_CDE U8 | [SCALARS U16 × NBR_CHNS | DIVISORS U16 × NBR_CHNS]."""

    channels: Annotated[tuple[ProfileChannel, ...], Array(Sub(ProfileChannel), "set.nbr_chns")]
    int_fmt_cde: Annotated[int, U8, INTERVAL_FORMATS]
    scalars: Annotated[tuple[int, ...] | None, Array(U16, "set.nbr_chns"), If("set.scalar_divisor")] = None
    divisors: Annotated[tuple[int, ...] | None, Array(U16, "set.nbr_chns"), If("set.scalar_divisor")] = None


@record
class ProfileControl(Table):
    """ST62 LP_CTRL_TBL: one `ProfileSetControl` for each set in use, 3·n + 1 octets, or 7·n + 1 with divisors."""

    number = 62
    title = "LP_CTRL_TBL"

    sets: Annotated[tuple[ProfileSetControl | None, ...], PerSet(Sub(ProfileSetControl))]


@record
class ProfileSetStatus(Record):
    """Which blocks of one set are valid (13 octets).

    0 flags | 1 NBR_VALID_BLOCKS U16 | 3 LAST_BLOCK_ELEMENT U16 | 5 LAST_BLOCK_SEQ_NBR U32 |
    9 NBR_UNREAD_BLOCKS U16 | 11 NBR_VALID_INT U16 (valid intervals of the newest block)
    """

    block_order: Annotated[int, _STATUS.bit(0), LIST_ORDER] = 0
    overflow: Annotated[bool, _STATUS.bit(1)] = False
    list_type: Annotated[int, _STATUS.bit(2), LIST_TYPE] = 0
    block_inhibit_overflow: Annotated[bool, _STATUS.bit(3)] = False
    interval_order: Annotated[int, _STATUS.bit(4), LIST_ORDER] = 0
    active_mode: Annotated[bool, _STATUS.bit(5)] = False
    test_mode: Annotated[bool, _STATUS.bit(6)] = False
    nbr_valid_blocks: Annotated[int, U16]
    last_block_element: Annotated[int, U16]
    last_block_seq_nbr: Annotated[int, U32] = 0
    nbr_unread_blocks: Annotated[int, U16] = 0
    nbr_valid_int: Annotated[int, U16]


@record
class ProfileStatus(Table):
    """ST63 LP_STATUS_TBL: 13 octets for each set in use."""

    number = 63
    title = "LP_STATUS_TBL"

    sets: Annotated[tuple[ProfileSetStatus | None, ...], PerSet(Sub(ProfileSetStatus))]
