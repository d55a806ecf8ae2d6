"""Propose a profile for a meter family from one meter: what was seen on the line and in the tables, and how sure it is.

`visit.listen` reads one meter with curiosity and records it; `proposal.propose` concludes from the recording alone, so
that a proposal can be made again, or from any recording of a visit.
"""

from drivers.learn.proposal import Proposal, Wishes, propose
from drivers.learn.visit import listen

__all__ = ["Proposal", "Wishes", "listen", "propose"]
