"""Every fuzz target, by name."""

from __future__ import annotations

from tests.fuzz import line_targets, table_targets, text_targets

TARGETS = {target.name: target for module in (line_targets, table_targets, text_targets) for target in module.TARGETS}
