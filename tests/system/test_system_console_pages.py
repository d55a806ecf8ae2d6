"""Every page of the console in a real browser, by the rules of accessibility (axe), by day and by night."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

from tests.system.console_tablet import Scheme, chromium, tablet
from tests.system.console_tour import METERS, RADIO, RADIO_PLAN, tour
from tests.system.console_world import Gateway, gateway
from tests.system.world import simulator

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(180),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]

ONE_LINE = """() => [...document.querySelectorAll("[data-face]")].every((face) =>
  new Set([...face.querySelectorAll(".dial")].map((dial) => dial.offsetTop)).size === 1)"""
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
PARTS = {"profile": "#profile", "intervals": "#intervals"}  # of a page that was looked at just before


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with two probes and, where its program is there, a radio receiver."""
    directory = tmp_path_factory.mktemp("console")
    with ExitStack() as stack:
        more = ""
        if shutil.which("rtl_433"):
            air = ("radio", "--rtl-tcp", "0", "--seconds", "2", "--every", "1", "--foreign", "20")
            (directory / "plan.csv").write_text(RADIO_PLAN)
            more = RADIO.format(device=stack.enter_context(simulator(*air)))
        box = stack.enter_context(gateway(directory, "left probe", "right probe", more=more))
        for probe, meter in zip(box.probes, METERS, strict=True):
            probe.hold_to(*meter)
        yield box


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_every_page_keeps_the_rules_of_accessibility_by_day_and_by_night(browser: Browser, box: Gateway) -> None:
    broken: dict[str, list[str]] = {}
    seen = []
    with tablet(browser, box, "olga") as olga:
        for name in tour(olga):
            seen.append(name)
            for scheme in SCHEMES:
                if found := olga.axe(scheme, PARTS.get(name, "html")):
                    broken[f"{name}, {scheme}"] = found
            assert olga.fits(), f"{name} is wider than the screen"
            assert olga.page.evaluate(ONE_LINE), f"{name}: a face is broken into lines"
    with tablet(browser, box, logged_in=False) as nobody:
        nobody.go("/login")
        seen.append("login")
        broken |= {"login": found} if (found := nobody.axe("light")) else {}
    assert broken == {}
    assert len(seen) >= 22
