"""A call in the audit log: who was asked, what was read, what was written; a stranger's call is there, too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.audit import AuditLog
from agent.audit_sessions import SessionLog
from agent.audit_verify import entries, verify
from agent.visit import Box
from drivers.transport.modem import Modem
from metersim.modem.calling import Caller as CallingMeter
from tests.system.test_system_call_in import Office, _attended, calls_in

pytestmark = pytest.mark.system


class AuditedOffice(Office):
    """An office whose box sets its sessions down."""

    def box(self) -> Box:
        path = self.directory / "audit.jsonl"
        log = SessionLog(lambda: AuditLog(path, self.clock.now), by="mrsp run as mrsp", came="schedule", group_s=30)
        return replace(super().box(), sessions=log)


def test_each_session_of_a_call_is_set_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(office: Office, modem: Modem, meter: CallingMeter) -> None:
        await _attended(modem, office.desk(meter_id="M-77"), meter.report())  # it is M-1 that calls
        await _attended(modem, office.desk(), meter.report())

    monkeypatch.setattr("tests.system.test_system_call_in.Office", AuditedOffice)
    calls_in(tmp_path, story)
    path = tmp_path / "audit.jsonl"
    assert verify(path).broken == ""
    lines = entries(path)
    begun, ended = ([line for line in lines if line["event"] == event] for event in ("session_begun", "session"))
    assert [line["asked"].partition(" at ")[0] for line in begun] == [
        "who calls", "who calls", "registers", "to call next",
    ]  # fmt: skip
    assert {line["came"] for line in begun} == {"call"}
    assert [line.get("password", False) for line in begun] == [False, False, True, True]
    assert [(line["result"], line["meter_id"]) for line in ended] == [("read", "M-1")] * 3 + [("done", "M-1")]
    (written,) = (line for line in lines if line["event"] == "before")
    assert written["session"] == begun[3]["seq"]
    assert begun[0]["url"].startswith("modem")
