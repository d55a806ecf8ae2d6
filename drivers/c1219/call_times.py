"""The forms in which meters take the time of their next call; where it stands is for a profile to say."""

from datetime import datetime
from typing import Annotated

from drivers.c1219.record import Record, record
from drivers.c1219.wire import LTIME, STIME, U32


@record
class LongTime(Record):
    """LTIME_DATE: to the second, as TM_FORMAT of ST00 lays it out."""

    at: Annotated[datetime | None, LTIME]


@record
class ShortTime(Record):
    """STIME_DATE: to the minute."""

    at: Annotated[datetime | None, STIME]


@record
class Count(Record):
    """Seconds or minutes since 1970 UTC, U32."""

    since_1970: Annotated[int, U32]
