"""The page of a job: what is told while the meter is read, what is asked, and what came of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.console.choices import probe_key
from agent.field.views import Asked, CheckView, ErrorView, JobView, ProgressView
from agent.reading import EventPart, HeardPart
from drivers.person import Answer, Question
from tests.console.reading_kit import Jobs, block, ended, job, reading, register
from tests.console.walking_kit import HOSTILE, Walker, a_route, translated, walking

PROGRESS = ProgressView("ST64", 5_000, 20_000, 7_340, 9, 672, 35, 430)
NAMEPLATE = Question("nameplate", "type or scan the number on the meter's nameplate", example="00123456")
ASKED = Asked(1, NAMEPLATE, 300)
AGAIN = Asked(2, replace(NAMEPLATE, text="look once more", because="it is not the one on record", again=True), 240)
FAILED = CheckView("meter_clock", "meter clock", "fail", "it is 95 s slow", "report it", "A4 1.3.2")
PASSED = CheckView("tou_sum", "sum of TOU periods", "pass", "0 meter units, limit 3", channel=2)


async def shown(directory: Path, view: JobView, **parts: Any) -> str:
    async with walking(directory, desk=Jobs([view]), **parts) as walker:
        return await walker.get("/jobs/job-1")


async def at_stop(walker: Walker, view: JobView, *, failed: tuple[str, ...] = ()) -> JobView:
    """Return a job that read the first stop, which is settled by it."""
    stop = (await walker.stops())[0]
    if view.reading_id is not None:
        await walker.book.settle(stop.stop_id, "ann", view.reading_id, "interrogated", failed)
    return replace(view, stop_id=stop.stop_id)


# -- while it goes on


async def test_a_read_is_told_in_plain_words_and_figures(tmp_path: Path) -> None:
    page = await shown(tmp_path, job(progress=PROGRESS, elapsed_s=12))
    assert "Reading the meter" in page
    assert "Load profile (ST64)" in page
    assert 'max="20000" value="5000"' in page
    assert [one in page for one in ("7.34 kB", ">9<", ">672<", "35 s", "Hold the probe still")] == [True] * 5
    assert 'sse-connect="/jobs/job-1/live?asked=0"' in page
    assert "http-equiv" not in page
    assert "<noscript>" in page


async def test_a_read_that_waits_for_its_line_says_why(tmp_path: Path) -> None:
    page = await shown(tmp_path, job(state="waiting_for_line"))
    assert "Another read uses this line" in page


@pytest.mark.parametrize(("stage", "said"), [("ST99", "Table (ST99)"), ("MT5", "Table (MT5)"), ("<b>", "&lt;b&gt;")])
async def test_a_stage_without_a_name_is_told_as_it_is(tmp_path: Path, stage: str, said: str) -> None:
    assert said in await shown(tmp_path, job(progress=ProgressView(stage)))


async def test_a_question_can_be_answered_while_the_meter_is_read(tmp_path: Path) -> None:
    page = await shown(tmp_path, job(asked=ASKED))
    assert "Type or scan the number on the meter&#39;s nameplate." in page
    assert "You can answer while the meter is read." in page
    assert 'name="number" value="1"' in page
    assert "data-scan" in page
    assert 'autocomplete="off"' in page


async def test_asked_again_says_why_and_not_what_was_said_before(tmp_path: Path) -> None:
    page = await shown(tmp_path, job(state="asking", asked=AGAIN))
    assert "type what you see now" in page
    assert "Why: it is not the one on record" in page
    assert "The read waits for it, 4 min at most." in page
    assert 'id="answer" name="text" maxlength' in page


async def test_an_answer_reaches_the_desk(tmp_path: Path) -> None:
    desk = Jobs([job(asked=ASKED)])
    async with walking(tmp_path, desk=desk) as walker:
        assert await walker.done("/jobs/job-1/answer", {"number": "1", "text": " 00123456 "}) == "/jobs/job-1"
        by_htmx = {"headers": {"HX-Request": "true"}}
        answer = await walker.post("/jobs/job-1/answer", {"number": "1", "cannot": "1", "remark": "painted"}, **by_htmx)
        assert (answer.status_code, answer.content) == (204, b"")
        assert desk.answers == [(1, Answer("00123456")), (1, Answer(None, "painted"))]
        audit = "".join(walker.console.audit_lines())
    assert '"did":"answered"' in audit
    assert "00123456" not in audit


async def test_an_answer_that_says_nothing_or_comes_too_late_is_refused(tmp_path: Path) -> None:
    desk = Jobs([job(asked=ASKED)])
    async with walking(tmp_path, desk=desk) as walker:
        assert "Type what you see" in await walker.assert_refused(
            422, "/jobs/job-1/answer", {"number": "1", "text": " "}
        )
        assert "does not wait" in await walker.assert_refused(409, "/jobs/job-1/answer", {"number": "7", "text": "x"})
        await walker.assert_refused(400, "/jobs/job-1/answer", {"number": "x", "text": "x"})
        await walker.assert_refused(400, "/jobs/job-1/answer", {"number": "1", "text": "x" * 201})
        await walker.assert_refused(403, "/jobs/job-1/answer", {"number": "1", "text": "x", "csrf": "forged"})
    assert desk.answers == []


async def test_a_read_can_be_stopped(tmp_path: Path) -> None:
    async with walking(tmp_path, desk=Jobs([job()])) as walker:
        assert "Stop now" in await walker.get("/jobs/job-1")
        assert await walker.done("/jobs/job-1/cancel") == "/jobs/job-1"
        page = await walker.get("/jobs/job-1")
        assert "Nothing of it was kept." in page
        assert any('"did":"stopped"' in line for line in walker.console.audit_lines())


async def test_a_job_that_is_not_known_any_more_says_what_to_do(tmp_path: Path) -> None:
    async with walking(tmp_path, desk=Jobs([job()])) as walker:
        assert "What was stored is safe" in await walker.get("/jobs/job-9", status=404)
        for path in ("/jobs/job-9/live", "/jobs/job-9/profile"):
            assert (await walker.client.get(path)).status_code == 404
        await walker.assert_refused(404, "/jobs/job-9/answer", {"number": "1", "text": "x"})
        await walker.assert_refused(404, "/jobs/job-9/cancel")


async def test_without_a_desk_or_a_login_there_is_no_job(tmp_path: Path) -> None:
    async with walking(tmp_path) as walker:
        assert (await walker.client.get("/jobs/job-1")).status_code == 404
        stranger = walker.console.browser()
        assert (await stranger.get("/jobs/job-1")).headers["location"] == "/login?next=/jobs/job-1"
        assert (await stranger.get("/jobs/job-1/live")).status_code == 401


# -- what came of it


async def test_a_good_reading_shows_its_registers_and_leads_to_the_next_stop(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as walker:
        view = await at_stop(walker, ended(checks=(PASSED,)))
        walker.console.app.state.world = replace(walker.console.app.state.world, desk=Jobs([view]))
        page = await walker.get("/jobs/job-1")
        following = (await walker.stops())[1]
    assert "Read and stored" in page
    assert "Number 12 among the readings of this box." in page
    assert '<span class="hidden">012345 kWh</span>' in page
    assert page.count('<span class="part">') == 6
    assert f'href="/stops/{following.stop_id}"' in page
    assert "Sum of TOU periods" in page
    assert "Channel 2" in page
    assert "primary power up" in page
    assert "2026-11-20 00:00" in page  # in the zone of the meter
    assert "<strong>ST76</strong>: it was not read" in page
    assert "Accept" not in page


async def test_a_failed_check_comes_first_and_says_what_to_do(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as walker:
        view = await at_stop(walker, ended(checks=(FAILED, PASSED)), failed=("meter_clock",))
        walker.console.app.state.world = replace(walker.console.app.state.world, desk=Jobs([view]))
        page = await walker.get("/jobs/job-1")
        stop_id, reading_id = view.stop_id, view.reading_id
        assert page.index("It is 95 s slow.") < page.index("What to do: report it.") < page.index("Registers")
        assert "1 check failed" in page
        assert f'action="/stops/{stop_id}/accept"' in page
        assert f'name="reading_id" value="{reading_id}"' in page
        fields = {"reading_id": str(reading_id), "reason": "looked_again", "words": ""}
        await walker.done(f"/stops/{stop_id}/accept", fields)
        page = await walker.get("/jobs/job-1")
    assert "Accepted by ann: I looked again" in page
    assert "/accept" not in page


async def test_checks_and_events_are_in_the_language_of_the_console(tmp_path: Path) -> None:
    check = '[meter_clock]\ntitle = "uhr des Zählers"\nadvice = "melden"\n[tou_sum]\ntitle = "summe"\n'
    settings = translated(
        tmp_path, check=check, event='primary_power_up = "Strom wieder da"', job='do = "Zu tun: {advice}"'
    )
    async with walking(tmp_path, a_route(), settings=settings) as walker:
        view = await at_stop(walker, ended(checks=(FAILED, PASSED)), failed=("meter_clock",))
        walker.console.app.state.world = replace(walker.console.app.state.world, desk=Jobs([view]))
        page = await walker.get("/jobs/job-1")
        assert "Failed checks: uhr des Zählers" in await walker.get(f"/stops/{view.stop_id}")
    for words in (
        "<span>Uhr des Zählers</span>",
        "Zu tun: melden.",
        "<strong>Summe</strong>",
        "<td>Strom wieder da</td>",
    ):
        assert words in page


async def test_reading_again_goes_by_the_same_probe(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as walker:
        view = await at_stop(walker, job(state="failed", error=ErrorView("the meter is silent", "clean the probe")))
        walker.console.app.state.world = replace(walker.console.app.state.world, desk=Jobs([view]))
        page = await walker.get("/jobs/job-1")
        assert "The meter is silent." in page
        assert "What to do: clean the probe." in page
        assert f'<a class="big" href="/stops/{view.stop_id}">' in page
        assert f'href="/stops/{view.stop_id}/visual"' in page
        assert f'href="/stops/{view.stop_id}/trouble"' in page
        key = probe_key("tcp://192.0.2.9:4001")
        walker.client.cookies.set("__Host-mrsp-walk", f"R-1!f!{key}", domain="box.test")
        page = await walker.get("/jobs/job-1")
    assert f'action="/stops/{view.stop_id}/read"' in page
    assert f'name="probe" value="{key}"' in page


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (ended(error=ErrorView("the line broke")), ("Only a part could be read", "The line broke.")),
        (ended(sequence=None), ("as soon as this box knows the time",)),
        (ended(stop_error="there is no such stop"), ("The reading is safe", "there is no such stop")),
        (job(state="failed", error=ErrorView("it met a bug")), ("No reading", "It met a bug.")),
        (ended(way="visual"), ("Typed reading",)),
        (ended(reading(registers=(), events=(), problems=None, site=None, heard=HeardPart(3))), ("Read and stored",)),
    ],
)
async def test_each_end_is_told(tmp_path: Path, view: JobView, words: tuple[str, ...]) -> None:
    page = await shown(tmp_path, view)
    assert [word for word in words if word not in page] == []
    assert "sse-connect" not in page


async def test_a_typed_reading_is_typed_again(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as walker:
        view = await at_stop(walker, ended(way="visual", checks=(FAILED,)), failed=("meter_clock",))
        walker.console.app.state.world = replace(walker.console.app.state.world, desk=Jobs([view]))
        assert f'href="/stops/{view.stop_id}/visual"' in await walker.get("/jobs/job-1")


async def test_many_events_are_there_newest_first(tmp_path: Path) -> None:
    events = tuple(EventPart(n, f"event_{n}", at=f"2026-11-20T05:{n:02}:00Z") for n in range(30))
    page = await shown(tmp_path, ended(reading(events=(EventPart(99, "no_time"), *events))))
    assert "31 events" in page
    assert "11 earlier events" in page
    assert page.index("event 29") < page.index("event 0<") < page.index("time not known")


async def test_what_a_meter_says_is_never_markup(tmp_path: Path) -> None:
    hostile = reading(
        registers=(register(HOSTILE, value=None, unit=HOSTILE, quantity=HOSTILE),),
        events=(EventPart(1, HOSTILE, argument=HOSTILE),),
        interval_blocks=(block("1", quantity=HOSTILE, unit=HOSTILE, flags={0: (HOSTILE,)}),),
    )
    check = CheckView("x", HOSTILE, "fail", HOSTILE, HOSTILE, HOSTILE)
    view = ended(hostile, checks=(check,), error=ErrorView(HOSTILE, HOSTILE))
    async with walking(tmp_path, desk=Jobs([view])) as walker:
        for path in ("/jobs/job-1", "/jobs/job-1/profile/table"):
            page = await walker.get(path)
            assert "<script>alert" not in page
            assert "{{ 7*7 }}" in page
        answer = await walker.client.get("/jobs/job-1/profile")
    assert answer.headers["x-content-type-options"] == "nosniff"


# -- live


def events_in(text: str) -> list[tuple[str, str, str]]:
    """Return name, identification and data of the events of a stream."""
    found = []
    for event in text.split("\n\n"):
        lines = [line.partition(": ")[::2] for line in event.split("\n")]
        fields = dict(lines)
        if "data" in fields:
            data = "\n".join(value for name, value in lines if name == "data")
            found.append((fields.get("event", ""), fields.get("id", ""), data))
    return found


async def test_the_page_is_told_each_part_when_it_changes(tmp_path: Path) -> None:
    views = [
        job(progress=ProgressView("ST23"), asked=ASKED),
        job(version=2, progress=PROGRESS, asked=ASKED, elapsed_s=19),
        job(version=3, progress=PROGRESS, asked=ASKED, elapsed_s=20),
        job(version=4, state="asking", asked=AGAIN, elapsed_s=21),
        job(version=5, state="checking", elapsed_s=22),
        ended(version=6),
    ]
    async with walking(tmp_path, desk=Jobs(views)) as walker:
        answer = await walker.client.get("/jobs/job-1/live?asked=0")
        told = events_in(answer.text)
        again = events_in((await walker.client.get("/jobs/job-1/live", headers={"Last-Event-ID": "1"})).text)
        assert any('"did":"saw"' in line and '"which":"job-1"' in line for line in walker.console.audit_lines())
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [(name, number) for name, number, _ in told] == [
        ("question", "1"),
        ("progress", "1"),
        ("spoken", "1"),
        ("progress", "1"),
        ("progress", "1"),
        ("spoken", "1"),
        ("question", "2"),
        ("progress", "2"),
        ("spoken", "2"),
        ("question", "0"),
        ("progress", "0"),
        ("spoken", "0"),
        ("over", "0"),
    ]
    assert [data for name, _, data in told if name == "spoken"] == [
        "Reading. Registers (ST23)",
        "Reading. Load profile (ST64)",
        "Your answer is needed. look once more",
        "Checking and storing.",
    ]
    assert "Read and stored" in told[-1][2]
    assert "<form" not in told[9][2]
    assert [name for name, _, _ in again][:2] == ["progress", "spoken"]  # its question is on the page already
