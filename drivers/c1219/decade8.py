"""Decade 8: user-defined tables (ST80–ST89). What they bundle is configured in each meter: kept as octets."""

from drivers.c1219.opaque import OpaqueTable
from drivers.c1219.record import record


@record
class UserTableDimensions(OpaqueTable):
    """ST80: limits of the user-defined tables. Not decoded."""

    number = 80
    title = "DIM_UDT_FUNC_LIM_TBL"


@record
class UserTableLimits(OpaqueTable):
    """ST81: limits of the user-defined tables, as used. Not decoded."""

    number = 81
    title = "ACT_UDT_FUNC_LIM_TBL"


@record
class UserTableLists(OpaqueTable):
    """ST82: lists of fields. Not decoded."""

    number = 82
    title = "UDT_LIST_TBL"


@record
class UserTableSelections(OpaqueTable):
    """ST83: selections of fields. Not decoded."""

    number = 83
    title = "UDT_SEL_TBL"


@record
class UserTable0(OpaqueTable):
    """ST84: user-defined table 0. Not decoded."""

    number = 84
    title = "UDT_0_TBL"


@record
class UserTable1(OpaqueTable):
    """ST85: user-defined table 1. Not decoded."""

    number = 85
    title = "UDT_1_TBL"


@record
class UserTable2(OpaqueTable):
    """ST86: user-defined table 2. Not decoded."""

    number = 86
    title = "UDT_2_TBL"


@record
class UserTable3(OpaqueTable):
    """ST87: user-defined table 3. Not decoded."""

    number = 87
    title = "UDT_3_TBL"


@record
class UserTable4(OpaqueTable):
    """ST88: user-defined table 4. Not decoded."""

    number = 88
    title = "UDT_4_TBL"


@record
class UserTable5(OpaqueTable):
    """ST89: user-defined table 5. Not decoded."""

    number = 89
    title = "UDT_5_TBL"
