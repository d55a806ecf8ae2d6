"""The proof as it travels in documents, and readings that wait for their time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from agent.clock.boot import BootStamp, read_boot_stamp
from agent.clock.conclude import Around, conclude
from agent.clock.document_part import agent_clock_part
from agent.clock.hold_over import hold_over
from agent.clock.instant import NS, read_instant
from agent.clock.proof import ClockProof, Policy
from agent.clock.samples import NoTime, Outcome
from agent.clock.untimed import UntimedReading, UntimedReadings, timed
from agent.errors import LocalTrouble
from agent.reading import CheckResult, ClockPart, MeterPart, Reading, TimeSourcePart
from agent.utc_text import utc_text
from drivers.data import ClockSample
from tests.clock.clock_kit import VirtualClock, proved, sample

COLD = datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
SILENT = NoTime("ntp", "a:123", "no answer")
JUDGED = CheckResult(check="agent_clock", outcome="fail", rule_set="ubp-2000", clause="A4 1.1", reason="not proven")


def heard(box: VirtualClock, *outcomes: Outcome, around: Around | None = None) -> ClockProof:
    now = read_instant(box)
    return conclude(outcomes, now, now, Policy(), replace(around or Around(), stamp=read_boot_stamp(box)))


class TestPart:
    def test_tells_all_that_makes_the_time_traceable(self) -> None:
        box = VirtualClock(offset_s=Decimal("0.25"))
        good = replace(sample("0.25", "0.01", name="time.example:123"), stratum=1, authenticated="NTS", leap="insert")
        other = replace(sample("0.25", "0.02", name="b:123"), stratum=2, smeared=True)
        liar = sample(-90, name="liar:123")
        proof = heard(box, good, other, liar, NoTime("ntp", "d:123", "no answer"))
        box.advance(2)
        part = agent_clock_part(proof, read_boot_stamp(box))
        assert msgspec.json.decode(msgspec.json.encode(part)) == {
            "agent_source": "ntp",
            "corrected": False,
            "agent_utc": utc_text(box.true_utc),
            "agent_uncertainty_s": "0.2101",  # the offset may have been slewed away meanwhile
            "agent_offset_s": "0.25",
            "agent_synchronized_at": utc_text(box.true_utc - timedelta(seconds=2)),
            "agent_reference": "GPS",
            "agent_stratum": 1,
            "agent_sources": [
                {
                    "source": "ntp",
                    "name": "time.example:123",
                    "reference": "GPS",
                    "offset_s": "0.25",
                    "uncertainty_s": "0.01",
                    "stratum": 1,
                    "leap": "insert",
                    "authenticated": "NTS",
                },
                {
                    "source": "ntp",
                    "name": "b:123",
                    "reference": "GPS",
                    "offset_s": "0.25",
                    "uncertainty_s": "0.02",
                    "stratum": 2,
                    "smeared": True,
                },
                {
                    "source": "ntp",
                    "name": "liar:123",
                    "reference": "GPS",
                    "offset_s": "-90",
                    "uncertainty_s": "0.01",
                    "believed": False,
                },
            ],
            "agent_leap": "insert",
            "agent_smeared": True,
            "agent_holdover_s": "2",
            "agent_boot_id": "boot-1",
            "agent_boottime_s": "1002",
        }

    def test_of_an_unproven_clock_tells_no_time(self) -> None:
        box = VirtualClock()
        part = agent_clock_part(heard(box, SILENT), read_boot_stamp(box))
        assert msgspec.json.decode(msgspec.json.encode(part)) == {
            "agent_source": "none",
            "corrected": False,
            "agent_boot_id": "boot-1",
            "agent_boottime_s": "1000",
        }

    def test_of_a_bench_is_what_the_clock_claims(self) -> None:
        box = VirtualClock()
        part = agent_clock_part(heard(box, SILENT), read_boot_stamp(box), claimed=True)
        assert (part.agent_utc, part.agent_source) == ("2026-03-07T12:00:00Z", "none")

    def test_of_two_that_contradict_each_other_names_both(self) -> None:
        box = VirtualClock()
        part = agent_clock_part(heard(box, sample(0, name="a"), sample(90, name="b")), read_boot_stamp(box))
        assert part.agent_utc is None
        assert part.agent_sources is not None
        assert [(s.name, s.believed) for s in part.agent_sources] == [("a", None), ("b", None)]

    def test_of_a_proof_held_over_names_what_it_was_made_from(self) -> None:
        box = VirtualClock()
        first = proved(box)
        box.advance(600)
        part = agent_clock_part(hold_over(heard(box, SILENT), first), read_boot_stamp(box))
        assert (part.agent_held_over, part.agent_holdover_s) == (True, "600")
        assert part.agent_sources == (TimeSourcePart("ntp", "a:123", "GPS", "0", "0.01"),)

    def test_carries_the_alarm(self) -> None:
        box = VirtualClock()
        proof = heard(box, sample(0), around=Around(box.true_utc + timedelta(days=1)))
        part = agent_clock_part(proof, read_boot_stamp(box))
        assert part.agent_alarm == proof.alarm
        assert part.agent_utc is None


def reading(box: VirtualClock, number: int = 1) -> UntimedReading:
    """A visit that begins now and takes 40 s; the meter's clock is 5 s fast and was looked at after 20."""
    started = read_boot_stamp(box)
    box.advance(20)
    looked_ns, meter_time = box.boottime_ns(), box.true_utc + timedelta(seconds=5)
    box.advance(20)
    finished = read_boot_stamp(box)
    return UntimedReading(
        started=started,
        finished=finished,
        reading=Reading(
            schema="mrsp.reading/1",
            reading_id=f"0193-{number}",
            agent_id="gw-0001",
            sequence=0,
            purpose="cycle",
            method="optical",
            read_started_at="",
            read_finished_at="",
            meter=MeterPart(meter_id="M1"),
            clock=agent_clock_part(heard(box, SILENT), finished),
            registers=(),
            interval_blocks=(),
            events=(),
            checks=(JUDGED,),
            quality="raw",
        ),
        look=ClockSample(meter_time, looked_ns - NS // 10, looked_ns + NS // 10, Decimal(0), Decimal(0), Decimal(1)),
    )


@pytest.fixture
def box() -> VirtualClock:
    """Switched on without a battery clock, and never told the time."""
    box = VirtualClock()
    box.reboot(COLD)
    return box


class TestUntimed:
    def test_is_filled_in_by_a_proof_of_the_same_boot(self, box: VirtualClock) -> None:
        started = box.true_utc
        waiting = reading(box)
        finished = box.true_utc
        box.advance(3_600)
        box.step(float(-box.offset_s))
        filled = timed(waiting, proved(box))
        assert filled is not None
        assert (filled.read_started_at, filled.read_finished_at) == (utc_text(started), utc_text(finished))
        clock = filled.clock
        assert (clock.agent_utc, clock.agent_source) == (utc_text(finished), "ntp")
        assert (clock.agent_boot_id, clock.agent_boottime_s) == ("boot-2", "45"), "both are kept"
        assert clock.agent_time_repaired
        assert clock.agent_holdover_s == "-3600", "measured an hour after the visit"
        assert clock.agent_uncertainty_s == "0.19"
        assert (clock.meter_offset_s, clock.link_latency_s) == ("5", "0.1")
        assert filled.checks == (JUDGED,), "judged at the meter"

    def test_waits_while_nobody_knows_the_time(self, box: VirtualClock) -> None:
        waiting = reading(box)
        assert timed(waiting, heard(box, SILENT)) is None
        assert timed(waiting, heard(box, sample(0, name="a"), sample(9, name="b"))) is None

    def test_of_a_meter_without_a_clock(self, box: VirtualClock) -> None:
        waiting = msgspec.structs.replace(reading(box), look=None)
        filled = timed(waiting, proved(box))
        assert filled is not None
        assert filled.clock.meter_offset_s is None

    def test_keeps_what_was_said_of_the_meters_clock(self, box: VirtualClock) -> None:
        waiting = reading(box)
        clock = msgspec.structs.replace(waiting.reading.clock, meter_time="2026-03-07T12:00:25Z", correction="refused")
        waiting = msgspec.structs.replace(waiting, reading=msgspec.structs.replace(waiting.reading, clock=clock))
        filled = timed(waiting, proved(box))
        assert filled is not None
        assert (filled.clock.meter_time, filled.clock.correction) == ("2026-03-07T12:00:25Z", "refused")


class TestOnDisk:
    def test_readings_wait_through_a_restart_of_the_program(self, box: VirtualClock, tmp_path: Path) -> None:
        first, second = reading(box, 1), reading(box, 2)
        for one in (second, first):
            UntimedReadings(tmp_path / "untimed").hold(one)
        store = UntimedReadings(tmp_path / "untimed")
        assert store.waiting() == [first, second]
        assert store.due(heard(box, SILENT)) == []
        ready = store.due(proved(box))
        assert [one.clock.agent_time_repaired for one in ready] == [True, True]
        store.release("0193-1")
        assert store.waiting() == [second]
        store.release("0193-1")

    def test_after_another_boot_the_time_stays_unknown(self, box: VirtualClock, tmp_path: Path) -> None:
        store = UntimedReadings(tmp_path)
        waiting = reading(box)
        store.hold(waiting)
        box.reboot(COLD)
        box.step(float(-box.offset_s))
        assert store.due(proved(box)) == [waiting.reading]
        assert waiting.reading.clock.agent_utc is None
        assert store.due(heard(box, SILENT)) == [waiting.reading], "no proof is needed to know that"

    def test_there_need_be_none(self, box: VirtualClock, tmp_path: Path) -> None:
        store = UntimedReadings(tmp_path / "absent")
        assert store.due(proved(box)) == []
        store.release("0193-1")

    @pytest.mark.parametrize("octets", [b"", b"{", b"\xff", b"[" * 10_000, b'{"schema":"mrsp.untimed/2"}'])
    def test_what_cannot_be_read_is_kept_and_said(
        self, box: VirtualClock, tmp_path: Path, octets: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = UntimedReadings(tmp_path)
        waiting = reading(box)
        store.hold(waiting)
        spoilt = tmp_path / "0193-0.untimed.json"
        spoilt.write_bytes(octets)
        assert store.waiting() == [waiting]
        assert spoilt.exists()
        assert "cannot be read" in caplog.text

    def test_a_disk_that_refuses(self, box: VirtualClock, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        store = UntimedReadings(tmp_path / "file")
        with pytest.raises(LocalTrouble):
            store.hold(reading(box))
        (tmp_path / "0193-1.untimed.json").mkdir()
        with pytest.raises(LocalTrouble):
            UntimedReadings(tmp_path).release("0193-1")


def test_a_stamp_needs_but_boot_and_time() -> None:
    assert BootStamp("a", 1) == BootStamp("a", 1, None, None)
    assert ClockPart("none", corrected=False).agent_boot_id is None
