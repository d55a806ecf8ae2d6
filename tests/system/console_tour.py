"""A walk past every page of the console, each as a person meets it: for pictures, and for rules that all must keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playwright.sync_api import expect

from tests.system.console_route import METER_ID, a_route, by_eye, by_probe
from tests.system.console_tablet import Tablet


def faults(*names: str) -> tuple[str, ...]:
    """Return the options for what goes wrong at a meter."""
    return tuple(option for name in names for option in ("--fault", name))


PUMP_HOUSE = "55667788"
METERS = (
    (),
    ("--scenario", "profile-35d", *faults("late=0.05", "clock_offset=400", f"wrong_meter_id={PUMP_HOUSE}")),
)
ROUTE = "R-17-2026-03-02"
RADIO_PLAN = """\
meter_id,message,multiplier,place,latitude,longitude
54585868,scm,0.1,"31 Harbour Row, yard",37.7749,-122.4194
11278109,idm,0.01,33 Harbour Row,37.7752,-122.4189
54585999,scm,0.1,"35 Harbour Row, cellar",37.7755,-122.4181
54586002,scm,0.1,37 Harbour Row,37.7761,-122.4170
"""
RADIO = """
[radio]
plan = "plan.csv"
device = "{device}"
sample_rate = 1024000
hold = "1s"
"""


def the_route() -> dict[str, Any]:
    """Return a route on which everything occurs."""
    return a_route(
        ROUTE,
        by_probe(
            "12 Mill Street",
            place={"address": "12 Mill Street", "hint": "behind the house, left of the door"},
            access="key at no. 14",
            hazards=["vicious_dog", "life_support"],
            order={"site": {"customer_name": "M. Okafor"}},
        ),
        by_eye("14 Mill Street", "10012399", order={"nameplate_id": "10012399"}),
        by_probe("Pump house, Harbour Row", meter_id=PUMP_HOUSE, order={"nameplate_id": PUMP_HOUSE}),
        by_eye(
            "16 Mill Street",
            "10012401",
            shown=[{"quantity": "kWh", "dials": 5}, {"quantity": "kW", "decimals": 2, "dials": 5}],
            notes="two registers: press the button once for kW",
        ),
        by_eye("18 Mill Street", "10012402", hazards=["unsafe_access"]),
        by_eye("20 Mill Street", "10012403"),
        by_eye("22 Mill Street, rear", "10012404"),
        by_eye("24 Mill Street", "10012405"),
        name="Mill Street and the harbour",
    )


def tour(one: Tablet) -> Iterator[str]:
    """Yield the name of each page while it is shown. `one`: an operator's tablet, at a box with two probes:

    at the meters that `METERS` says, a good one, and one that takes its time and whose clock is wrong.
    """
    one.go("/routes")
    yield "routes"
    one.upload(the_route())
    yield "route"
    yield from _at_a_probe(one)
    yield from _what_fails(one)
    yield from _by_eye(one)
    yield from _trouble(one)
    yield from _inspection(one)
    one.go(f"/routes/{ROUTE}")
    yield "route-half-way"
    if one.link("Van").count():
        one.link("Van").click()
        expect(one.page.locator("[data-count=heard]").first).not_to_have_text("0")
        yield "van"
    yield from _the_box(one)


def _at_a_probe(one: Tablet) -> Iterator[str]:
    page, probe = one.page, one.box.probes[0]
    one.link("Next · Stop 1").click()
    expect(page.get_by_role("alert")).to_be_visible()
    yield "warning"
    one.button("I know, open the stop").click()
    page.get_by_role("radio", name=probe.name).check()
    yield "stop"
    one.button("Read with probe").click()
    one.shows("your answer is needed")
    yield "question"
    page.get_by_label("Number on the nameplate").fill(METER_ID)
    one.button("Send").click()
    one.shows("Read and stored")
    yield "result"
    chart = page.get_by_role("application", name="Chart of")
    expect(page.locator("#profile canvas").first).to_be_visible()
    chart.focus()
    for key in ("+", "+", "+", "ArrowLeft"):
        page.keyboard.press(key)
    page.locator("#profile").evaluate("one => one.scrollIntoView()")
    yield "profile"
    page.get_by_text("Table of the intervals").first.click()
    expect(page.locator("table.intervals")).to_be_visible()
    yield "intervals"


def _what_fails(one: Tablet) -> Iterator[str]:
    page, probe = one.page, one.box.probes[1]
    one.go(f"/routes/{ROUTE}")
    page.locator("#stops").get_by_role("link", name="Pump house").click()
    page.get_by_role("radio", name=probe.name).check()
    one.button("Read with probe").click()
    one.counted("Intervals")
    probe.stop_its_time()
    yield "reading"
    probe.let_its_time_go_on()
    one.shows("Stored, but look here first")
    yield "failed-check"
    one.link("To the stop").click()
    page.get_by_text("Accept with a reason").click()
    yield "accept"


def _by_eye(one: Tablet) -> Iterator[str]:
    page = one.page
    one.go(f"/routes/{ROUTE}")
    page.locator("#stops").get_by_role("link", name="16 Mill Street").click()
    one.link("Type the dials").click()
    one.dials_kept("12600")
    yield "two-registers"
    one.go(f"/routes/{ROUTE}")
    page.locator("#stops").get_by_role("link", name="14 Mill Street").click()
    one.link("Type the dials").click()
    one.dials("19999")
    one.shows("This is far above what is usual here.")
    yield "high"
    one.button("Take the reading").click()
    one.shows("Look at the meter again")
    yield "look-again"
    one.dials("19999")
    one.button("Take the reading").click()
    one.shows("Read and stored")
    yield "typed"


def _trouble(one: Tablet) -> Iterator[str]:
    page = one.page
    one.go(f"/routes/{ROUTE}")
    page.locator("#stops").get_by_role("link", name="20 Mill Street").click()
    one.link("Trouble").click()
    page.get_by_role("checkbox", name="The place is locked").check()
    yield "trouble"
    one.button("Set it down").click()
    page.locator("#stops").get_by_role("link", name="22 Mill Street").click()
    one.button("Skip").click()
    one.shows("1 stop was skipped")


def _inspection(one: Tablet) -> Iterator[str]:
    page = one.page
    page.locator("#stops").get_by_role("link", name="24 Mill Street").click()
    one.link("Inspection").click()
    yield "inspection"
    one.link("Electrical hazards").click()
    page.get_by_role("group", name="Exposed, loose or burnt wiring").get_by_role("button", name="Found").click()
    one.shows("Do not leave the site unattended")
    yield "hazards-list"
    one.link("All lists").click()
    page.get_by_role("checkbox", name="Customer").check()
    one.button("File the inspection").click()
    one.shows("Inspection filed")
    yield "filed"


def _the_box(one: Tablet) -> Iterator[str]:
    one.go("/status")
    yield "status"
    one.go("/account")
    yield "account"
    one.go("/nowhere")
    yield "not-here"
    one.go("/jobs/none")
    yield "job-gone"
