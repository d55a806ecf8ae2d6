"""The store of requests: durable, idempotent, never a step back, and sparing with pages."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.errors import DataError
from drivers.pager.jobs import HeldBack, Job, Jobs, JobStore, Limits, Page, Reply, StoreTrouble
from drivers.pager.jobs_intake import MOST_QUARANTINED
from drivers.pager.jobs_states import RANKS, State, advanced
from drivers.pager.wctp_values import (
    Alphanumeric,
    Failure,
    Message,
    MessageControl,
    MessageReply,
    NotificationType,
    Originator,
    Recipient,
    ResponseHeader,
    StatusInfo,
    SubmitRequest,
    TransparentData,
    Unusable,
)

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
PIN = "5551234567"
PAGE = Page("http://carrier/wctp", "mrsp", PIN, "ascii-checked", "READ", lifetime_s=600, grace_s=120)
TEXT = "MTR=00123456 KWH=0045678.9"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    store = JobStore(tmp_path)
    yield store
    store.close()


def begun(store: JobStore, page: Page = PAGE, now: datetime = NOW, limits: Limits | None = None) -> tuple[Job, bool]:
    outcome = store.begin(page, limits or Limits(), now)
    assert not isinstance(outcome, HeldBack), outcome
    return outcome


def held(store: JobStore, page: Page = PAGE, now: datetime = NOW, limits: Limits | None = None) -> HeldBack:
    outcome = store.begin(page, limits or Limits(), now)
    assert isinstance(outcome, HeldBack)
    return outcome


def header(message_id: str, pin: str = PIN) -> ResponseHeader:
    return ResponseHeader(Originator(pin), MessageControl("x"), Recipient("mrsp"), message_id, NOW)


def reply(message_id: str, text: str = TEXT, pin: str = PIN) -> MessageReply:
    return MessageReply(header(message_id, pin), Alphanumeric(text))


def status(message_id: str, what: NotificationType | Failure, pin: str = PIN) -> StatusInfo:
    return StatusInfo(header(message_id, pin), what)


def test_a_request_is_made_once_and_answered_once(store: JobStore) -> None:
    job, is_new = begun(store)
    assert is_new
    assert (job.state, job.deliver_before - job.created_at) == ("created", timedelta(seconds=600))
    assert begun(store, now=NOW + timedelta(seconds=5)) == (job, False)
    assert store.advance(job.message_id, "submitted").state == "submitted"
    taken = store.receive([status(job.message_id, "DELIVERED"), reply(job.message_id)], NOW + timedelta(seconds=9))
    assert (taken.statuses, taken.answered, taken.quarantined) == (1, (job.message_id,), ())
    found = store.find(job.message_id, NOW)
    assert found.state == "answered"
    assert found.reply == Reply(TEXT.encode(), NOW + timedelta(seconds=9), NOW)
    assert found.reply.text() == TEXT


def test_news_in_any_order_never_take_a_state_back() -> None:
    for one in RANKS:
        for other in RANKS:
            assert RANKS[advanced(one, other)] == max(RANKS[one], RANKS[other])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    st.lists(
        st.sampled_from(["QUEUED", "DELIVERED", "READ", "failure", "reply", "reply again", "submitted", "unknown"])
    )
)
def test_every_order_of_news_ends_in_the_highest_of_them(
    tmp_path_factory: pytest.TempPathFactory, news: list[str]
) -> None:
    store = JobStore(tmp_path_factory.mktemp("jobs"))
    job, _ = begun(store)
    told: list[State] = ["created"]
    for one in news:
        match one:
            case "QUEUED" | "DELIVERED" | "READ":
                store.receive([status(job.message_id, one)], NOW)
                told.append("queued" if one == "QUEUED" else "delivered")
            case "failure":
                store.receive([status(job.message_id, Failure(500))], NOW)
                told.append("failed")
            case "submitted" | "unknown":
                store.advance(job.message_id, one)
                told.append(one)
            case _:
                store.receive([reply(job.message_id)], NOW)
                told.append("answered")
    found = store.find(job.message_id, NOW)
    assert RANKS[found.state] == max(RANKS[state] for state in told)
    assert (found.reply is not None) == ("answered" in told)
    assert store.quarantine() == ()
    store.close()


def test_what_answers_nothing_that_was_asked_is_put_away_and_told(store: JobStore) -> None:
    job, _ = begun(store)
    other = SubmitRequest(Originator("777"), MessageControl("m9"), Recipient("mrsp"), TransparentData(b"\0\xff"))
    store.advance(job.message_id, "submitted")
    taken = store.receive(
        [
            reply("never-sent"),
            reply(job.message_id, pin="999"),
            status("never-sent", "READ"),
            status(job.message_id, Failure(500), pin="999"),
            other,
            Unusable("<x/>", "a wctp-X without y"),
        ],
        NOW,
        carrier="c",
    )
    assert len(taken.quarantined) == 6
    assert store.find(job.message_id, NOW).state == "submitted"
    kept = {one.reason: one for one in store.quarantine()}
    assert len(kept) == 6
    assert kept["nobody asked for it"].content == b"\0\xff"
    assert kept["a wctp-X without y"].content == b"<x/>"
    assert kept[f"it is from another device than {PIN}, which was asked"].originator == "999"
    store.receive([reply("never-sent")], NOW + timedelta(days=1), carrier="c")
    again = store.quarantine(since=NOW + timedelta(hours=1))
    assert [(one.reference, one.count) for one in again] == [("never-sent", 2)]


def test_a_duplicate_counts_once_and_a_second_answer_does_not_replace_the_first(store: JobStore) -> None:
    job, _ = begun(store)
    assert store.receive([reply(job.message_id), reply(job.message_id)], NOW).duplicates == 1
    taken = store.receive([reply(job.message_id, "MTR=00123456 KWH=9999999.9")], NOW)
    assert taken.quarantined == ("a second reply to the same request, with other content",)
    found = store.find(job.message_id, NOW).reply
    assert found is not None
    assert found.text() == TEXT


def test_quarantine_is_bounded(store: JobStore) -> None:
    for k in range(0, MOST_QUARANTINED + 200, 200):
        store.receive([reply(f"no-{n}", "x" * 20_000) for n in range(k, k + 200)], NOW + timedelta(seconds=k))
    kept = store.quarantine()
    assert len(kept) == MOST_QUARANTINED
    assert {len(one.content) for one in kept} == {16_384}
    assert kept[0].last_at > kept[-1].last_at >= NOW + timedelta(seconds=200)


def test_without_an_answer_a_request_expires_and_a_late_reply_is_kept_as_late(store: JobStore) -> None:
    job, _ = begun(store)
    late = job.expires_at + timedelta(seconds=1)
    assert store.find(job.message_id, late).state == "expired"
    store.receive([reply(job.message_id)], late)
    found = store.find(job.message_id, late)
    assert found.state == "answered"
    assert found.reply is not None
    assert found.reply.late


def test_a_reply_that_nobody_took_is_given_before_anybody_is_paged(store: JobStore) -> None:
    job, _ = begun(store)
    store.advance(job.message_id, "unknown")
    later = NOW + timedelta(hours=2)
    assert store.owes(PAGE, Limits(), later)
    store.receive([reply(job.message_id)], later)
    assert not store.owes(PAGE, Limits(), later)
    found, is_new = begun(store, now=later)
    assert (found.message_id, is_new) == (job.message_id, False)


def test_a_reply_that_was_taken_is_given_again_for_a_while_only(store: JobStore) -> None:
    job, _ = begun(store)
    store.receive([reply(job.message_id)], NOW)
    store.mark_taken(job.message_id, NOW)
    assert begun(store, now=NOW + timedelta(seconds=899))[0].message_id == job.message_id
    again, is_new = begun(store, now=NOW + timedelta(seconds=901))
    assert is_new
    assert again.message_id != job.message_id


def test_a_reply_that_is_too_old_or_no_reading_is_not_given(store: JobStore) -> None:
    job, _ = begun(store)
    store.receive([reply(job.message_id)], NOW)
    assert begun(store, now=NOW + timedelta(hours=5))[1]
    other = replace(PAGE, recipient="5550000001")
    bad, _ = begun(store, other)
    store.receive([reply(bad.message_id, pin="5550000001")], NOW)
    store.mark_taken(bad.message_id, NOW, rejected="wrong check value")
    assert "paged at 20:00:00 UTC" in held(store, other, NOW + timedelta(seconds=10)).reason
    assert begun(store, other, NOW + timedelta(seconds=901))[1]


def test_pages_to_one_meter_keep_their_distance(store: JobStore) -> None:
    job, _ = begun(store)
    store.receive([status(job.message_id, Failure(500))], NOW)
    assert held(store, now=NOW + timedelta(seconds=60)).until == NOW + timedelta(seconds=900)
    assert begun(store, replace(PAGE, recipient="5550000001"), NOW + timedelta(seconds=60))[1]
    assert begun(store, now=NOW + timedelta(seconds=900))[1]


def test_what_was_certainly_not_accepted_is_no_page(store: JobStore) -> None:
    job, _ = begun(store)
    refused = store.refuse(job.message_id, code=402, reason="wrong code")
    assert (refused.state, refused.code, refused.reason) == ("failed", 402, "wrong code")
    assert not store.owes(PAGE, Limits(), NOW)
    assert begun(store)[1]


def test_a_carrier_gets_no_more_than_its_limit(store: JobStore) -> None:
    limits = Limits(carrier_per_hour=3)
    for k in range(3):
        assert begun(store, replace(PAGE, recipient=f"555000000{k}"), NOW + timedelta(minutes=k), limits)[1]
    blocked = held(store, PAGE, NOW + timedelta(minutes=5), limits)
    assert blocked.until == NOW + timedelta(hours=1)
    assert "3 pages in an hour" in blocked.reason
    assert begun(store, PAGE, NOW + timedelta(hours=1, seconds=1), limits)[1]


def test_a_busy_carrier_is_left_alone_longer_each_time(store: JobStore) -> None:
    waits = []
    for _ in range(3):
        until = store.paged(PAGE.carrier, PAGE.sender, NOW, busy_s=10)
        waits.append((until - NOW).total_seconds())
    assert waits == [10, 20, 40]
    assert held(store).until == NOW + timedelta(seconds=40)
    assert store.paged(PAGE.carrier, PAGE.sender, NOW, busy_s=None) == NOW
    assert begun(store)[1]


def test_polls_slow_down_by_doubling_and_recover(store: JobStore) -> None:
    def interval(*, slow: bool) -> float:
        store.polled("c", "p", NOW, after_s=10, slow=slow)
        return (store.next_poll("c", "p", NOW) - NOW).total_seconds()

    assert [interval(slow=True) for _ in range(4)] == [20, 40, 80, 160]
    assert not store.polled_since("c", "p", NOW)
    assert [interval(slow=False) for _ in range(5)] == [85, 47.5, 28.75, 19.375, 14.687]
    assert store.polled_since("c", "p", NOW)
    assert not store.polled_since("c", "p", NOW + timedelta(seconds=1))
    for _ in range(20):
        store.polled("c", "p", NOW, after_s=10, slow=True)
    assert (store.next_poll("c", "p", NOW) - NOW).total_seconds() == 3_610


def test_a_clock_that_was_wrong_stops_nothing(store: JobStore) -> None:
    future = NOW + timedelta(days=3650)
    begun(store, now=future)
    store.polled(PAGE.carrier, "mrsp", future, after_s=10, slow=False)
    store.paged(PAGE.carrier, "mrsp", future, busy_s=100)
    assert store.next_poll(PAGE.carrier, "mrsp", NOW) == NOW
    assert begun(store)[1]


def test_messages_of_a_poll_are_to_be_acknowledged_until_the_carrier_has_it(store: JobStore) -> None:
    job, _ = begun(store)
    messages = (Message("3", status(job.message_id, "READ")), Message("4", Unusable("<x/>", "broken")))
    store.receive_poll("c", "p", messages, NOW)
    store.receive_poll("c", "p", messages, NOW)  # it comes again
    assert store.unacknowledged("c", "p") == (("3", 200), ("4", 302))
    assert store.unacknowledged("c", "other") == ()
    store.acknowledged("c", "p", ["3"])
    assert store.unacknowledged("c", "p") == (("4", 302),)


def test_old_requests_are_forgotten_after_three_months(store: JobStore) -> None:
    old, _ = begun(store)
    begun(store, now=NOW + timedelta(days=91))
    assert old.message_id not in {job.message_id for job in store.jobs()}


def test_a_binary_reply_is_kept_and_is_no_text(store: JobStore) -> None:
    job, _ = begun(store)
    store.receive([MessageReply(header(job.message_id), TransparentData(b"\xff\0"))], NOW)
    found = store.find(job.message_id, NOW).reply
    assert found is not None
    assert (found.octets, found.binary) == (b"\xff\0", True)
    with pytest.raises(DataError, match="not text"):
        found.text()


def test_the_file_is_private_and_must_be(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "keep")
    store.close()
    path = tmp_path / "keep" / "pager.sqlite"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(StoreTrouble, match="open to other users"):
        JobStore(tmp_path / "keep")


def test_a_store_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "pager.sqlite").write_bytes(b"this is no database, but long enough to be looked at" * 50)
    (tmp_path / "pager.sqlite").chmod(0o600)
    with pytest.raises(StoreTrouble, match="not a database"):
        JobStore(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreTrouble, match="cannot open"):
        JobStore(tmp_path / "file")
    with pytest.raises(StoreTrouble, match="no request nowhere"):
        JobStore(tmp_path / "fine").find("nowhere", NOW)


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    JobStore(tmp_path).close()
    with sqlite3.connect(tmp_path / "pager.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreTrouble, match="schema 99"):
        JobStore(tmp_path)


def test_two_visits_at_once_make_one_request(tmp_path: Path) -> None:
    JobStore(tmp_path).close()
    outcomes: list[tuple[Job, bool]] = []
    start = threading.Barrier(8)

    def visit() -> None:
        mine = JobStore(tmp_path)
        start.wait()
        outcomes.append(begun(mine))
        mine.close()

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({job.message_id for job, _ in outcomes}) == 1
    assert sum(is_new for _, is_new in outcomes) == 1


async def test_jobs_run_on_a_thread_of_their_own(tmp_path: Path) -> None:
    async with Jobs.open(tmp_path) as jobs:
        outcome = await jobs.call(jobs.store.begin, PAGE, Limits(), NOW)
        assert isinstance(outcome, tuple)
        assert (await jobs.call(jobs.store.jobs))[0] == outcome[0]
    with pytest.raises(StoreTrouble):
        jobs.store.find("x", NOW)
