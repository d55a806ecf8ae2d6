"""A meter is told when to call next, in each form that a profile can name, or is left alone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from drivers.base import Task
from drivers.errors import MeterRefused
from drivers.memory import MeterMemory
from drivers.psem import driver as driver_module
from drivers.psem.client import PsemClient
from drivers.psem.next_call import NextCall, tell_next_call
from drivers.psem.procedure import NotWritten
from drivers.psem.who_calls import who_calls
from drivers.secret import Secret
from drivers.transport.dialling import Call
from drivers.transport.modem import Modem
from drivers.writes import MeterWrite, WriteOutcome
from metersim.modem import SitePlan, running_bank
from tests.metersim.modem_kit import NUMBER, PASSWORD, WRITING, run, serving

MT40 = 2048 + 40
AT = datetime(2026, 11, 22, 9, 30, 45, tzinfo=UTC)  # 04:30:45 on the clock of the simulated house
SECRET = Secret(WRITING)
PROFILE = """\
name = "sim-house"
title = "Simulated house that calls"
status = "not tried on hardware"
[detect]
manufacturer = "SIM"
model = "RES-TOU"
"""


class Noted:
    """A journal in memory."""

    def __init__(self) -> None:
        self.writes: list[MeterWrite] = []
        self.outcomes: list[tuple[WriteOutcome, str]] = []

    def before(self, write: MeterWrite) -> None:
        self.writes.append(write)

    def after(self, _write: MeterWrite, outcome: WriteOutcome, detail: str) -> None:
        self.outcomes.append((outcome, detail))


def tell(
    directory: Path,
    section: str,
    *,
    octets: int | None = 16,
    writes: bool = True,
    password: Secret = SECRET,
    meter_id: str = "",
) -> tuple[NextCall, bytes, Noted]:
    """Call a simulated house and tell it; return what became of it, the table afterwards, and the journal."""
    (directory / "sim-house.toml").write_text(PROFILE + section)
    journal = Noted()

    async def main() -> tuple[NextCall, bytes]:
        loop = asyncio.get_running_loop()
        with patch.object(driver_module, "PsemClient", partial(PsemClient, clock=loop.time)):
            async with running_bank([SitePlan(NUMBER, (serving("residential-tou", writes=writes),))]) as bank:
                (meter,) = bank.sites[NUMBER].meters
                if octets is not None:
                    meter.application.stored[MT40] = bytearray(octets)
                terminal = bank.terminal(0)
                modem = Modem(terminal, pins=terminal)
                task = Task(
                    url=f"modem://town?dial={NUMBER}",
                    profile_dirs=(directory,),
                    password=password,
                    memory=MeterMemory(meter_id),
                    line=await modem.dial(Call(NUMBER)),
                    monotonic_ns=lambda: int(loop.time() * 1e9),
                )
                try:
                    assert (await who_calls(task)).meter_id == "87654321"
                    told = await tell_next_call(task, AT, journal)
                finally:
                    await modem.close()
                return told, bytes(meter.application.stored.get(MT40, b""))

    told, left = run(main)
    return told, left, journal


@pytest.mark.parametrize(
    ("form", "written", "at"),
    [
        ("ltime", bytes((26, 11, 22, 4, 30, 45)), AT),
        ("stime", bytes((26, 11, 22, 4, 30)), AT.replace(second=0)),
        ("seconds", int(AT.timestamp()).to_bytes(4, "little"), AT),
        ("minutes", int(AT.timestamp() // 60).to_bytes(4, "little"), AT.replace(second=0)),
    ],
)
def test_each_form(tmp_path: Path, form: str, written: bytes, at: datetime) -> None:
    told, left, journal = tell(tmp_path, f'[next_call]\ntable = "MT40"\noffset = 3\nform = "{form}"\n')
    assert (told.outcome, told.at) == ("done", at)
    assert left == bytes(3) + written + bytes(13 - len(written))
    (write,) = journal.writes
    assert (write.table, write.octets, write.meter_id) == ("MT40", written, "87654321")
    assert journal.outcomes == [("done", "read back as written")]


def test_a_family_whose_profile_says_nothing_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match="sim-house does not say how"):
        tell(tmp_path, "")


def test_another_meter_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match="is 87654321, not 4711"):
        tell(tmp_path, '[next_call]\ntable = "MT40"\n', meter_id="4711")


@pytest.mark.parametrize(("octets", "writes"), [(None, True), (4, True), (16, False)])
def test_a_refusal_is_told_and_set_down(tmp_path: Path, octets: int | None, *, writes: bool) -> None:
    password = SECRET if writes else Secret(PASSWORD)
    section = '[next_call]\ntable = "MT40"\n'
    told, _left, journal = tell(tmp_path, section, octets=octets, writes=writes, password=password)
    assert told.outcome == "refused"
    assert [outcome for outcome, _ in journal.outcomes] == ["refused"]


def test_a_journal_that_takes_nothing_keeps_it_from_being_sent(tmp_path: Path) -> None:
    def refuse(_self: Noted, _write: MeterWrite) -> None:
        raise OSError(28, "No space left on device")

    with patch.object(Noted, "before", refuse), pytest.raises(OSError, match="No space left"):
        tell(tmp_path, '[next_call]\ntable = "MT40"\n')


def test_a_wrong_password_is_a_refusal_of_the_session(tmp_path: Path) -> None:
    with pytest.raises(MeterRefused):
        tell(tmp_path, '[next_call]\ntable = "MT40"\n', password=Secret(b"wrong"))
