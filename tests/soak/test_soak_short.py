"""A short soak: sessions over faulty lines of every kind, and proof that the soak would see what it looks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.psem.client import PsemClient
from tests.soak.cases import Case, case
from tests.soak.faults import Rates
from tests.soak.session import honest, run
from tests.soak.tally import Tally

_SEED = "short"
_PARTS = 6
_SESSIONS = 50  # in each part


@pytest.mark.parametrize("part", range(_PARTS))
def test_no_session_ends_with_a_wrong_value(part: int) -> None:
    tally = Tally()
    for number in range(part * _SESSIONS, (part + 1) * _SESSIONS):
        chosen = case(_SEED, number)
        tally.note(number, chosen, run(chosen))
    assert not tally.failures, "\n".join(tally.lines())
    assert tally.goal_complete >= 0.99 * tally.goal_sessions, "\n".join(tally.lines())


def test_an_answer_repeated_after_a_late_acknowledgement_is_not_taken_for_the_next() -> None:
    """Found by a long soak: our ACK came late, the meter does not toggle, and its repeated answer looked like ST63."""
    late = case("final", 17102)
    assert not late.toggles
    assert late.rates.late
    assert run(late).end == "complete"


def test_a_session_is_the_same_each_time() -> None:
    first, second = run(case(_SEED, 7)), run(case(_SEED, 7))
    assert replace(first, cpu_s=0, line_s=0) == replace(second, cpu_s=0, line_s=0)


def chosen(kind: str) -> Case:
    return next(
        one for one in (case(_SEED, number) for number in range(500)) if one.kind == kind and one.pure and one.password
    )


def test_a_wrong_octet_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    honest_read = PsemClient.read_table

    async def lying(self: PsemClient, table: int, **how: object) -> bytes:
        octets = await honest_read(self, table, **how)  # type: ignore[arg-type]
        return octets[:-1] + bytes((octets[-1] ^ 1,))

    one = replace(chosen("visit"), rates=Rates())
    honest(one.scenario, one.offsets)
    monkeypatch.setattr(PsemClient, "read_table", lying)
    assert run(one).end == "wrong"


def test_a_session_without_end_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forever(self: PsemClient, table: int, **how: object) -> bytes:
        while True:
            await self.pause(3600)

    one = replace(chosen("visit"), rates=Rates())
    honest(one.scenario, one.offsets)
    monkeypatch.setattr(PsemClient, "read_table", forever)
    assert run(one).end == "hang"


def test_an_exception_that_is_no_error_of_ours_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: PsemClient, table: int, **how: object) -> bytes:
        raise ZeroDivisionError

    one = replace(chosen("visit"), rates=Rates())
    monkeypatch.setattr(PsemClient, "read_table", broken)
    outcome = run(one)
    assert outcome.end == "crash"
    assert "ZeroDivisionError" in outcome.what
