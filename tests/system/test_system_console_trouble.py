"""The console in a real browser when things go wrong: lines, batteries, logins, files, and texts that mean harm."""

from __future__ import annotations

import re
import shutil
import signal

import pytest
from playwright.sync_api import Browser, expect

from tests.system.console_route import METER_ID, a_route, by_eye, by_probe
from tests.system.console_tablet import Tablet, tablet
from tests.system.console_world import PASSWORD, Gateway

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(180),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'-alert(3)-'{{ 7*7 }}${7*7}",
    '</textarea><svg onload="alert(4)">',
    '<b hx-get="/logout" hx-trigger="load">x</b>',
    "javascript:alert(5)//" + "W" * 150,
)


@pytest.fixture(scope="module")
def box(console_box: Gateway) -> Gateway:
    """A gateway with a probe at a meter that takes its time."""
    slow, other = console_box.probes
    slow.hold_to("--fault", "late=0.06")
    other.take_away()
    return console_box


def read_with_probe(person: Tablet) -> None:
    person.page.get_by_role("radio", name=person.box.probes[0].name).check()
    person.button("Read with probe").click()


def in_mid_read(person: Tablet) -> None:
    """Wait until the meter has given some of its tables, and stop the time of the meter there."""
    person.counted("Tables")
    person.box.probes[0].stop_its_time()
    expect(person.page.locator("#progress")).to_contain_text("Reading the meter")


def test_a_line_that_dies_in_mid_read_is_said_and_the_meter_is_read_again(ann: Tablet, box: Gateway) -> None:
    probe = box.probes[0]
    ann.load(a_route("T-1", by_probe("1 Quay", order={"nameplate_id": METER_ID})))
    ann.link("Next · Stop 1").click()
    read_with_probe(ann)
    in_mid_read(ann)
    probe.take_away()
    over = ann.page.get_by_role("region", name="Only a part could be read").or_(
        ann.page.get_by_role("region", name="No reading")
    )
    expect(over).to_contain_text("What to do:")
    probe.hold_to()
    ann.button("Read again").click()
    ann.shows("Read and stored")
    [stop] = box.became("T-1")
    assert (stop["state"], stop.get("checks_failed", [])) == ("read", [])
    assert box.reading(stop["reading_id"])["interval_blocks"]
    probe.hold_to("--fault", "late=0.06")


def test_a_reload_and_a_dead_battery_in_mid_read_lose_nothing(browser: Browser, box: Gateway) -> None:
    probe = box.probes[0]
    with tablet(browser, box) as first:
        first.load(a_route("T-2", by_probe("2 Quay")))
        first.link("Next · Stop 1").click()
        read_with_probe(first)
        in_mid_read(first)
        job = first.page.url
        first.page.reload()
        assert first.page.url == job
        expect(first.page.locator("#progress")).to_contain_text("Reading the meter")
        probe.let_its_time_go_on()
        first.shows("The meter is read: your answer is needed")
        first.page.get_by_label("Number on the nameplate").fill("8765")
    with tablet(browser, box) as second:
        second.go("/routes/T-2")
        second.link("You are at").click()
        second.link("ann is reading it: look").click()
        assert second.page.url == job
        second.page.get_by_label("Number on the nameplate").fill(METER_ID)
        second.button("Send").click()
        second.shows("Read and stored")
    [stop] = box.became("T-2")
    assert stop["reading_id"] in box.spooled()


def test_a_login_that_ends_takes_nothing_with_it_that_was_typed(ann: Tablet, box: Gateway) -> None:
    page = ann.page
    stop = by_eye("3 Quay", "10012403", hazards=["vicious_dog"], order={"nameplate_id": "10012403"})
    ann.load(a_route("T-3", stop))
    ann.link("Next · Stop 1").click()
    box.give_password("ann")
    ann.button("I know, open the stop").click()
    log_in_again(ann, first="not this one")
    page.get_by_text("Note, photo, position").click()
    page.get_by_label("Note", exact=True).fill("the gate sticks")
    box.give_password("ann")
    ann.button("Save").click()
    log_in_again(ann)
    ann.button("I know, open the stop").click()  # who logs in is warned
    expect(page.get_by_role("region", name="Notes")).to_contain_text("the gate sticks")
    ann.link("Type the dials").click()
    ann.dials_kept("126")
    box.give_password("ann")
    page.keyboard.type("0")
    with page.expect_response(lambda answer: answer.url.endswith("/visual/draft") and answer.ok):
        log_in_again(ann)
    expect(page.get_by_label("Digit 4 of 5")).to_have_value("0")
    expect(page.get_by_label("Digit 5 of 5")).to_be_focused()
    page.keyboard.type("1")
    ann.button("Take the reading").click()
    ann.shows("Read and stored")
    [stop] = box.became("T-3")
    assert stop["notes"][0]["text"] == "the gate sticks"
    assert box.reading(stop["reading_id"])["registers"][0]["value"] == "12601"


def log_in_again(person: Tablet, *, first: str = "") -> None:
    """Log in on top of the page that noticed that the login is over; `first` with a wrong password."""
    over = person.page.get_by_role("dialog", name="Your login is over")
    if first:
        over.get_by_label("Password").fill(first)
        over.get_by_role("button", name="Log in").click()
        expect(over.get_by_role("alert")).to_have_text("Name or password is wrong.")
    over.get_by_label("Password").fill(PASSWORD)
    over.get_by_role("button", name="Log in").click()
    expect(over).to_be_hidden()


def test_texts_that_mean_harm_are_shown_as_texts(ann: Tablet, box: Gateway) -> None:
    page = ann.page
    first, second, third, fourth, fifth, long = HOSTILE
    order = {"order_id": first, "site": {"customer_name": third, "account_id": second}}
    place = {"address": first, "hint": long}
    notes = f"{fourth}\n{fifth}"
    harm = by_eye(first, fourth, place=place, hazards=["vicious_dog"], access=second, notes=notes, order=order)
    ann.load(a_route("T-4", harm, by_eye(long, fifth), name=fifth))
    assert ann.fits()
    for sought in ("<script>", second):
        page.get_by_role("searchbox").fill(sought)
        ann.shows("1 stop found.")
    ann.link("Next · Stop 1").click()
    ann.shows(first)
    assert ann.fits()
    ann.button("I know, open the stop").click()
    for text in (first, second, third, fourth, long):
        ann.shows(text)
    page.get_by_text("Note, photo, position").click()
    page.get_by_label("Note", exact=True).fill("\n".join(HOSTILE))
    ann.button("Save").click()
    expect(page.get_by_role("region", name="Notes")).to_contain_text(fourth)
    assert ann.fits()
    ann.link("Type the dials").click()
    ann.dials("12600")
    for _ in range(2):  # it is not the number on record: look again
        page.get_by_label("Number on the nameplate").fill(second)
        ann.button("Take the reading").click()
    expect(page.locator("#over")).to_be_visible()
    ann.shows(first)
    assert ann.fits()
    say_of_a_meter_out_of_the_route(ann)
    stops = box.became("T-4")
    assert stops[0]["notes"][0]["text"] == "\n".join(HOSTILE)
    assert stops[2]["remark"] == "\n".join(HOSTILE)


def say_of_a_meter_out_of_the_route(person: Tablet) -> None:
    page = person.page
    person.go("/routes/T-4")
    page.get_by_text("Meter that is not in the route").click()
    page.get_by_label("Number on the nameplate").fill(HOSTILE[0])
    person.button("Add it and go there").click()
    person.shows("This meter is not in the route.")
    assert person.fits()
    person.link("Trouble").click()
    page.get_by_role("checkbox", name="Another reason").check()
    page.get_by_label("In your own words").fill("\n".join(HOSTILE))
    person.button("Set it down").click()
    person.shows("1 meter out of the route was added")


def test_files_that_are_too_large_are_refused_with_a_sentence(browser: Browser, box: Gateway) -> None:
    huge = box.directory / "huge.json"
    huge.write_bytes(b"[" + bytes(12_000_000))
    with tablet(browser, box, "olga") as olga:
        olga.go("/routes")
        olga.page.get_by_label("Route file").set_input_files(huge)
        olga.button("Load").click()
        olga.shows("Too large")
        olga.load(a_route("T-5", by_eye("5 Quay", "10012405")))
        olga.link("Next · Stop 1").click()
        olga.page.get_by_text("Note, photo, position").click()
        olga.page.get_by_label("Take a photo").set_input_files(huge)
        olga.button("Save").click()
        olga.shows("Too large")
    assert box.became("T-5")[0]["state"] != "read"


def test_a_power_cut_of_the_box_in_mid_read_leaves_login_and_typed_digits(ann: Tablet, box: Gateway) -> None:
    page = ann.page
    ann.load(a_route("T-6", by_probe("6 Quay"), by_eye("7 Quay", "10012407")))
    ann.link("7 Quay").click()
    ann.link("Type the dials").click()
    ann.dials_kept("126")
    ann.go("/routes/T-6")
    ann.link("6 Quay").first.click()
    read_with_probe(ann)
    ann.counted("Tables")
    box.stop(signal.SIGKILL)
    ann.shows("The box does not answer.")
    box.start()
    ann.shows("This read is not known any more")
    ann.link("To the route").click()
    ann.link("7 Quay").first.click()
    ann.link("Type the dials").click()
    expect(page.get_by_label("Digit 3 of 5")).to_have_value("6")
    off = re.compile(r"net::ERR_|\[object Event\]")  # so a browser calls a box that is off
    ann.wrong[:] = [one for one in ann.wrong if not off.search(one)]
