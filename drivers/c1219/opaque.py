"""Tables whose layout no open source confirms: their octets, whole and as they came, under an honest name."""

from typing import Annotated

from drivers.c1219.record import Table, record
from drivers.c1219.wire import Binary


@record
class OpaqueTable(Table):
    """Any number of octets. A meaning that is not known is not guessed."""

    octets: Annotated[bytes, Binary(None)] = b""
