"""CMEP 1.20: meter data as lines of text, the interim exchange format that D.97-12-048 adopted.

    rendered(reading, dialect)   →  lines, and what they cannot say
    parsed(text, dialect)        →  records

Records of type MEPMD01 (intervals, register readings) and MEPMD02 (time of use, demand). Values stay exact.
"""

from agent.cmep.dialect import Dialect
from agent.cmep.parse import CmepError, parsed
from agent.cmep.records import IntervalRecord, Point, Quality, TouRecord, TouValue
from agent.cmep.render import Rendered, rendered

__all__ = [
    "CmepError",
    "Dialect",
    "IntervalRecord",
    "Point",
    "Quality",
    "Rendered",
    "TouRecord",
    "TouValue",
    "parsed",
    "rendered",
]
