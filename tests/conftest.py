"""Settings of all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# The gate draws the same examples every time, so that it judges the change and not the day's luck; people at work draw
# new ones, and what they find becomes an example of its own.
settings.register_profile("gate", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("gate")
