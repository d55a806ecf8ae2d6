"""What can be wrong with an archive."""

from __future__ import annotations

from agent.errors import LocalTrouble


class ArchiveRefused(LocalTrouble):
    """A backup that cannot be opened, is damaged, or is not what this box can use; nothing was written."""
