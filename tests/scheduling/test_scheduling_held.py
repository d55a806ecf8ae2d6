"""A password that a meter refused is not shown to it again by itself: through restarts, calls and requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent import attending as module
from agent.box import records_of
from agent.cli.main import main
from agent.credentials import password_mark
from agent.errors import LocalTrouble, PasswordHeld
from agent.held_password import MOST_REFUSED, let_go, shown_once
from agent.order import Order
from agent.scheduling.reads import GivenUp, Read
from agent.scheduling.retry import Failure
from agent.scheduling.store import SCHEDULE_FILE, ScheduleStore
from agent.visit import Outcome
from drivers.errors import MeterSilent, PasswordRefused
from tests.anomalies.anomalies_kit import reports, visited
from tests.scheduling.scheduling_kit import asked_for, standing
from tests.scheduling.test_scheduling_attending import Place, brings, due_read, opened

REFUSED = PasswordRefused("Security: the meter answers ISC: the password is wrong", code=3)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with opened(tmp_path) as found:
        yield with_password(found, tmp_path / "password")


def with_password(place: Place, path: Path) -> Place:
    """Let the meter have a password file."""
    write(path, "one")
    order = msgspec.structs.replace(place.attendant.orders["m"], password_file=str(path))
    place.attendant.orders["m"] = order  # type: ignore[index]
    return place


def write(path: Path, text: str) -> None:
    """Replace a password as an editor does."""
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.rename(path)


def order_of(place: Place) -> Order:
    return place.attendant.orders["m"]


async def failed(place: Place, read: Read | None = None) -> Failure:
    result = await place.attend(read or due_read())
    assert isinstance(result, Failure)
    return result


async def test_a_refused_password_is_shown_once_until_it_changes(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    visits = brings(monkeypatch, REFUSED)
    assert (await failed(place)).reason == "refused"
    for _ in range(3):
        held = await failed(place)
        assert (held.reason, held.retry) == ("refused", False)
        assert "it is not shown again" in held.detail
    assert len(visits) == 1
    write(tmp_path / "password", "two")  # of the same length
    await failed(place)
    assert len(visits) == 2
    await failed(place)
    assert len(visits) == 2
    write(tmp_path / "password", "right")
    assert len(brings(monkeypatch, visited())) == 0
    assert await place.attend(due_read()) == "r-1"
    assert place.attendant.box.records is not None
    assert place.attendant.box.records.of(order_of(place)).refused == ()


async def test_it_is_held_after_a_restart_and_by_the_user_that_it_was_shown_for(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    visits = brings(monkeypatch, REFUSED)
    await failed(place)
    (kept,) = records_of(place.attendant.config).of(order_of(place)).refused
    assert kept.code == 3
    assert "one" not in msgspec.json.encode(kept).decode()
    await failed(place)
    place.attendant.orders["m"] = msgspec.structs.replace(order_of(place), user_id=2)  # type: ignore[index]
    await failed(place)
    assert len(visits) == 2


async def test_a_request_of_the_mdsp_does_not_lift_it_and_a_person_does(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    visits = brings(monkeypatch, REFUSED)
    await failed(place)
    asked = msgspec.structs.replace(order_of(place), purpose="final", order_id="T-1")
    request = replace(asked_for(), requested_by="mdsp", order=asked)
    read = Read(standing(), request.requested_at, request.deadline, request.deadline, 60, request)
    assert "not shown again" in (await failed(place, read)).detail
    assert len(visits) == 1

    ScheduleStore(place.attendant.config.state_directory / SCHEDULE_FILE, create=True).close()
    assert main(["schedule", "request", "m", "--by", "A. Smith", "--config", str(tmp_path / "mrsp.toml")]) == 0
    assert "asked for a read" in capsys.readouterr().out
    await failed(place, read)
    assert len(visits) == 2
    await failed(place, read)
    assert len(visits) == 2


async def test_a_held_meter_is_reported_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    brings(monkeypatch, REFUSED)
    for _ in range(3):
        read = due_read()
        read.failure = await failed(place, read)
        await place.attendant.given_up(GivenUp(read, read.due, "no_retry"))
    (report,) = await reports(place.spool)
    assert report["anomaly"] == "meter_not_reached"
    assert "the password is wrong" in report["description"]


async def test_other_trouble_and_meters_without_a_password_are_not_held(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits = brings(monkeypatch, MeterSilent("nothing answers"))
    for _ in range(2):
        await failed(place)
    place.attendant.orders["m"] = msgspec.structs.replace(order_of(place), password_file=None)  # type: ignore[index]
    visits += brings(monkeypatch, REFUSED)
    for _ in range(2):
        assert "not shown" not in (await failed(place)).detail
    assert len(visits) == 2


async def test_a_password_that_is_put_right_during_the_visit_is_shown_next(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    visits: list[Order] = []

    async def visit(order: Order, *_box: object, **_more: Any) -> Outcome:
        visits.append(order)
        write(tmp_path / "password", "right")
        raise REFUSED

    monkeypatch.setattr(module, "visit", visit)
    await failed(place)
    await failed(place)
    assert len(visits) == 2


async def test_a_credential_is_known_again_when_the_service_starts_anew(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    place.attendant.orders["m"] = msgspec.structs.replace(order_of(place), password_file="credential:m")  # type: ignore[index]  # noqa: S106
    visits = brings(monkeypatch, REFUSED)
    for _ in range(3):
        write(credentials / "m", "one")  # as each start of the service does
        await failed(place)
    assert len(visits) == 1
    (refused,) = records_of(place.attendant.config).of(order_of(place)).refused
    salt = bytes.fromhex(refused.salt)
    known = password_mark(Path("credential:m"), salt)
    for number in range(100):  # one change in 256 is missed
        write(credentials / "m", f"right {number}")
        if password_mark(Path("credential:m"), salt) != known:
            break
    await failed(place)
    assert len(visits) == 2
    (credentials / "m").unlink()
    brings(monkeypatch, LocalTrouble("the credential was not given"))
    assert (await failed(place)).reason == "local_trouble"


async def test_what_is_raised_is_a_refusal(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    brings(monkeypatch, REFUSED)
    await failed(place)
    with pytest.raises(PasswordHeld) as held:
        async with shown_once(place.attendant.box, order_of(place)):
            raise AssertionError
    assert (held.value.exit_code, held.value.retry, held.value.code) == (4, False, 3)
    assert "put the right one there" in held.value.advice
    records = records_of(place.attendant.config)
    assert let_go(records, order_of(place))
    assert not let_go(records, order_of(place))


async def test_two_lines_of_one_meter_hold_each_its_own_password(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first, others = order_of(place), [tmp_path / f"password-{number}" for number in range(MOST_REFUSED + 2)]
    visits = brings(monkeypatch, REFUSED)
    await failed(place)
    write(others[0], "another")
    place.attendant.orders["m"] = msgspec.structs.replace(first, password_file=str(others[0]))  # type: ignore[index]
    brings(monkeypatch, visited())
    assert await place.attend(due_read()) == "r-1"
    place.attendant.orders["m"] = first  # type: ignore[index]
    assert "not shown again" in (await failed(place)).detail
    assert len(visits) == 1
    brings(monkeypatch, REFUSED)
    for file in others:
        write(file, "another")
        place.attendant.orders["m"] = msgspec.structs.replace(first, password_file=str(file))  # type: ignore[index]
        await failed(place)
    assert len(records_of(place.attendant.config).of(first).refused) == MOST_REFUSED
