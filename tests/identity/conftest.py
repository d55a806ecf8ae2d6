"""Fixtures of the identity tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.keys import DeviceKey, create_device_key
from tests.forwarding.conftest import authority, world
from tests.identity.identity_kit import Authority, make_root

__all__ = ["authority", "world"]  # a broker, an MDSP and an agent, as the forwarding tests have them


@pytest.fixture(scope="session")
def root() -> Authority:
    return make_root()


@pytest.fixture(scope="session")
def issuing(root: Authority) -> Authority:
    return root.below("an issuing CA")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def made(keys: Path) -> DeviceKey:
    return create_device_key(keys)
