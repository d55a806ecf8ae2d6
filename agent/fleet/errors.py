"""What is refused of a bundle."""

from __future__ import annotations

from agent.errors import LocalTrouble


class BundleRefused(LocalTrouble):
    """A bundle that is not as it must be, or not signed by the fleet's key; nothing was changed."""
