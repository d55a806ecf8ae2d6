"""The laboratory: scenarios put together from files, and what a correct reader must find in their meters.

A tool of its own for people who write head-ends; `metersim meter` serves the same scenarios.
"""

from metersim.lab.compare import differences
from metersim.lab.document import ExpectationPart, VisitPart
from metersim.lab.expect import Laboratory

__all__ = ["ExpectationPart", "Laboratory", "VisitPart", "differences"]
