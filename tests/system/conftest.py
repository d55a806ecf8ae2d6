"""What several tests of whole programs share, because it takes seconds to begin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.console_world import Gateway


@pytest.fixture(scope="session")
def console_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a console and two probes, at which each module holds the meters that it needs."""
    from tests.system.console_world import gateway

    with gateway(tmp_path_factory.mktemp("console"), "left probe", "right probe") as box:
        yield box
