"""Decade 9: the telephone (ST90–ST98), as far as open sources confirm its layout; the rest of a table stays octets."""

from typing import Annotated

from drivers.c1219.enumerations import BIT_RATES, CALL_STATES
from drivers.c1219.opaque import OpaqueTable
from drivers.c1219.record import Array, BitField, Table, record
from drivers.c1219.scope import If, Unless
from drivers.c1219.wire import U8, U32, Binary, Chars
from drivers.c1219.wording import OCTETS, Unit

_FLAGS, _ORIGINATE, _PHONES = BitField(1), BitField(1), BitField(1)
_BIT_PER_S = Unit("bit/s")


@record
class TelephoneLimits(Table):
    """ST91 ACT_TELEPHONE_TBL (14 octets).

    0 flags (0 ANSWER, 7 EXTENDED_STATUS) | 1 flags (3..4 BIT_RATE) | 2 NBR_SETUP_STRINGS | 3 SETUP_STRING_LENGTH |
    4 PREFIX_LENGTH | 5 NBR_ORIGINATE_NUMBERS | 6 PHONE_NUMBER_LENGTH | 7 seven more limits, which are kept as octets
    """

    number = 91
    title = "ACT_TELEPHONE_TBL"

    answer: Annotated[bool, _FLAGS.bit(0)] = False
    other_flags: Annotated[int, _FLAGS.bits(1, 6)] = 0
    extended_status: Annotated[bool, _FLAGS.bit(7)] = False
    originate_flags: Annotated[int, _ORIGINATE.bits(0, 2)] = 0
    bit_rate: Annotated[int, _ORIGINATE.bits(3, 4), BIT_RATES] = 0
    other_originate_flags: Annotated[int, _ORIGINATE.bits(5, 7)] = 0
    nbr_setup_strings: Annotated[int, U8] = 0
    setup_string_length: Annotated[int, U8, OCTETS] = 0
    prefix_length: Annotated[int, U8, OCTETS] = 0
    nbr_originate_numbers: Annotated[int, U8] = 0
    phone_number_length: Annotated[int, U8, OCTETS] = 0
    further_limits: Annotated[bytes, Binary(7)] = bytes(7)


@record
class TelephoneDimensions(TelephoneLimits):
    """ST90 DIM_TELEPHONE_TBL: the most that ST91 could say. Never used to decode other tables."""

    number = 90
    title = "DIM_TELEPHONE_TBL"


@record
class GlobalParameters(Table):
    """ST92 GLOBAL_PARAMETERS_TBL: PSEM_IDENTITY U8 | [BIT_RATE U32] | modem set-up strings, as octets."""

    number = 92
    title = "GLOBAL_PARAMETERS_TBL"

    psem_identity: Annotated[int, U8] = 0
    bit_rate: Annotated[int | None, U32, If("st91.bit_rate", equals=1), _BIT_PER_S] = None
    rest: Annotated[bytes, Binary(None)] = b""


@record
class OriginateParameters(Table):
    """ST93 ORIGINATE_PARAMETERS_TBL: [BIT_RATE U32] | DIAL_DELAY U8 | prefix | numbers × NBR_ORIGINATE_NUMBERS."""

    number = 93
    title = "ORIGINATE_PARAMETERS_TBL"

    bit_rate: Annotated[int | None, U32, If("st91.bit_rate", equals=2), _BIT_PER_S] = None
    dial_delay: Annotated[int, U8] = 0
    prefix: Annotated[str, Chars("st91.prefix_length")] = ""
    phone_numbers: Annotated[
        tuple[str, ...], Array(Chars("st91.phone_number_length"), "st91.nbr_originate_numbers")
    ] = ()
    rest: Annotated[bytes, Binary(None)] = b""


@record
class OriginateSchedule(Table):
    """ST94 ORIGINATE_SCHEDULE_TBL: 0..2 PRIMARY and 4..6 SECONDARY number (7: none) | the schedule, as octets."""

    number = 94
    title = "ORIGINATE_SCHEDULE_TBL"

    primary_phone_number: Annotated[int, _PHONES.bits(0, 2)] = 7
    secondary_phone_number: Annotated[int, _PHONES.bits(4, 6)] = 7
    rest: Annotated[bytes, Binary(None)] = b""


@record
class AnswerParameters(Table):
    """ST95 ANSWER_PARAMETERS_TBL: [BIT_RATE U32] | answer windows and rings, as octets."""

    number = 95
    title = "ANSWER_PARAMETERS_TBL"

    bit_rate: Annotated[int | None, U32, If("st91.bit_rate", equals=2), _BIT_PER_S] = None
    rest: Annotated[bytes, Binary(None)] = b""


@record
class CallPurpose(OpaqueTable):
    """ST96: why the meter calls. Not decoded."""

    number = 96
    title = "CALL_PURPOSE_TBL"


@record
class CallStatus(Table):
    """ST97 CALL_STATUS_TBL: U8 × NBR_ORIGINATE_NUMBERS; records of unconfirmed layout where status is extended."""

    number = 97
    title = "CALL_STATUS_TBL"

    call_status: Annotated[
        tuple[int, ...] | None,
        Array(U8, "st91.nbr_originate_numbers"),
        Unless("st91.extended_status"),
        CALL_STATES,
    ] = None
    extended: Annotated[bytes | None, Binary(None), If("st91.extended_status")] = None


@record
class OriginateStatus(OpaqueTable):
    """ST98: how the meter's calls went. Not decoded."""

    number = 98
    title = "ORIGINATE_STATUS_TBL"
