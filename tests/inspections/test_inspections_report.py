"""What of an inspection is reported, as what, how urgently, and until when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from agent.anomalies import AnomalySettings
from agent.anomalies.compose import LONGEST_DESCRIPTION, MOST_PHOTOS
from agent.anomaly import Anomaly
from agent.inspections import Changes, Mark, Subject, checklists
from agent.inspections.checklist import by_code
from agent.inspections.draft import begun, changed
from agent.inspections.report import reports
from tests.inspections.inspections_kit import FRIDAY, SITE, SUBJECT

LISTS = checklists()
DENVER = ZoneInfo("America/Denver")


def reported(
    *,
    subject: Subject = SUBJECT,
    settings: AnomalySettings | None = None,
    earlier: dict[str, str] | None = None,
    **changes: Any,
) -> tuple[Anomaly, ...]:
    draft = changed(begun(subject, "ann", "gw-1", FRIDAY), Changes(**changes), LISTS, FRIDAY + timedelta(minutes=1))
    return reports(draft, LISTS, settings or AnomalySettings(), DENVER, earlier)


def kinds(*found: Anomaly) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.anomaly, one.found) for one in found]


def test_a_report_has_all_that_the_transaction_asks_for() -> None:
    (found,) = reported(
        marks={"wiring": Mark("found", remark="at the\n service entrance", photos=("p1",))},
        told=("customer", "utility"),
        photos=("p2",),
    )
    assert (found.schema, found.anomaly, found.sequence, found.agent_id) == (
        "mrsp.anomaly/1",
        "electrical_hazard",
        0,
        "gw-1",
    )
    assert (found.safety_related, found.immediate_threat) == (True, True)
    assert (found.detected_at, found.due_by) == ("2026-03-06T17:01:00Z", "2026-03-10T05:59:59Z")  # Monday, in Denver
    assert (found.meter_id, found.order_id, found.service_delivery_point_id) == ("100", "o-7", "1-0-00001-7")
    assert (found.customer_id, found.customer_name, found.account_id, found.energy_supplier_id) == (
        "C9",
        "Mill",
        "A7",
        "ES-3",
    )
    assert (found.reporting_entity, found.found_by, found.photos) == ("gw-1", "ann", ("p1", "p2"))
    assert found.inspection_id
    assert found.description == (
        "an electrical hazard was found at the site: an immediate threat to personal safety, the site not to be left "
        "unattended until it is made safe; Exposed, loose or burnt wiring (at the service entrance); told at the site: "
        "the customer, the utility; have it made safe, and tell the customer, the utility and whoever inspects "
        "installations there"
    )


def test_immediate_threats_go_first_then_other_matters_of_safety_then_the_rest() -> None:
    found = reported(
        marks={
            "size_or_type": Mark("found"),
            "stairs": Mark("found"),
            "substances": Mark("found", immediate=True),
            "cover_holes": Mark("found"),
            "pointers": Mark("found"),
        }
    )
    assert kinds(*found) == [
        ("physical_danger", ("substances",)),
        ("physical_danger", ("stairs",)),
        ("theft_of_service", ("cover_holes", "pointers")),
        ("meter_not_verified", ("size_or_type",)),
    ]
    assert [one.immediate_threat for one in found] == [True, False, False, False]
    assert [one.safety_related for one in found] == [True, True, True, False]


def test_what_is_in_order_not_there_put_right_or_only_noted_is_not_reported() -> None:
    answers = {code: Mark("ok") for code in by_code(LISTS)} | {
        "wiring": Mark("corrected"),
        "cutouts": Mark("not_applicable"),
        "panels_missing": Mark("not_seen"),
        "life_support_interruption": Mark("found"),
    }
    assert reported(marks=answers) == ()


def test_instrument_transformers_that_cannot_be_looked_at_are_reported() -> None:
    (found,) = reported(rest={"instrument_transformers": "not_seen"})
    assert kinds(found) == [("verification_required", ("billing_constants", "secondary_wiring", "transformers"))]
    assert "not to be seen: The secondary wiring is not as it should be" in found.description


def test_life_support_is_news_only_where_the_order_does_not_say_it() -> None:
    marks = {"life_support_in_use": Mark("found"), "life_support_seal": Mark("found")}
    (found,) = reported(marks=marks)
    assert kinds(found) == [("life_support", ("life_support_seal", "life_support_in_use"))]
    known = msgspec.structs.replace(SUBJECT, hazards=("dog", "life_support"))
    assert reported(subject=known, marks=marks) == ()
    (unmarked,) = reported(subject=known, marks=marks | {"life_support_unmarked": Mark("found")})
    assert unmarked.found == ("life_support_unmarked",)


def test_the_configuration_cannot_make_a_threat_ordinary() -> None:
    settings = AnomalySettings(safety_related={"electrical_hazard": False, "seal_defect": False})
    hazard, seal = reported(settings=settings, marks={"unsealed": Mark("found"), "wiring": Mark("found")})
    assert (hazard.safety_related, seal.safety_related) == (True, False)


def test_what_is_still_there_refers_to_the_report_before() -> None:
    found = reported(earlier={"seal_defect": "a-1"}, marks={"unsealed": Mark("found"), "stairs": Mark("found")})
    assert {one.anomaly: one.follows for one in found} == {"physical_danger": None, "seal_defect": "a-1"}


def test_it_is_due_from_the_first_discovery() -> None:
    draft = begun(SUBJECT, "ann", "gw-1", FRIDAY)
    for days, code in enumerate(("stairs", "debris")):
        draft = changed(draft, Changes(marks={code: Mark("found")}), LISTS, FRIDAY + timedelta(days=days))
    (found,) = reports(draft, LISTS, AnomalySettings(), DENVER)
    assert (found.detected_at, found.due_by) == ("2026-03-06T17:00:00Z", "2026-03-10T05:59:59Z")


def test_the_largest_report_is_small_and_says_what_to_do() -> None:
    codes = [item.code for one in LISTS for item in one.items if one.name == "physical_dangers"]
    marks = {code: Mark("found", remark="x" * 500, photos=(f"p-{code}",)) for code in codes}
    (found,) = reported(marks=marks, photos=tuple(f"w{number}" for number in range(16)))
    assert len(found.description) == LONGEST_DESCRIPTION
    assert found.description.endswith("have it removed, or the next person warned of it")
    assert (len(found.found), len(found.photos)) == (10, MOST_PHOTOS)


def test_a_place_without_identifications_is_left_out() -> None:
    (found,) = reported(subject=Subject(stop_id="s-1"), marks={"stairs": Mark("found")})
    text = msgspec.json.encode(found)
    assert b"meter_id" not in text
    assert SITE.customer_name is not None
    assert SITE.customer_name.encode() not in text
