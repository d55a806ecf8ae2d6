"""Exactly one report for each episode of each finding, whatever comes in which order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.anomalies import Observation, OpenFinding, bounded, news_of, of_another_meter
from agent.anomalies.watch import MOST_OPEN
from agent.anomaly import Finding

FINDINGS: tuple[Finding, ...] = ("meter_diagnostics", "phase_loss", "wrong_meter")
MARKS = ("a", "b", "c")

#: What one visit sees of each kind of finding: None where it was not looked for.
visits = st.lists(
    st.fixed_dictionaries({name: st.none() | st.sets(st.sampled_from(MARKS)) for name in FINDINGS}), max_size=40
)


def observed(visit: dict[Finding, set[str] | None]) -> list[Observation]:
    return [Observation(name, tuple(sorted(marks))) for name, marks in visit.items() if marks is not None]


@given(visits)
def test_an_episode_is_news_once(history: list[dict[Finding, set[str] | None]]) -> None:
    known: tuple[OpenFinding, ...] = ()
    reported: list[tuple[int, Finding, str]] = []
    for number, visit in enumerate(history):
        stay, news = news_of(known, observed(visit))
        opened = [one for item in news for one in item.opened(f"r-{number}")]
        reported += [(number, one.finding, one.mark) for one in opened]
        known = (*stay, *opened)
    expected = []
    for name in FINDINGS:
        for mark in MARKS:
            there = False  # by the plain meaning of it, one finding at a time
            for number, visit in enumerate(history):
                marks = visit[name]
                if marks is None:
                    continue
                if mark in marks and not there:
                    expected.append((number, name, mark))
                there = mark in marks
    assert sorted(reported) == sorted(expected)


@given(visits)
def test_what_is_open_is_what_was_seen_last(history: list[dict[Finding, set[str] | None]]) -> None:
    known: tuple[OpenFinding, ...] = ()
    last: dict[Finding, set[str]] = {}
    for visit in history:
        stay, news = news_of(known, observed(visit))
        known = (*stay, *(one for item in news for one in item.opened("r")))
        last |= {name: marks for name, marks in visit.items() if marks is not None}
    assert {(one.finding, one.mark) for one in known} == {
        (name, mark) for name, marks in last.items() for mark in marks
    }


def test_what_is_new_beside_what_stays_names_the_report_before() -> None:
    known = (OpenFinding("meter_diagnostics", "report-1", "low_battery"),)
    stay, (news,) = news_of(known, [Observation("meter_diagnostics", ("low_battery", "rom_failure"))])
    assert stay == known
    assert (news.marks, news.follows) == (("rom_failure",), "report-1")


def test_another_meter_starts_anew_but_the_place_keeps_its_own() -> None:
    known = (OpenFinding("wrong_meter", "r-1", "999"), OpenFinding("phase_loss", "r-2"))
    assert of_another_meter(known) == known[:1]


def test_only_so_many_are_kept() -> None:
    known = tuple(OpenFinding("phase_loss", f"r-{number}") for number in range(MOST_OPEN + 3))
    assert bounded(known) == known[3:]
