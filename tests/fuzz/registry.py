"""Every fuzz target, by name."""

from __future__ import annotations

from tests.fuzz import (
    air_targets,
    form_targets,
    line_targets,
    port_targets,
    request_targets,
    table_targets,
    text_targets,
)

MODULES = (line_targets, table_targets, text_targets, air_targets, port_targets, form_targets, request_targets)
TARGETS = {target.name: target for module in MODULES for target in module.TARGETS}
