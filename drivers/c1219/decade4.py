"""Decade 4: security (ST40, ST41). ST42–ST45 hold passwords and keys: they have no declaration, on purpose."""

from typing import Annotated

from drivers.c1219.record import Table, record
from drivers.c1219.wire import U8, U16
from drivers.c1219.wording import OCTETS

#: Tables that are never read, shown or kept, and what is in them.
SECRET = {
    42: "the meter's passwords",
    43: "the default access rights of its tables",
    44: "the access rights of its tables",
    45: "the meter's keys",
}


@record
class SecurityLimits(Table):
    """ST41 ACT_SECURITY_LIMITING_TBL (6 octets).

    0 NBR_PASSWORDS | 1 PASSWORD_LEN | 2 NBR_KEYS | 3 KEY_LEN | 4 NBR_PERM_USED U16
    """

    number = 41
    title = "ACT_SECURITY_LIMITING_TBL"

    nbr_passwords: Annotated[int, U8] = 0
    password_len: Annotated[int, U8, OCTETS] = 0
    nbr_keys: Annotated[int, U8] = 0
    key_len: Annotated[int, U8, OCTETS] = 0
    nbr_perm_used: Annotated[int, U16] = 0


@record
class SecurityDimensions(SecurityLimits):
    """ST40 DIM_SECURITY_LIMITING_TBL: the most that ST41 could say."""

    number = 40
    title = "DIM_SECURITY_LIMITING_TBL"
