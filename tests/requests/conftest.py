"""The place in which a test of requests happens."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agent.requests.store import RequestStore
from tests.forwarding.conftest import authority, world
from tests.requests.requests_kit import NOW, Place

__all__ = ["authority", "place", "world"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    store = RequestStore(tmp_path / "requests.sqlite", create=True)
    store.forget_before(NOW - timedelta(days=30))  # a box that has been at work for a month
    store.close()
    return Place(tmp_path)
