"""A proof that outlives its sources: carried within the oscillator's bound, and no further."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock.boot import read_boot_stamp
from agent.clock.conclude import Around, conclude
from agent.clock.hold_over import hold_over
from agent.clock.instant import NS, read_instant
from agent.clock.keeper import PROOF_FILE, RESTED_NS, ProofKeeper
from agent.clock.kept_proof import load, save
from agent.clock.proof import ClockProof, Policy
from agent.clock.samples import NoTime, Outcome
from agent.clock.settings import ClockSettings
from tests.clock.clock_kit import NOON, VirtualClock, proved, sample

SILENT = NoTime("ntp", "a:123", "no answer")
DAY = 86_400


def heard(
    box: VirtualClock, *outcomes: Outcome, floor: datetime | None = None, policy: Policy | None = None
) -> ClockProof:
    now = read_instant(box)
    return conclude(outcomes, now, now, policy or Policy(), Around(floor, stamp=read_boot_stamp(box)))


class TestHoldingOver:
    def test_a_van_reads_all_day_on_the_mornings_proof(self) -> None:
        box = VirtualClock(datetime(2026, 3, 7, 13, tzinfo=UTC), ppm=20)  # 06:00 in Denver
        policy = Policy(zone=ZoneInfo("America/Denver"))
        morning = proved(box, policy=policy)
        allowed = []
        for _ in range(20):
            held = hold_over(heard(box, SILENT, policy=policy), morning)
            allowed.append(held.permits("interval", read_instant(box)).allowed)
            uncertainty = held.uncertainty_at(box.boottime_ns())
            assert uncertainty is not None
            error = abs(held.utc_at(box.boottime_ns()) - box.true_utc) // timedelta(microseconds=1)
            assert Decimal(error) / 1_000_000 <= uncertainty
            box.advance(3_600)
        assert allowed == [True] * 18 + [False] * 2, "until midnight in Denver"

    def test_says_so_and_shows_who_was_silent(self) -> None:
        box = VirtualClock()
        first = proved(box)
        box.advance(90)
        held = hold_over(heard(box, SILENT), first)
        assert held.held_over
        assert held.reasons[0].startswith("No source gave the time now; the clock was last measured 90 s ago")
        assert held.outcomes == (SILENT,)
        assert held.synchronized
        again = hold_over(heard(box, SILENT), held)
        assert len(again.reasons) == len(held.reasons)

    def test_reaches_the_limit(self) -> None:
        box = VirtualClock()
        first = proved(box)
        box.advance(14 * DAY)
        held = hold_over(heard(box, SILENT), first)
        assert held.held_over
        assert not held.synchronized
        assert not held.permits("interval", read_instant(box)).allowed

    def test_a_fresh_proof_is_better(self) -> None:
        box = VirtualClock()
        first = proved(box)
        box.advance(90)
        fresh = heard(box, sample(0, at_boottime_ns=box.boottime_ns()))
        assert hold_over(fresh, first) is fresh

    @pytest.mark.parametrize("undo", ["step", "boot", "contradiction", "no boot id"])
    def test_not_over(self, undo: str) -> None:
        box = VirtualClock()
        first = proved(box)
        box.advance(90)
        outcomes: tuple[Outcome, ...] = (SILENT,)
        match undo:
            case "step":
                box.step(1)
            case "boot":
                box.reboot(NOON)
            case "contradiction":
                outcomes = (sample(0, name="a"), sample(90, name="b"))
            case _:
                first = replace(first, stamp=None)
        fresh = heard(box, *outcomes)
        assert hold_over(fresh, first) is fresh
        assert not fresh.synchronized

    def test_not_over_an_alarm(self) -> None:
        box = VirtualClock()
        first = proved(box)
        box.advance(90)
        fresh = heard(box, SILENT, floor=box.true_utc + timedelta(days=1))
        assert hold_over(fresh, first) is fresh

    def test_sleep_costs_two_seconds(self) -> None:
        box = VirtualClock()
        first = proved(box, uncertainty_s="0")
        box.sleep(3_600, error_s=-1.5)
        held = hold_over(heard(box, SILENT), first)
        assert held.uncertainty_at(box.boottime_ns()) == Decimal("2.179925")
        assert abs(held.utc_at(box.boottime_ns()) - box.true_utc) == timedelta(seconds=1.5)


class TestOnDisk:
    def test_comes_back_as_it_was(self, tmp_path: Path) -> None:
        box = VirtualClock(offset_s=Decimal("-0.25"))
        proof = proved(box)
        save(tmp_path / "proof", proof)
        back = load(tmp_path / "proof", Policy())
        assert back is not None
        assert replace(back, outcomes=proof.outcomes) == proof
        box.advance(600)
        assert hold_over(heard(box, SILENT), back).permits("interval", read_instant(box)).allowed

    def test_only_a_proof_that_tells_the_time_is_kept(self, tmp_path: Path) -> None:
        box = VirtualClock()
        first = proved(box)
        for proof in (heard(box, SILENT), replace(first, held_over=True), replace(first, believed=False)):
            save(tmp_path / "proof", proof)
        assert not (tmp_path / "proof").exists()
        assert load(tmp_path / "proof", Policy()) is None

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"/1", b"/2"),
            (b'"offset_s":"', b'"offset_s":"9e999999'),
            (b'"offset_s":"', b'"offset_s":"1e-9999999999'),
            (b'"uncertainty_s":"', b'"uncertainty_s":"-'),
            (b'"uncertainty_s":"0.010000000"', b'"uncertainty_s":"NaN"'),
            (b'"offset_s":"0E-9"', b'"offset_s":"900000000"'),
            (b'"source":"ntp"', b'"source":"hearsay"'),
            (b"{", b"[" * 70_000),
            (b'"leap"', b'"leapt"'),
        ],
    )
    def test_nonsense_is_none(self, tmp_path: Path, old: bytes, new: bytes) -> None:
        path = tmp_path / "proof"
        save(path, proved(VirtualClock()))
        octets = path.read_bytes()
        assert old in octets, octets
        path.write_bytes(octets.replace(old, new, 1))
        assert load(path, Policy()) is None

    @given(st.data())
    def test_damage_never_raises(self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
        path = tmp_path_factory.getbasetemp() / "damaged-proof"
        save(path, proved(VirtualClock()))
        octets = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(32, 126))
        path.write_bytes(octets)
        back = load(path, Policy())
        box = VirtualClock()
        box.advance(60)
        held = hold_over(heard(box, SILENT), back)
        permit = held.permits("interval", read_instant(box))
        assert permit.reason
        assert permit.allowed <= (back is not None)


class TestKeeper:
    @pytest.fixture
    def box(self) -> VirtualClock:
        return VirtualClock()

    @pytest.fixture
    def said(self, box: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> list[Outcome]:
        """What the one server says; it is asked as often as something is taken away from here."""

        async def ask(*_: object) -> Outcome:
            outcome = said.pop(0)
            return outcome if isinstance(outcome, NoTime) else replace(outcome, at_boottime_ns=box.boottime_ns())

        said: list[Outcome] = []
        monkeypatch.setattr("agent.clock.ntp.ask", ask)
        return said

    SETTINGS = ClockSettings.asking(["a.example"])

    async def test_measures_and_holds_over(self, box: VirtualClock, said: list[Outcome]) -> None:
        said += [sample(0), SILENT]
        keeper = ProofKeeper(self.SETTINGS, box)
        first = await keeper.prove()
        assert first.synchronized
        box.advance(600)
        second = await keeper.prove()
        assert (second.synchronized, second.held_over) == (True, True)
        assert keeper.latest is second
        assert not said

    async def test_spares_the_server(self, box: VirtualClock, said: list[Outcome]) -> None:
        said += [sample(0), sample(0)]
        keeper = ProofKeeper(self.SETTINGS, box)
        first = await keeper.prove()
        box.advance(30)
        assert await keeper.prove() is first
        box.advance(RESTED_NS // NS - 30)
        assert await keeper.prove() is not first
        assert not said

    @pytest.mark.parametrize("why", ["step", "midnight", "floor", "not proven"])
    async def test_measures_at_once_where_it_matters(self, box: VirtualClock, said: list[Outcome], why: str) -> None:
        said += [SILENT if why == "not proven" else sample(0), sample(0)]
        keeper = ProofKeeper(self.SETTINGS, box)
        zone = ZoneInfo("America/Denver") if why == "midnight" else None
        if why == "midnight":
            box.true_ns += 19 * 3_600 * NS - 10 * NS
            box.step(19 * 3_600 - 10)
        await keeper.prove(zone=zone)
        box.advance(20)
        if why == "step":
            box.step(1)
        await keeper.prove(zone=zone, floor=box.true_utc + timedelta(minutes=1) if why == "floor" else None)
        assert not said

    async def test_another_program_of_this_boot_goes_on(
        self, box: VirtualClock, said: list[Outcome], tmp_path: Path
    ) -> None:
        said += [sample(0), SILENT, SILENT]
        file = tmp_path / PROOF_FILE
        await ProofKeeper(self.SETTINGS, box, file).prove()
        box.advance(600)
        assert (await ProofKeeper(self.SETTINGS, box, file).prove()).held_over
        box.reboot(NOON)
        assert not (await ProofKeeper(self.SETTINGS, box, file).prove()).synchronized

    async def test_time_does_not_run_behind_what_was_proven_before_the_box_was_switched_off(
        self, box: VirtualClock, said: list[Outcome], tmp_path: Path
    ) -> None:
        said += [sample(0), sample(0), sample(0)]
        file = tmp_path / PROOF_FILE
        assert (await ProofKeeper(self.SETTINGS, box, file).prove()).synchronized
        box.reboot(NOON - timedelta(days=1))  # and the one server confirms the wrong date
        alarmed = await ProofKeeper(self.SETTINGS, box, file).prove()
        assert alarmed.alarm
        assert not alarmed.permits("interval", read_instant(box)).allowed
        box.step(2 * DAY)
        assert (await ProofKeeper(self.SETTINGS, box, file).prove()).synchronized

    async def test_several_sources_outweigh_what_was_proven_before(
        self, box: VirtualClock, said: list[Outcome], tmp_path: Path
    ) -> None:
        said += [sample(0), sample(0, name="b:123"), sample(0), sample(0, name="b:123")]
        file = tmp_path / PROOF_FILE
        two = ClockSettings.asking(["a.example", "b.example"])
        box.step(400 * DAY)  # both were wrong once
        assert (await ProofKeeper(two, box, file).prove()).synchronized
        box.step(-400 * DAY)
        corrected = await ProofKeeper(two, box, file).prove()
        assert corrected.alarm
        assert corrected.synchronized

    async def test_a_disk_that_refuses_is_a_warning(
        self, box: VirtualClock, said: list[Outcome], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        said.append(sample(0))
        (tmp_path / PROOF_FILE).mkdir()
        assert (await ProofKeeper(self.SETTINGS, box, tmp_path / PROOF_FILE).prove()).synchronized
        assert "does not outlive" in caplog.text

    async def test_makes_no_directory(self, box: VirtualClock, said: list[Outcome], tmp_path: Path) -> None:
        said.append(sample(0))
        assert (await ProofKeeper(self.SETTINGS, box, tmp_path / "state" / PROOF_FILE).prove()).synchronized
        assert not (tmp_path / "state").exists()

    async def test_an_alarm_is_logged(
        self, box: VirtualClock, said: list[Outcome], caplog: pytest.LogCaptureFixture
    ) -> None:
        said.append(sample(0))
        proof = await ProofKeeper(self.SETTINGS, box).prove(floor=box.true_utc + timedelta(days=1))
        assert "ALARM" in caplog.text
        assert not proof.synchronized


def test_the_kept_form_is_msgspec() -> None:
    """What is on disk is one JSON object, for a person to read."""
    assert msgspec.json.decode(msgspec.json.encode(read_boot_stamp(VirtualClock())))["boot_id"] == "boot-1"
