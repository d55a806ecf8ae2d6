"""What several tests of whole programs share, because it takes seconds to begin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.system.console_tablet import Tablet
    from tests.system.console_world import Gateway


@pytest.fixture(scope="session")
def console_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a console and two probes, at which each module holds the meters that it needs."""
    from tests.system.console_world import gateway

    with gateway(tmp_path_factory.mktemp("console"), "left probe", "right probe") as box:
        yield box


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from tests.system.console_tablet import chromium

    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def tablet_of_ann(browser: Browser, box: Gateway) -> Iterator[Tablet]:
    """A tablet at the `box` of the module, where Ann has logged in."""
    from tests.system.console_tablet import tablet

    with tablet(browser, box) as one:
        yield one


@pytest.fixture
def ann(tablet_of_ann: Tablet) -> Iterator[Tablet]:
    yield tablet_of_ann
    tablet_of_ann.was_good()
