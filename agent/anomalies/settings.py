"""The `[anomalies]` part of the configuration: who reports, and which findings bear on safety here."""

from __future__ import annotations

from typing import Annotated

import msgspec

from agent.anomalies.kinds import KINDS
from agent.anomaly import Finding


class AnomalySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`safety_related` overrides our defaults, finding by finding; such reports overtake the queue."""

    reporting_entity: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None  # default: the agent_id
    safety_related: dict[Finding, bool] = {}  # e.g. `tamper = true`

    def is_safety_related(self, finding: Finding) -> bool:
        """Tell whether reports of `finding` go out first, marked."""
        return self.safety_related.get(finding, KINDS[finding].safety_related)
