"""A meter whose clock fails three visits running is reported once, with what is needed to find it."""

from datetime import UTC, datetime

import msgspec

from agent.anomaly import CLOCK_FAILURES, clock_anomaly
from agent.reading import CheckResult, ClockPart, MeterPart, Reading, SitePart

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAILED = CheckResult(check="meter_clock", outcome="fail", rule_set="ubp-2000", clause="A4 1.3.2", measured="200")
PASSED = CheckResult(check="dial_count", outcome="pass", rule_set="ubp-2000", clause="A4 1.2.1")


def reading(**keys: object) -> Reading:
    whole: dict[str, object] = {
        "schema": "mrsp.reading/1",
        "reading_id": "r-1",
        "agent_id": "gw-1",
        "sequence": 4,
        "purpose": "cycle",
        "method": "optical",
        "read_started_at": "2026-03-01T11:59:00Z",
        "read_finished_at": "2026-03-01T12:00:00Z",
        "meter": MeterPart(meter_id="100", expected_meter_id="101"),
        "clock": ClockPart(agent_source="chrony", corrected=False),
        "registers": (),
        "interval_blocks": (),
        "events": (),
        "checks": (PASSED, FAILED),
        "quality": "raw",
        "site": SitePart(service_delivery_point_id="1-0-00001-7", account_id="A7"),
    }
    return Reading(**(whole | keys))  # type: ignore[arg-type]


def test_only_the_third_failure_in_a_row_is_reported() -> None:
    reported = [count for count in range(8) if clock_anomaly(reading(), count, NOW)]
    assert reported == [CLOCK_FAILURES] == [3]


def test_the_report_names_meter_site_reading_and_the_evidence() -> None:
    report = clock_anomaly(reading(), CLOCK_FAILURES, NOW)
    assert report is not None
    assert (report.schema, report.anomaly, report.safety_related) == (
        "mrsp.anomaly/1",
        "physical_inspection_required",
        False,
    )
    assert (report.meter_id, report.service_delivery_point_id, report.account_id) == ("100", "1-0-00001-7", "A7")
    assert (report.reading_id, report.detected_at) == ("r-1", "2026-03-01T12:00:00Z")
    assert report.checks == (FAILED,)
    assert "3 visits in a row" in report.description


def test_what_is_not_known_is_left_out() -> None:
    report = clock_anomaly(reading(site=None, meter=MeterPart()), CLOCK_FAILURES, NOW)
    tree = msgspec.json.decode(msgspec.json.encode(report))
    assert not {"meter_id", "service_delivery_point_id", "account_id", "customer_name", "order_id"} & set(tree)
