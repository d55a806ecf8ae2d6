"""Decade 0: what the end device is, and how it writes its tables (ST00–ST08)."""

from datetime import datetime
from typing import Annotated

from drivers.c1219.enumerations import (
    ACCESS_METHODS,
    BASE_TYPES,
    CHAR_FORMATS,
    DATA_ORDERS,
    DEFAULT_SETS,
    EDITIONS,
    ELEMENT_VOLTS,
    EVENT_CODES,
    FREQUENCIES,
    ID_FORMS,
    INT_FORMATS,
    MODELS,
    NAMEPLATES,
    NI_FORMATS,
    RESULTS,
    SELECTORS,
    TM_FORMATS,
)
from drivers.c1219.record import Array, BitField, Record, Sub, Table, record
from drivers.c1219.scope import BySize, If
from drivers.c1219.wire import STIME, U8, Binary, Chars, Flags, Identifier, StimeOctets
from drivers.c1219.wording import OCTETS

_CONTROL_1, _CONTROL_2, _CONTROL_3 = BitField(1), BitField(1), BitField(1)
_MODE, _STATUS = BitField(1), BitField(2)
_ELEMENTS, _VOLTS = BitField(2), BitField(1)
_PROCEDURE = BitField(2)


@record
class GeneralConfiguration(Table):
    """ST00 GEN_CONFIG_TBL: formats, dimensions, and which tables and procedures exist (a hint, not a promise).

         0      1      2      3..6          7     8    9    10    11   12   13  14  15  16  17  18
       +------+------+------+-------------+-----+----+----+-----+----+----+---+---+---+---+---+---+
       | FC1  | FC2  | FC3  | maker/class | kind|set |parm|resp | ver|rev |STD|MFG|SP |MP |mfs|pnd|
       +------+------+------+-------------+-----+----+----+-----+----+----+---+---+---+---+---+---+
       | STD_TBLS_USED: STD | MFG_TBLS_USED: MFG | STD_PROC_USED: SP | MFG_PROC_USED: MP |
       | STD_TBLS_WRITE: STD | MFG_TBLS_WRITE: MFG |             FC1 FC2 FC3: bits below

    Octets 3–6 are the manufacturer's text in the 1997 edition, a binary device class since 2008. A map that is cut
    short is read as far as it goes; what is missing counts as absent.
    """

    number = 0
    title = "GEN_CONFIG_TBL"

    data_order: Annotated[int, _CONTROL_1.bit(0), DATA_ORDERS] = 0
    char_format: Annotated[int, _CONTROL_1.bits(1, 3), CHAR_FORMATS] = 1
    model_select: Annotated[int, _CONTROL_1.bits(4, 6), MODELS] = 0
    tm_format: Annotated[int, _CONTROL_2.bits(0, 2), TM_FORMATS] = 2
    data_access_method: Annotated[int, _CONTROL_2.bits(3, 4), ACCESS_METHODS] = 3
    id_form: Annotated[int, _CONTROL_2.bit(5), ID_FORMS] = 0
    int_format: Annotated[int, _CONTROL_2.bits(6, 7), INT_FORMATS] = 0
    ni_format1: Annotated[int, _CONTROL_3.bits(0, 3), NI_FORMATS] = 8
    ni_format2: Annotated[int, _CONTROL_3.bits(4, 7), NI_FORMATS] = 8
    device_class: Annotated[bytes, Binary(4)] = b"    "
    nameplate_type: Annotated[int, U8, NAMEPLATES] = 2
    default_set_used: Annotated[int, U8, DEFAULT_SETS] = 0
    max_proc_parm_length: Annotated[int, U8, OCTETS] = 16
    max_resp_data_len: Annotated[int, U8, OCTETS] = 16
    std_version_no: Annotated[int, U8, EDITIONS] = 1
    std_revision_no: Annotated[int, U8] = 0
    dim_std_tbls_used: Annotated[int, U8, OCTETS] = 10  # of the sets below
    dim_mfg_tbls_used: Annotated[int, U8, OCTETS] = 0
    dim_std_proc_used: Annotated[int, U8, OCTETS] = 4
    dim_mfg_proc_used: Annotated[int, U8, OCTETS] = 0
    dim_mfg_status_used: Annotated[int, U8, OCTETS] = 0
    nbr_pending: Annotated[int, U8] = 0
    std_tbls_used: Annotated[frozenset[int], Flags(".dim_std_tbls_used")] = frozenset()
    mfg_tbls_used: Annotated[frozenset[int], Flags(".dim_mfg_tbls_used")] = frozenset()
    std_proc_used: Annotated[frozenset[int], Flags(".dim_std_proc_used")] = frozenset()
    mfg_proc_used: Annotated[frozenset[int], Flags(".dim_mfg_proc_used")] = frozenset()
    std_tbls_write: Annotated[frozenset[int], Flags(".dim_std_tbls_used")] = frozenset()
    mfg_tbls_write: Annotated[frozenset[int], Flags(".dim_mfg_tbls_used")] = frozenset()


#: Octets of ST00 before the maps; without them nothing of the meter can be decoded.
FIXED_OCTETS = 19


@record
class ManufacturerIdentification(Table):
    """ST01 GENERAL_MFG_ID_TBL (32 octets; 24 with BCD ids).

    0 MANUFACTURER 4 | 4 ED_MODEL 8 | 12 HW_VERSION | 13 HW_REVISION | 14 FW_VERSION | 15 FW_REVISION | 16 serial 16
    """

    number = 1
    title = "GENERAL_MFG_ID_TBL"

    manufacturer: Annotated[str, Chars(4)]
    ed_model: Annotated[str, Chars(8)]
    hw_version_number: Annotated[int, U8] = 1
    hw_revision_number: Annotated[int, U8] = 0
    fw_version_number: Annotated[int, U8] = 1
    fw_revision_number: Annotated[int, U8] = 0
    mfg_serial_number: Annotated[str, Identifier(16)]


@record
class Nameplate(Table):
    """ST02 DEVICE_NAMEPLATE_TBL of an electric meter (33 octets).

    0 E_KH 6 | 6 E_KT 6 | 12 E_INPUT_SCALAR | 13 E_ED_CONFIG 5 | 18 E_ELEMENTS U16 | 20 E_VOLTS U8 |
    21 E_CLASS_MAX_AMPS 6 | 27 E_TA 6
    """

    number = 2
    title = "DEVICE_NAMEPLATE_TBL"

    e_kh: Annotated[str, Chars(6)] = ""
    e_kt: Annotated[str, Chars(6)] = ""
    e_input_scalar: Annotated[int, U8] = 1
    e_ed_config: Annotated[str, Chars(5)] = ""  # the form, as "9S"
    e_freq: Annotated[int, _ELEMENTS.bits(0, 2), FREQUENCIES] = 0
    e_no_of_elements: Annotated[int, _ELEMENTS.bits(3, 5)] = 0
    e_base_type: Annotated[int, _ELEMENTS.bits(6, 9), BASE_TYPES] = 0
    e_accuracy_class: Annotated[int, _ELEMENTS.bits(10, 15)] = 0
    elements_volts: Annotated[int, _VOLTS.bits(0, 3), ELEMENT_VOLTS] = 0
    ed_supply_volts: Annotated[int, _VOLTS.bits(4, 7), ELEMENT_VOLTS] = 0
    e_class_max_amps: Annotated[str, Chars(6)] = ""
    e_ta: Annotated[str, Chars(6)] = ""


@record
class ModeStatus(Table):
    """ST03 ED_MODE_STATUS_TBL (4 octets and the manufacturer's).

    0 ED_MODE U8 | 1 ED_STD_STATUS1 U16 | 3 ED_STD_STATUS2 U8 | 4 ED_MFG_STATUS SET(DIM_MFG_STATUS_USED)
    """

    number = 3
    title = "ED_MODE_STATUS_TBL"

    metering: Annotated[bool, _MODE.bit(0)] = True
    test: Annotated[bool, _MODE.bit(1)] = False
    meter_shop: Annotated[bool, _MODE.bit(2)] = False
    factory: Annotated[bool, _MODE.bit(3)] = False
    unprogrammed: Annotated[bool, _STATUS.bit(0)] = False
    configuration_error: Annotated[bool, _STATUS.bit(1)] = False
    self_chk_error: Annotated[bool, _STATUS.bit(2)] = False
    ram_failure: Annotated[bool, _STATUS.bit(3)] = False
    rom_failure: Annotated[bool, _STATUS.bit(4)] = False
    nonvol_mem_failure: Annotated[bool, _STATUS.bit(5)] = False
    clock_error: Annotated[bool, _STATUS.bit(6)] = False
    measurement_error: Annotated[bool, _STATUS.bit(7)] = False
    low_battery: Annotated[bool, _STATUS.bit(8)] = False
    low_loss_potential: Annotated[bool, _STATUS.bit(9)] = False
    demand_overload: Annotated[bool, _STATUS.bit(10)] = False
    power_failure: Annotated[bool, _STATUS.bit(11)] = False
    tamper_detect: Annotated[bool, _STATUS.bit(12)] = False
    reverse_rotation: Annotated[bool, _STATUS.bit(13)] = False
    ed_std_status2: Annotated[int, U8] = 0
    ed_mfg_status: Annotated[frozenset[int], Flags("st00.dim_mfg_status_used")] = frozenset()


_EVENT, _PENDING = BitField(1), BitField(2)


@record
class PendingMaps(Record):
    """STANDARD_PENDING SET(STD) | MANUFACT_PENDING SET(MFG): tables that can be written as pending."""

    standard_pending: Annotated[frozenset[int], Flags("st00.dim_std_tbls_used")] = frozenset()
    manufact_pending: Annotated[frozenset[int], Flags("st00.dim_mfg_tbls_used")] = frozenset()


@record
class PendingEntry(Record):
    """EVENT_SELECTOR U8 | EVENT_STORAGE 5 octets (of the size of an STIME in some meters) | TABLE_SELECTOR U16.

    Selector: 0..3 EVENT_CODE | 4 SELF_READ | 5 DEMAND_RESET. Table: 0..10 number | 11 manufacturer's | 12 pending |
    13..15 selector. Storage that is no longer than an STIME is `storage` alone; `spare` holds what is left of five.
    """

    event_code: Annotated[int, _EVENT.bits(0, 3), EVENT_CODES] = 0
    self_read: Annotated[bool, _EVENT.bit(4)] = False
    demand_reset: Annotated[bool, _EVENT.bit(5)] = False
    storage: Annotated[bytes, StimeOctets()]
    spare: Annotated[bytes | None, StimeOctets(up_to=5), BySize(If("st00.tm_format", above=-1))] = None
    table: Annotated[int, _PENDING.bits(0, 10)] = 0
    manufacturer: Annotated[bool, _PENDING.bit(11)] = False
    pending: Annotated[bool, _PENDING.bit(12)] = False
    selector: Annotated[int, _PENDING.bits(13, 15)] = 0


@record
class PendingStatus(Table):
    """ST04 PENDING_STATUS_TBL: [maps] | LAST_ACTIVATION_DATE_TIME STIME | NBR_PENDING_ACTIVATION U8 | entries.

    NBR_PENDING entries of ST00. The size tells whether the two maps are there and how long the storage is. An entry is
    shown, never followed: one that names ST04 itself is only that.
    """

    number = 4
    title = "PENDING_STATUS_TBL"

    maps: Annotated[PendingMaps | None, Sub(PendingMaps), BySize(If("st00.dim_std_tbls_used", above=-1))] = None
    last_activation_date_time: Annotated[datetime | None, STIME] = None
    nbr_pending_activation: Annotated[int, U8] = 0
    entries: Annotated[tuple[PendingEntry, ...], Array(Sub(PendingEntry), "st00.nbr_pending")] = ()


@record
class DeviceIdentification(Table):
    """ST05 DEVICE_IDENT_TBL: the meter id, 20 characters or 10 BCD octets (ID_FORM)."""

    number = 5
    title = "DEVICE_IDENT_TBL"

    identification: Annotated[str, Identifier(20)]


@record
class UtilityInformation(Table):
    """ST06 UTIL_INFO_TBL (230 octets; 180 with BCD ids), all fields in a row."""

    number = 6
    title = "UTIL_INFO_TBL"

    owner_name: Annotated[str, Chars(20)] = ""
    utility_div: Annotated[str, Chars(20)] = ""
    service_point_id: Annotated[str, Identifier(20)] = ""
    elec_addr: Annotated[str, Identifier(20)] = ""
    device_id: Annotated[str, Identifier(20)] = ""
    util_ser_no: Annotated[str, Identifier(20)] = ""
    customer_id: Annotated[str, Identifier(20)] = ""
    coordinate_1: Annotated[bytes, Binary(10)] = bytes(10)
    coordinate_2: Annotated[bytes, Binary(10)] = bytes(10)
    coordinate_3: Annotated[bytes, Binary(10)] = bytes(10)
    tariff_id: Annotated[str, Chars(8)] = ""
    ex1_sw_vendor: Annotated[str, Chars(4)] = ""
    ex1_sw_version_number: Annotated[int, U8] = 0
    ex1_sw_revision_number: Annotated[int, U8] = 0
    ex2_sw_vendor: Annotated[str, Chars(4)] = ""
    ex2_sw_version_number: Annotated[int, U8] = 0
    ex2_sw_revision_number: Annotated[int, U8] = 0
    programmer_name: Annotated[str, Chars(10)] = ""
    misc_id: Annotated[str, Chars(30)] = ""


@record
class ProcedureInitiate(Table):
    """ST07 PROC_INITIATE_TBL: start a procedure, always by full write.

    0 TABLE_IDB_BFLD U16 (0..10 procedure, 11 manufacturer's, 12..15 SELECTOR) | 2 SEQ_NBR U8 | 3 parameters
    """

    number = 7
    title = "PROC_INITIATE_TBL"

    procedure: Annotated[int, _PROCEDURE.bits(0, 10)]
    manufacturer: Annotated[bool, _PROCEDURE.bit(11)] = False
    selector: Annotated[int, _PROCEDURE.bits(12, 15), SELECTORS] = 0
    sequence: Annotated[int, U8]
    parameters: Annotated[bytes, Binary(None)] = b""


_ANSWERED = BitField(2)


@record
class ProcedureResponse(Table):
    """ST08 PROC_RESPONSE_TBL: 0 TABLE_IDB_BFLD U16 | 2 SEQ_NBR U8 (echoed) | 3 RESULT_CODE U8 | 4 response data.

    An answer whose procedure and sequence are not those written to ST07 belongs to someone else.
    """

    number = 8
    title = "PROC_RESPONSE_TBL"

    procedure: Annotated[int, _ANSWERED.bits(0, 10)]
    manufacturer: Annotated[bool, _ANSWERED.bit(11)] = False
    selector: Annotated[int, _ANSWERED.bits(12, 15), SELECTORS] = 0
    sequence: Annotated[int, U8]
    result: Annotated[int, U8, RESULTS] = 0
    response: Annotated[bytes, Binary(None)] = b""
