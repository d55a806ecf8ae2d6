"""What a person says of a meter is reported once, as what somebody must act on; a reading of theirs clears the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from agent.anomalies import Sight, composed, news_of, seen_at_site, sights_of
from agent.anomalies.at_site import FINDINGS
from agent.anomalies.settings import AnomalySettings
from agent.document import encode
from agent.follow_up import FollowUp
from agent.keys import create_device_key
from agent.meter_record import MeterRecords
from agent.not_read import report_not_read
from agent.order import Order, Site
from agent.reading import ProblemPart
from agent.seal import Sealer
from agent.spool import Spool
from agent.visit import Outcome as Visited
from drivers.visual.trouble import NotRead, Trouble
from tests.anomalies.anomalies_kit import METER, check, reading, reports, seen, shown, visited
from tests.anomalies.test_anomalies_compose import TIMES

ORDER = Order(url="visual://", expected_meter_id=METER, site=Site(zone="America/Denver"))
AT = datetime(2026, 3, 6, 17, tzinfo=UTC)


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    key = create_device_key(tmp_path / "keys")
    async with await Spool.open(tmp_path / "spool.sqlite", agent_id="gw-1", sealer=Sealer(key)) as opened:
        yield opened


def by_person(*codes: str, day: int = 1, remark: str | None = None) -> Visited:
    problems = tuple(ProblemPart(what=code, reason=f"{code} in words", lost=False) for code in codes)
    if remark is not None:
        problems = (*problems, ProblemPart(what="remark", reason=remark, lost=False))
    return visited(day=day, method="manual", problems=problems or None, read_by="ann", photos=("a sha256:b",))


def not_read(*codes: Trouble) -> NotRead:
    return NotRead("not read by ann: a dog guards the place (dog); beware", trouble=codes, photos=("p.jpg",))


def test_every_code_of_a_route_has_its_finding_or_says_nothing_by_itself() -> None:
    assert set(FINDINGS) == set(get_args(Trouble))
    assert [code for code, finding in FINDINGS.items() if finding is None] == ["other"]
    assert [one.finding for one in sights_of(("dog", "other", "ghost", "dog", "seal_broken"))] == [
        "physical_danger",
        "seal_defect",
    ]


def test_codes_of_one_finding_are_one_observation_in_the_person_s_words() -> None:
    (danger, seal) = seen_at_site(sights_of(("unsafe", "seal_broken", "dog")), "beware", "")
    assert danger.marks == ("dog", "unsafe")
    assert danger.reasons == ("a dog guards the place", "it is not safe to approach", "beware")
    assert (seal.finding, seal.marks) == ("seal_defect", ("seal_broken",))
    assert seen_at_site([Sight("bees", "physical_danger", "bees")])[0].marks == ("bees",)


def test_a_reading_with_a_caveat_shows_it_and_one_without_clears_it() -> None:
    found = by_person("seal_broken", "other", remark="cut").reading
    assert shown(found) == {"seal_defect": ("seal_broken",)}
    assert seen(found)["seal_defect"].reasons == ("a seal is broken", "remark: cut")
    clear = seen(by_person().reading)
    assert {name for name, one in clear.items() if not one.marks} >= {"seal_defect", "physical_danger", "no_access"}
    assert "tamper" not in clear


def test_a_reading_that_no_person_brought_says_nothing_of_the_site() -> None:
    told = (ProblemPart(what="tampered", reason="a table of that name", lost=False),)
    assert set(seen(reading(problems=told))) == set(seen(reading()))
    assert "theft_of_service" not in seen(reading())


def test_what_a_check_and_the_person_say_of_the_same_is_one_observation() -> None:
    failed = check("meter_id_external", "fail", "nameplate", measured="777")
    both = msgspec.structs.replace(by_person("wrong_meter").reading, checks=(failed,))
    assert shown(both)["wrong_meter"] == ("nameplate 777", "wrong_meter")
    assert seen(both)["wrong_meter"].checks == (failed,)
    passed = msgspec.structs.replace(both, checks=(check("meter_id_external", "pass"),))
    assert shown(passed)["wrong_meter"] == ("wrong_meter",)


def test_the_report_of_a_person_s_reading_says_who_and_refers_to_the_photos() -> None:
    found = by_person("tampered").reading
    (news,) = news_of((), [one for one in seen(found).values() if one.marks])[1]
    report = composed(news, ORDER, found, AnomalySettings(), TIMES)
    assert (report.anomaly, report.safety_related) == ("theft_of_service", True)
    assert (report.found_by, report.photos) == ("ann", ("a sha256:b",))


async def test_a_non_reading_is_reported_once_until_a_person_reads(spool: Spool, tmp_path: Path) -> None:
    follower = FollowUp(MeterRecords(tmp_path / "meters"), spool)
    for _ in range(2):
        await report_not_read(follower, ORDER, not_read("dog", "seal_broken", "locked", "other"), AT)
    found = await reports(spool)
    assert [(one["anomaly"], one["found"]) for one in found] == [
        ("physical_danger", ["dog"]),
        ("seal_defect", ["seal_broken"]),
        ("no_access", ["locked"]),
    ]
    assert found[0]["description"].startswith("a physical danger was found at the site: not read by ann: a dog guards")
    assert (found[0]["meter_id"], found[0]["photos"]) == (METER, ["p.jpg"])
    assert (found[0]["detected_at"], found[0]["due_by"]) == ("2026-03-06T17:00:00Z", "2026-03-10T05:59:59Z")
    outcome = by_person("dog", day=8)
    prepared = await follower.prepare(ORDER, outcome)
    await spool.add("reading", "r-8", lambda _sequence: encode(outcome.reading))
    await follower.complete(prepared)
    assert len(await reports(spool)) == 3
    await report_not_read(follower, ORDER, not_read("dog", "seal_broken"), AT)
    assert [one["anomaly"] for one in await reports(spool)][3:] == ["seal_defect"]


async def test_what_comes_back_or_stays_is_told_again_at_the_next_cycle(spool: Spool, tmp_path: Path) -> None:
    follower = FollowUp(MeterRecords(tmp_path / "meters"), spool)
    for days in (0, 19, 30, 31):
        await report_not_read(follower, ORDER, not_read("dog"), AT + timedelta(days=days))
    await report_not_read(follower, ORDER, not_read("unsafe"), AT + timedelta(days=60))
    first, second, third = await reports(spool)
    assert [one["detected_at"][:10] for one in (first, second, third)] == ["2026-03-06", "2026-04-05", "2026-05-05"]
    assert "follows" not in first
    assert (second["follows"], third["follows"]) == (first["anomaly_id"], second["anomaly_id"])
    opened = MeterRecords(tmp_path / "meters").of(ORDER).watch.open
    assert [(one.mark, one.anomaly_id) for one in opened] == [
        ("dog", second["anomaly_id"]),
        ("unsafe", third["anomaly_id"]),
    ]


async def test_whatever_reaches_the_meter_shows_that_somebody_got_at_it(spool: Spool, tmp_path: Path) -> None:
    follower = FollowUp(MeterRecords(tmp_path / "meters"), spool)
    await report_not_read(follower, ORDER, not_read("locked", "removed", "dog"), AT)
    outcome = visited(day=8)
    prepared = await follower.prepare(ORDER, outcome)
    await spool.add("reading", "r-8", lambda _sequence: encode(outcome.reading))
    await follower.complete(prepared)
    assert [one.mark for one in MeterRecords(tmp_path / "meters").of(ORDER).watch.open] == ["dog"]


async def test_what_is_told_otherwise_is_left_out(spool: Spool, tmp_path: Path) -> None:
    follower = FollowUp(MeterRecords(tmp_path / "meters"), spool)
    await report_not_read(follower, ORDER, not_read("locked", "other"), AT, told="no_access")
    assert await reports(spool) == []
    await report_not_read(follower, msgspec.structs.replace(ORDER, purpose="bench"), not_read("dog"), AT)
    assert await reports(spool) == []
    await report_not_read(follower, ORDER, not_read("locked", "removed"), AT, told="no_access")
    assert [one["anomaly"] for one in await reports(spool)] == ["meter_missing"]
