"""The console in a real browser: a person walks a route, with probe and by eye, by touch and by keys."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import Browser, expect

from tests.system.console_route import METER_ID, a_route, by_eye, by_probe
from tests.system.console_tablet import Tablet, tablet
from tests.system.console_world import Gateway

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(180),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]
WATCHES = """
new MutationObserver(() => {
  const state = document.querySelector("#state");
  if (!state) return;
  const tables = [...document.querySelectorAll("#progress dt")].find((one) => one.textContent === "Tables");
  (window.seen ??= []).push([state.textContent, Number(tables?.nextElementSibling.textContent ?? 0)]);
}).observe(document, { childList: true, subtree: true, characterData: true });
"""


@pytest.fixture(scope="module")
def box(console_box: Gateway) -> Gateway:
    """A gateway with two probes: one at a good meter, one at a meter whose clock is wrong."""
    good, wrong = console_box.probes
    good.hold_to("--fault", "late=0.01")
    wrong.hold_to("--fault", "clock_offset=400")
    return console_box


def test_a_whole_route_from_the_file_to_the_spool(ann: Tablet, box: Gateway) -> None:
    ann.page.add_init_script(WATCHES)
    ann.load(
        a_route(
            "R-1",
            by_probe("1 Mill Street", hazards=["vicious_dog"], access="key at no. 3"),
            by_eye("2 Mill Street", "10012399"),
            by_eye("3 Mill Street", "10012400"),
        )
    )
    ann.link("Next · Stop 1").click()
    read_with_probe(ann)
    ann.link("2 Mill Street").click()
    skip_one_give_one_up_and_come_back(ann)
    ann.shows("Everything is done.")
    expect(ann.page.get_by_role("region", name="Progress")).to_contain_text("3 of 3 done")

    first, second, third = box.became("R-1")
    assert [one["state"] for one in (first, second, third)] == ["read", "read", "unread"]
    assert (first["method_used"], first["by"]) == ("interrogated", "ann")
    assert (second["method_used"], third["codes"][0]["code"]) == ("keyed", "locked")
    assert "checks_failed" not in first
    assert {first["reading_id"], second["reading_id"]} <= set(box.spooled())
    document = box.reading(first["reading_id"])
    assert document["meter"]["meter_id"] == document["meter"]["nameplate_id"] == METER_ID
    assert document["interval_blocks"]


def read_with_probe(person: Tablet) -> None:
    """Read a meter at whose stop there is a dog: warning, progress, question, result."""
    page = person.page
    expect(page.get_by_role("alert")).to_contain_text("Vicious dog")
    expect(person.button("Read with probe")).to_have_count(0)
    person.button("I know, open the stop").click()
    person.shows("key at no. 3")
    page.get_by_role("radio", name="left probe").check()
    person.button("Read with probe").click()
    page.get_by_label("Number on the nameplate").fill(METER_ID)
    person.button("Send").click()
    person.shows("Read and stored")
    seen = page.evaluate("window.seen")
    assert "Reading the meter" in {state for state, _ in seen}
    tables = [count for _, count in seen]
    assert tables == sorted(tables)
    assert len(set(tables)) > 3, "nothing moved while the meter was read"
    expect(page.get_by_role("heading", name="Wh delivered", exact=True)).to_be_visible()
    page.get_by_role("heading", name="Load profile").scroll_into_view_if_needed()
    expect(page.locator("#profile canvas").first).to_be_visible()


def skip_one_give_one_up_and_come_back(person: Tablet) -> None:
    """Skip the second stop, find the third locked, and read the second after all."""
    page = person.page
    person.button("Skip").click()
    person.shows("1 stop was skipped: come back to it")
    person.link("3 Mill Street").first.click()
    person.link("Trouble").click()
    page.get_by_role("checkbox", name="The place is locked").check()
    person.button("Set it down").click()
    person.shows("Only stops are left that were skipped")
    person.link("1 stop was skipped").click()
    page.locator("#stops").get_by_role("link", name="2 Mill Street").click()
    person.link("Type the dials").click()
    person.dials("12601")
    page.get_by_label("Number on the nameplate").fill("10012399")
    person.button("Take the reading").click()
    person.shows("Read and stored")
    person.link("To the route").first.click()


def test_a_typed_reading_far_above_what_is_usual_is_doubted_at_once_and_looked_up_again(
    ann: Tablet, box: Gateway
) -> None:
    page = ann.page
    ann.load(a_route("R-2", by_eye("7 Mill Street", "10012407", order={"nameplate_id": "10012407"})))
    ann.link("Next · Stop 1").click()
    ann.link("Type the dials").click()
    ann.dials("19999")
    ann.shows("This is far above what is usual here.")
    expect(page.get_by_text("12300")).to_have_count(0)
    ann.button("Take the reading").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look once more")
    expect(page.get_by_label("Digit 1 of 5")).to_have_value("")
    ann.dials("12999")
    ann.button("Take the reading").click()
    ann.shows("this is not what was typed first")
    page.get_by_label("Digit 1 of 5").focus()
    ann.dials("12999")
    ann.button("Take the reading").click()
    ann.shows("Read and stored")
    [stop] = box.became("R-2")
    [register] = box.reading(stop["reading_id"])["registers"]
    assert register["value"] == "12999"


def test_a_failed_check_is_said_with_what_to_do_and_accepted_with_a_reason(ann: Tablet, box: Gateway) -> None:
    page = ann.page
    ann.load(a_route("R-3", by_probe("9 Mill Street", order={"nameplate_id": METER_ID})))
    ann.link("Next · Stop 1").click()
    page.get_by_role("radio", name="right probe").check()
    ann.button("Read with probe").click()
    ann.shows("Stored, but look here first")
    ann.shows("The meter's clock is 39")
    ann.shows("What to do: the meter's clock must be set")
    ann.go("/")
    ann.shows("A check failed at 1 stop: read it again, or accept it")
    ann.link("A check failed at 1 stop").click()
    page.locator("#stops").get_by_role("link", name="9 Mill Street").click()
    page.get_by_text("Accept with a reason").click()
    page.get_by_role("radio", name="I looked again").check()
    page.get_by_label("In your own words").fill("two minutes, by my watch")
    ann.button("Accept the reading").click()
    ann.shows("Accepted by ann:")
    [stop] = box.became("R-3")
    assert stop["checks_failed"] == ["meter_clock"]
    assert stop["accepted_reason"] == "I looked again: the display shows this: two minutes, by my watch"
    assert stop["accepted_by"] == "ann"


def test_keys_alone_take_a_person_through_a_stop_and_a_typed_reading(ann: Tablet, box: Gateway) -> None:
    page = ann.page
    stop = by_eye("11 Mill Street", "10012411", hazards=["life_support"], order={"nameplate_id": "10012411"})
    ann.load(a_route("R-4", stop))
    ann.tab_to("Next · Stop 1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Life support")
    ann.tab_to("I know, open the stop")
    page.keyboard.press("Enter")
    ann.shows("Stop 1 of 1")
    ann.tab_to("Type the dials")
    page.keyboard.press("Enter")
    ann.dials("1260")
    page.keyboard.press("Backspace")
    page.keyboard.type("02")
    ann.tab_to("Take the reading")
    page.keyboard.press("Enter")
    ann.shows("Read and stored")
    [became] = box.became("R-4")
    assert box.reading(became["reading_id"])["registers"][0]["value"] == "12602"


def test_two_persons_on_one_route_learn_who_was_faster(ann: Tablet, browser: Browser, box: Gateway) -> None:
    ann.load(
        a_route("R-5", by_probe("13 Mill Street", order={"nameplate_id": METER_ID}), by_eye("15 Mill Street", "1"))
    )
    with tablet(browser, box, "bob") as bob:
        for one in (ann, bob):
            one.go("/routes/R-5")
            one.link("Next · Stop 1").click()
            one.shows("Stop 1 of 2")
        ann.page.get_by_role("radio", name="left probe").check()
        ann.button("Read with probe").click()
        ann.shows("Read and stored")
        bob.button("Skip").click()
        bob.shows("Somebody was faster")
        bob.shows("ann")
        bob.shows("Nothing was changed.")
        bob.shows("Read by ann")
        bob.go("/routes/R-5")
        expect(bob.link("Next · Stop 2")).to_be_visible()
    first, _ = box.became("R-5")
    assert (first["state"], first["by"]) == ("read", "ann")
