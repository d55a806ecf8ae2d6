"""Settings of all tests."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# The gate draws the same examples every time, so that it judges the change and not the day's luck; people at work draw
# new ones, and what they find becomes an example of its own.
settings.register_profile("people", deadline=None)  # a busy machine is no mistake
settings.register_profile("gate", derandomize=True, deadline=None)
settings.load_profile("gate" if os.environ.get("CI") else "people")

# Hundreds of programs are started: each is to find compiled what the ones before it have imported.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Waiting for a disk proves nothing: what a test keeps, it keeps in memory where there is enough.
_MEMORY, _ENOUGH_OCTETS = Path("/dev/shm"), 2_000_000_000  # noqa: S108 - pytest makes a directory of its own in it
if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH_OCTETS:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the garbage collector pass over the modules and thousands of tests, which stay to the end."""
    gc.collect()
    gc.freeze()
