"""What a recording shows of a call, and that it replays as any other."""

from __future__ import annotations

import json
from pathlib import Path

from drivers.transport import open_transport, start_recording
from drivers.transport.dialling import Call
from drivers.transport.modem import Modem
from drivers.transport.recording_file import Event, read_sessions
from tests.transport.fake_modem import FakeModem, ModemPort
from tests.transport.lines import PROMPT


async def test_the_dialogue_is_in_the_recording_and_does_not_disturb_its_replay(tmp_path: Path) -> None:
    path = tmp_path / "call.rec"
    fake = FakeModem(wired=True, dial_s=0.0, answer_s=0.0)
    port = ModemPort(fake)
    modem = Modem(port, PROMPT, pins=port)
    line = await modem.dial(Call("555-0100", settle_ms=0))
    recording = start_recording(line, path)
    await recording.write(b"\xee\x00hello")
    fake.far_end_says(b"\x06")
    port.pump()
    assert await recording.read() == b"\x06"
    await recording.close()
    await modem.close()

    lines = [json.loads(text) for text in path.read_text().splitlines()]
    assert lines[0]["line"] == "/dev/ttyS9 (call to 5550100)"
    assert lines[0]["baud"] == 2400
    told = [one["value"] for one in lines if one.get("event") == "modem"]
    assert told[:2] == ["> AT", "< OK"]
    assert told[told.index("> ATDT5550100") + 1] == "< CONNECT 2400"
    assert lines[-1]["event"] == "close"

    (session,) = read_sessions(path)
    assert not [record for record in session.records if isinstance(record, Event) and record.name == "modem"]
    replay = await open_transport(f"replay://{path}")
    await replay.write(b"\xee\x00hello")
    assert await replay.read() == b"\x06"
    await replay.close()


async def test_hanging_up_stands_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "call.rec"
    fake = FakeModem(wired=True, no_dtr=True, guard_s=0.01, dial_s=0.0, answer_s=0.0)
    port = ModemPort(fake)
    modem = Modem(port, PROMPT, pins=None)
    recording = start_recording(await modem.dial(Call("5550100", settle_ms=0)), path)
    await recording.close()
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    assert [one["value"] for one in lines[-5:]] == ["> +++", "< OK", "> ATH0", "< OK", ""]
    await modem.close()
