"""A fleet and a box that trusts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleet.fleet_kit import Fleet, Gateway, make_box, make_fleet


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return make_fleet(tmp_path_factory.mktemp("fleet"))


@pytest.fixture
def box(tmp_path: Path, fleet: Fleet) -> Gateway:
    return make_box(tmp_path / "box", fleet)
