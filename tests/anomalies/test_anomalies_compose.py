"""A report says who, where, what, how bad and until when, with the evidence, and is bounded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from agent.anomalies import AnomalySettings, News, Observation, Times, composed
from agent.anomalies.compose import LONGEST_DESCRIPTION, MOST_CHECKS, MOST_INTERVALS
from agent.anomalies.state import MOST_OWED, Watch
from agent.anomaly import Anomaly
from agent.meter_record import MOST_OCTETS, MeterRecord
from agent.order import Order, Site
from agent.reading import MeterPart, RecordingPart
from tests.anomalies.anomalies_kit import check, reading

TIMES = Times(datetime(2026, 3, 1, 6, 1, tzinfo=UTC), datetime(2026, 3, 3, 6, 59, 59, tzinfo=UTC))
SITE = Site(
    service_delivery_point_id="1-0-00001-7",
    account_id="A7",
    customer_id="C9",
    customer_name="Mill",
    energy_supplier_id="ES-3",
)
ORDER = Order(url="/dev/ttyUSB0", site=SITE)
LOST = check("phase_loss", "fail", "the meter reports low_loss_potential", measured="1", limit="0")
NEWS = News(
    Observation("phase_loss", ("low_loss_potential",), (LOST.reason or "",), (LOST,)), ("low_loss_potential",), None
)


def report(news: News = NEWS, settings: AnomalySettings | None = None, **changes: Any) -> Anomaly:
    return composed(news, ORDER, reading(LOST, **changes), settings or AnomalySettings(), TIMES)


def test_it_has_all_that_the_transaction_asks_for() -> None:
    found = report(recording=RecordingPart(sha256="ab" * 32, octets=9))
    assert (found.schema, found.anomaly, found.sequence) == ("mrsp.anomaly/1", "phase_loss", 0)
    assert (found.customer_id, found.service_delivery_point_id, found.energy_supplier_id) == (
        "C9",
        "1-0-00001-7",
        "ES-3",
    )
    assert (found.account_id, found.customer_name, found.order_id) == ("A7", "Mill", "o-7")
    assert (found.meter_id, found.expected_meter_id) == ("100", None)
    assert (found.detected_at, found.due_by) == ("2026-03-01T06:01:00Z", "2026-03-03T06:59:59Z")
    assert (found.reporting_entity, found.safety_related) == ("gw-1", True)
    assert (found.reading_id, found.recording, found.checks) == ("r-1", "ab" * 32, (LOST,))
    assert found.found == ("low_loss_potential",)
    assert found.description == (
        "the meter reports a lost phase: the meter reports low_loss_potential; "
        "have fuses, wiring and instrument transformers inspected"
    )


def test_what_is_not_known_is_left_out() -> None:
    found = composed(NEWS, Order(url="x:"), reading(order_id=None, meter=MeterPart()), AnomalySettings(), TIMES)
    tree = msgspec.json.decode(msgspec.json.encode(found))
    unknown = {"meter_id", "service_delivery_point_id", "account_id", "customer_id", "customer_name", "order_id"}
    assert not (unknown | {"energy_supplier_id", "follows", "recording", "expected_meter_id"}) & set(tree)


def test_the_meter_found_and_the_one_expected() -> None:
    found = report(meter=MeterPart(meter_id="999", expected_meter_id="100"))
    assert (found.meter_id, found.expected_meter_id) == ("999", "100")
    assert report(meter=MeterPart(expected_meter_id="100")).meter_id == "100"


def test_the_configuration_says_who_reports_and_what_bears_on_safety() -> None:
    settings = msgspec.convert(
        {"reporting_entity": "MRSP-4711", "safety_related": {"phase_loss": False}}, AnomalySettings
    )
    found = report(settings=settings)
    assert (found.reporting_entity, found.safety_related) == ("MRSP-4711", False)
    assert settings.is_safety_related("tamper")
    with pytest.raises(msgspec.ValidationError, match="safety_related"):
        msgspec.convert({"safety_related": {"phase_lost": True}}, AnomalySettings)


def test_the_largest_report_is_small_and_says_what_to_do() -> None:
    results = tuple(
        check("phase_loss", "fail", f"{number}: " + "x" * 5_000, channel=number, intervals=tuple(range(4_000)))
        for number in range(40)
    )
    observation = Observation("phase_loss", ("y" * 120,) * 64, tuple(r.reason or "" for r in results), results)
    found = composed(News(observation, observation.marks, "r"), ORDER, reading(*results), AnomalySettings(), TIMES)
    assert len(found.description) == LONGEST_DESCRIPTION
    assert found.description.endswith("have fuses, wiring and instrument transformers inspected")
    assert (len(found.checks), len(found.checks[0].intervals or ())) == (MOST_CHECKS, MOST_INTERVALS)
    record = MeterRecord("id 100", watch=Watch(owed=(found,) * MOST_OWED))
    assert len(msgspec.json.encode(record)) < MOST_OCTETS // 2
