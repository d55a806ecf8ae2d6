"""What is confirmed becomes a reading document: exact, traceable, marked as what it is, judged by the same checks."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.clock.keeper import ProofKeeper
from agent.clock.settings import ClockSettings
from agent.document import encode
from agent.listening.board import Board, Ready
from agent.listening.delivery import Deliverer
from agent.listening.plan import PlannedMeter
from agent.listening.radio import Printed, RadioEar
from agent.meter_record import MeterRecord, advanced
from agent.visit import Box, Outcome
from drivers.data import Position
from drivers.transport.recording_file import Octets, parse_sessions
from tests.clock.clock_kit import NOON, VirtualClock
from tests.ert.ert_lines import idm, netidm, scm
from tests.listening.listening_kit import ID, ToldEar, box, deliverer, plan, planned

NOBODY = ClockSettings(sources=("ntp",), ntp=("127.0.0.1:1",), ntp_timeout_s=0.1, ntp_samples=1)
WHERE = Position(Decimal("39.7392358"), Decimal("-104.990251"), NOON, Decimal("0.9"))


def ready(making: Deliverer, ear: ToldEar, meter: PlannedMeter, *lines: bytes, after_s: float = 30.0) -> Ready:
    """Hear lines of one planned meter, to the end."""
    board = Board(plan(meter), making.hearing_of, hold_ns=None)
    for line in lines:
        ear.clock.advance(after_s)
        board.take(ear.heard(line), making.utc(), lambda: WHERE)
    (found,) = board.finish(making.utc())
    return found


async def delivered(
    meter: PlannedMeter, *lines: bytes, where: Box | None = None, after_s: float = 30.0, **terms: object
) -> tuple[Outcome, dict[str, Any]]:
    clock = VirtualClock() if where is None else where.clock
    assert isinstance(clock, VirtualClock)
    ear = ToldEar(clock)
    making = deliverer(ear, where, **terms)
    await making.prove()
    _, outcome = await making.outcome(ready(making, ear, meter, *lines, after_s=after_s))
    return outcome, json.loads(encode(outcome.reading))


def check(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in document["checks"] if one["check"] == name]
    assert isinstance(found, dict)
    return found


async def test_a_reading_is_what_the_contract_says() -> None:
    meter = planned(multiplier=Decimal("0.1"), dials=7, service_delivery_point_id="SDP-1")
    _, document = await delivered(meter, scm(rssi=-8.5, snr=18.0), scm(rssi=-5.25, snr=21.0), scm(rssi=-9.0, snr=12.0))
    assert document["schema"] == "mrsp.reading/1"
    assert document["method"] == "radio"
    assert document["authenticated"] is False
    assert document["read_started_at"] == document["read_finished_at"] == "2026-03-07T12:01:30Z"
    assert document["meter"] == {"meter_id": ID, "expected_meter_id": ID, "model": "SCM", "profile": "ert"}
    assert document["site"]["service_delivery_point_id"] == "SDP-1"
    (register,) = document["registers"]
    assert (register["raw"], register["value"], register["multiplier"]) == ("0562456", "56245.6", "0.1")
    assert (register["quantity"], register["direction"], register["kind"]) == ("kWh", "delivered", "cumulative")
    assert bytes.fromhex(register["provenance"]["octets"]) == b"562456"
    assert document["heard"] == {
        "count": 3,
        "first_at": "2026-03-07T12:00:30Z",
        "last_at": "2026-03-07T12:01:30Z",
        "best_rssi_db": "-5.25",
        "best_snr_db": "21",
        "position": {
            "latitude": "39.7392358",
            "longitude": "-104.990251",
            "at": "2026-03-07T12:00:00Z",
            "hdop": "0.9",
        },
    }
    assert all(one["outcome"] in {"pass", "skipped"} for one in document["checks"])


async def test_the_billed_number_is_found_in_the_recording(tmp_path: Path) -> None:
    where = box(VirtualClock(), tmp_path)
    outcome, document = await delivered(planned(), scm(count=562455), scm(), where=where)
    assert outcome.reading.recording is not None
    assert where.recordings is not None
    content = await where.recordings.open(outcome.reading.recording.sha256)
    (session,) = parse_sessions(content, "recording")
    lines = [record.octets for record in session.records if isinstance(record, Octets)]
    source = document["registers"][0]["provenance"]
    assert source["recording"] == outcome.reading.recording.sha256
    assert lines == [scm(count=562455) + b"\n", scm() + b"\n"]
    last = lines[-1]
    assert last is not None
    assert last[source["offset"] : source["offset"] + source["length"]] == b"562456"
    (tmp_path / "visit.rec").write_bytes(content)
    again = RadioEar(Printed(tmp_path / "visit.rec"), where.clock)
    assert [one.line async for one in again.receptions()] == [scm(count=562455), scm()]


async def test_intervals_come_with_the_register() -> None:
    meter = planned(meter_id="11278109", message="idm", multiplier=Decimal("0.01"))
    outcome, document = await delivered(meter, idm(counts=(7, 511, *range(45))), idm(counts=(7, 511, *range(45))))
    (block,) = document["interval_blocks"]
    assert block["pulses"][-3:] == [0, 511, 7]
    assert block["values"][-1] == "0.07"
    assert block["status"][-2:] == [["overflow"], ["power_outage"]]
    assert (block["interval_s"], len(block["pulses"])) == (300, 47)
    assert block["first_interval_end"] == "2026-03-07T08:10:00Z"  # 46 intervals and 29.75 s before it was first heard
    assert check(document, "pulse_overflow")["outcome"] == "fail"
    assert check(document, "agent_clock")["outcome"] == "pass"
    assert outcome.memory is not None
    assert outcome.memory.sets[0].sequence == 246


async def test_a_net_meter_has_two_registers() -> None:
    _, document = await delivered(planned(meter_id="11278109", message="netidm"), netidm(), netidm())
    assert [(r["direction"], r["value"]) for r in document["registers"]] == [("net", "4294967000"), ("received", "77")]


async def test_an_unproven_clock_gives_no_times_and_no_intervals() -> None:
    clock = VirtualClock()
    where = Box("gw-1", clock, keeper=ProofKeeper(NOBODY, clock))
    outcome, document = await delivered(planned(meter_id="11278109", message="idm"), idm(), idm(), where=where)
    assert "read_finished_at" not in document
    assert document["heard"] == {"count": 2} | {
        key: document["heard"][key] for key in ("best_rssi_db", "position") if key in document["heard"]
    }
    assert document["interval_blocks"] == []
    assert "not proven" in document["problems"][0]["reason"]
    assert document["registers"][0]["value"] == "339972"
    assert outcome.untimed is not None
    assert (outcome.memory, outcome.before) == (None, None)


async def test_the_bench_waives_the_clock() -> None:
    clock = VirtualClock()
    where = Box("gw-1", clock, keeper=ProofKeeper(NOBODY, clock))
    outcome, document = await delivered(planned(), scm(), scm(), where=where, clock_check=False, purpose="bench")
    assert document["read_finished_at"] == "2026-03-07T12:01:00Z"
    assert document["clock"]["agent_check"] is False
    assert outcome.untimed is None


async def test_a_jump_that_a_second_message_confirms_is_verified() -> None:
    meter = planned(last_reading=Decimal(500_000), last_read_at=NOON - timedelta(days=10))
    _, document = await delivered(meter, scm(), scm())
    jump = check(document, "implausible_jump")
    assert jump["outcome"] == "verified"
    assert "2 receptions agree" in jump["reason"]
    assert check(document, "register_advance")["outcome"] == "pass"


async def test_a_last_reading_without_its_time_is_said_to_be_assumed() -> None:
    _, document = await delivered(planned(last_reading=Decimal(562_000)), scm())
    jump = check(document, "implausible_jump")
    assert jump["outcome"] == "pass"
    assert "taken to be 45 days old" in jump["reason"]
    assert document["heard"]["count"] == 1


@pytest.mark.parametrize(
    ("meter", "remark"),
    [
        (planned(commodity="water"), None),  # type 12 is ambiguous
        (planned(meter_id="11278109", message="idm", commodity="gas", unit="ft3"), "one for electric (type 23)"),
        (planned(commodity="gas", unit_given=False), "names no unit"),
    ],
)
async def test_the_plan_wins_and_disagreement_is_told(meter: PlannedMeter, remark: str | None) -> None:
    line = idm() if meter.message == "idm" else scm()
    _, document = await delivered(meter, line, line)
    reasons = [problem["reason"] for problem in document.get("problems", [])]
    assert reasons == [] if remark is None else any(remark in reason for reason in reasons)
    assert check(document, "table_data")["outcome"] == "pass"


class Agent:
    """An agent with a memory, that delivers one meter again and again."""

    def __init__(self, directory: Path, meter: PlannedMeter) -> None:
        self.clock = VirtualClock()
        self.where = box(self.clock, directory)
        self.meter = meter

    async def deliver(self, *lines: bytes, after_s: float = 30.0) -> dict[str, Any]:
        ear = ToldEar(self.clock)
        making = deliverer(ear, self.where)
        await making.prove()
        order, outcome = await making.outcome(ready(making, ear, self.meter, *lines, after_s=after_s))
        records = self.where.records
        assert records is not None
        records.keep(advanced(records.of(order), outcome.reading, outcome.memory, outcome.before))
        document: dict[str, Any] = json.loads(encode(outcome.reading))
        return document


async def test_a_tamper_counter_that_moves_is_told_once_and_survives_a_restart(tmp_path: Path) -> None:
    agent = Agent(tmp_path, planned())
    first = await agent.deliver(scm(), scm())
    assert "meter_status" not in first  # nothing to compare with
    quiet = await agent.deliver(scm())
    assert quiet["meter_status"] == {"mode": [], "flags": []}
    moved = await agent.deliver(scm(physical_tamper=0))
    assert moved["meter_status"]["flags"] == ["tamper_detect"]
    assert [(event["name"], event["argument"]) for event in moved["events"]] == [("tamper_attempt", "03000000")]
    assert check(moved, "meter_diagnostics")["outcome"] == "skipped"
    assert (await agent.deliver(scm(physical_tamper=0)))["meter_status"]["flags"] == []


async def test_intervals_are_delivered_once_and_go_on_from_the_last_ones(tmp_path: Path) -> None:
    agent = Agent(tmp_path, planned(meter_id="11278109", message="idm"))
    counts = (1,) * 47
    await agent.deliver(idm(counts=counts), idm(counts=counts))
    hour = (2,) * 12 + (1,) * 35
    document = await agent.deliver(idm(count=339_996, number=2, counts=hour), after_s=3_600.0)
    (block,) = document["interval_blocks"]
    assert block["pulses"] == [2] * 12
    assert (block["start_register"], block["stop_register"]) == ("339972", "339996")
    assert check(document, "sum_check")["outcome"] == "pass"
    assert check(document, "interval_count")["outcome"] == "pass"


async def test_one_reception_is_enough_once_the_agent_knows_the_meter(tmp_path: Path) -> None:
    agent = Agent(tmp_path, planned())
    await agent.deliver(scm(), scm())
    later = await agent.deliver(scm(count=562_500), after_s=3_600.0)
    assert later["registers"][0]["value"] == "562500"
    assert check(later, "implausible_jump")["outcome"] == "pass"


def test_a_record_is_not_needed() -> None:
    making = deliverer(ToldEar(VirtualClock()))
    assert making.record_of(planned()) == MeterRecord("")
    assert msgspec.structs.asdict(making.order_of(planned()))["expected_meter_id"] == ID
