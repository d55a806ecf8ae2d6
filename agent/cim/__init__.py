"""IEC 61968-9 `MeterReadings`: a reading as the XML that head-ends and meter data management systems exchange."""

from agent.cim.quality import quality_codes
from agent.cim.reading_type import block_type, register_type
from agent.cim.render import NAMESPACE, SCHEMA_FILE, Rendered, rendered

__all__ = [
    "NAMESPACE",
    "SCHEMA_FILE",
    "Rendered",
    "block_type",
    "quality_codes",
    "register_type",
    "rendered",
]
