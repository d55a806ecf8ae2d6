"""systemd is told over a real datagram socket."""

import socket
from pathlib import Path

import pytest

from agent.notify import notify, watchdog_interval_s


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert notify("READY=1") is False


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_receives_the_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, abstract: bool) -> None:
    name = f"@{tmp_path}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + name[1:] if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert notify("STATUS=läuft") is True
        assert server.recv(100).decode() == "STATUS=läuft"


@pytest.mark.parametrize(("value", "seconds"), [("60000000", 30.0), ("", None), ("0", None), ("soon", None)])
def test_watchdog_is_fed_at_half_its_time(monkeypatch: pytest.MonkeyPatch, value: str, seconds: float | None) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", value)
    assert watchdog_interval_s() == seconds
