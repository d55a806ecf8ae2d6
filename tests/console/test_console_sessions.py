"""Sessions: they end in time by a clock that nobody sets, outlive a restart, and are bounded in number."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.clock.instant import NS
from agent.console.sessions import MOST_OF_ONE, Session, Sessions
from tests.console.console_kit import FakeClock

IDLE_S, LONGEST_S = 1_800.0, 36_000.0


def sessions_in(tmp_path: Path, clock: FakeClock) -> Sessions:
    return Sessions(tmp_path / "sessions.json", clock, idle_s=IDLE_S, longest_s=LONGEST_S)


def found(sessions: Sessions, token: str) -> Session | None:
    return sessions.find(token, by_token=False)


async def test_a_token_finds_its_session_and_no_other_does(tmp_path: Path) -> None:
    sessions = sessions_in(tmp_path, FakeClock())
    token, session = await sessions.begin("ann", "s")
    assert found(sessions, token) is session
    assert found(sessions, token[:-1] + ("A" if token[-1] != "A" else "B")) is None
    assert found(sessions, session.digest) is None
    assert sessions.find(token, by_token=True) is None


async def test_the_file_is_private_and_its_content_logs_nobody_in(tmp_path: Path) -> None:
    token, _ = await sessions_in(tmp_path, FakeClock()).begin("ann", "s")
    file = tmp_path / "sessions.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert token not in file.read_text()


async def test_it_ends_when_nobody_touches_it(tmp_path: Path) -> None:
    clock = FakeClock()
    sessions = sessions_in(tmp_path, clock)
    token, session = await sessions.begin("ann", "s")
    clock.pass_s(IDLE_S - 1)
    sessions.touch(session)
    clock.pass_s(IDLE_S - 1)
    assert found(sessions, token) is session
    clock.pass_s(1)
    assert found(sessions, token) is None


async def test_it_ends_in_any_case_after_a_shift(tmp_path: Path) -> None:
    clock = FakeClock()
    sessions = sessions_in(tmp_path, clock)
    token, session = await sessions.begin("ann", "s")
    for _ in range(int(LONGEST_S / 1_000)):
        assert found(sessions, token) is session
        sessions.touch(session)
        clock.pass_s(1_000)
    assert found(sessions, token) is None


async def test_setting_the_system_clock_changes_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    sessions = sessions_in(tmp_path, clock)
    token, _ = await sessions.begin("ann", "s")
    clock.realtime -= 10**9 * NS
    clock.pass_s(IDLE_S - 1)
    assert found(sessions, token) is not None
    clock.pass_s(1)
    assert found(sessions, token) is None


async def test_it_outlives_a_restart_of_the_service(tmp_path: Path) -> None:
    clock = FakeClock()
    token, _ = await sessions_in(tmp_path, clock).begin("ann", "s")
    clock.pass_s(60)
    again = sessions_in(tmp_path, clock)
    assert found(again, token) is not None
    clock.pass_s(IDLE_S - 60)
    assert found(again, token) is None


@pytest.mark.parametrize(("off_s", "goes_on"), [(60, True), (IDLE_S, False), (-1_000_000, True)])
async def test_time_without_power_counts_as_far_as_it_is_known(tmp_path: Path, off_s: float, *, goes_on: bool) -> None:
    clock = FakeClock()
    token, _ = await sessions_in(tmp_path, clock).begin("ann", "s")
    rebooted = FakeClock(boottime=5 * NS, realtime=clock.realtime + int(off_s * NS), boot="two")
    again = sessions_in(tmp_path, rebooted)
    assert (found(again, token) is not None) is goes_on
    rebooted.pass_s(IDLE_S)  # of this boot: a clock that went back gives no endless session
    assert found(again, token) is None


async def test_a_logout_is_for_good(tmp_path: Path) -> None:
    clock = FakeClock()
    sessions = sessions_in(tmp_path, clock)
    token, session = await sessions.begin("ann", "s")
    await sessions.end(session)
    assert found(sessions, token) is None
    assert found(sessions_in(tmp_path, clock), token) is None


async def test_one_person_has_a_bounded_number_and_the_unused_goes_first(tmp_path: Path) -> None:
    clock = FakeClock()
    sessions = sessions_in(tmp_path, clock)
    tokens = []
    for _ in range(MOST_OF_ONE):
        tokens.append((await sessions.begin("ann", "s"))[0])
        clock.pass_s(1)
    first = found(sessions, tokens[0])
    assert first is not None
    sessions.touch(first)
    other, _ = await sessions.begin("bob", "s")
    latest, _ = await sessions.begin("ann", "s")
    assert [found(sessions, token) is not None for token in tokens] == [True, False, *[True] * (MOST_OF_ONE - 2)]
    assert found(sessions, latest) is not None
    assert found(sessions, other) is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"sessions": 5}', b"\xff\xfe"])
async def test_a_damaged_file_makes_all_log_in_again(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "sessions.json"
    file.write_bytes(content)
    file.chmod(0o600)
    sessions = sessions_in(tmp_path, FakeClock())
    token, _ = await sessions.begin("ann", "s")
    assert found(sessions, token) is not None


async def test_a_disk_that_refuses_ends_no_session(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "sessions.json").mkdir()
    sessions = sessions_in(tmp_path, FakeClock())
    token, session = await sessions.begin("ann", "s")
    assert found(sessions, token) is session
    assert "not kept through a restart" in caplog.text


async def test_what_was_touched_last_is_saved_at_the_end(tmp_path: Path) -> None:
    clock = FakeClock()
    sessions = sessions_in(tmp_path, clock)
    token, session = await sessions.begin("ann", "s")
    job = asyncio.create_task(sessions.run())
    clock.pass_s(IDLE_S - 1)
    sessions.touch(session)
    await asyncio.sleep(0)
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    clock.pass_s(2)
    assert found(sessions_in(tmp_path, clock), token) is not None
