"""What the doctor finds between the agent and the rest of the box: the sandbox, ports, a USB receiver."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.doctor import doors, outside
from tests.doctor.doctor_kit import Case

RADIO = '[radio]\nplan = "plan.csv"\n'


@pytest.fixture
def case(tmp_path: Path) -> Case:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "root").mkdir()
    return Case(tmp_path)


@pytest.mark.parametrize(
    ("protection", "opened", "path", "closed"),
    [
        ("strict", "", "/srv/readings", True),
        ("strict", "/srv", "/srv/readings", False),
        ("strict", "/srv/other -/srv/readings", "/srv/readings", False),
        ("strict", "/srv/read", "/srv/readings", True),
        ("full", "", "/srv/readings", False),
        ("full", "", "/etc/readings", True),
        ("no", "", "/usr/readings", False),
    ],
)
def test_what_the_sandbox_closes_is_known(protection: str, opened: str, path: str, closed: bool) -> None:
    told = {"ProtectSystem": protection, "ReadWritePaths": opened}
    assert outside.is_closed(told, Path(path)) is closed
    assert not outside.is_closed({}, Path(path))


def test_a_directory_that_is_not_there_or_closed_is_told(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    place = case.directory / "figures"
    case.text = f'[metrics]\ntextfile = "{place}/mrsp.prom"\n'
    assert "there is no directory" in case.worst("directories").said
    place.mkdir()
    assert case.worst("directories").level == "ok"
    monkeypatch.setattr(outside, "told_of", lambda *_asked: {"ProtectSystem": "strict", "ReadWritePaths": ""})
    found = case.worst("directories")
    assert f"does not let the service write to {case.state}" in case.found("directories")[0].said
    assert (found.level, "ReadWritePaths=" in found.advice) == ("fault", True)


def _listens(case: Case, port: int, user: int) -> None:
    case.kernel(
        "proc/net/tcp",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
        f"   0: 0100007F:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {user:5} 0 1 1 0\n"
        "   1: 0100007F:1F90 0100007F:2710 01 00000000:00000000 00:00000000 00000000  4711 0 1 1 0\n",
    )


def test_a_port_that_another_user_has_is_told(case: Case) -> None:
    assert case.worst("ports").level == "skipped"
    case.text = '[metrics]\nlisten = "127.0.0.1:9754"\n'
    assert case.worst("ports").level == "ok"
    _listens(case, 8080, 4711)
    assert case.worst("ports").level == "ok"
    _listens(case, 9754, 4711)
    found = case.worst("ports")
    assert (found.level, found.said) == ("fault", "[metrics]: port 9754 is taken by a program of 4711")


def test_a_socket_unit_of_another_address_is_told(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.text = '[console]\nlisten = "127.0.0.1:8443"\n'
    held = {"ActiveState": "active", "Listen": "192.168.7.1:8443 (Stream)"}
    monkeypatch.setattr(doors, "told_of", lambda *_asked: held)
    assert "listens at 192.168.7.1:8443" in case.worst("ports").said
    held["Listen"] = "127.0.0.1:8443 (Stream)"
    _listens(case, 8443, 0)  # systemd itself
    assert case.worst("ports").level == "ok"


def test_a_receiver_that_is_away_or_used_for_television_is_told(case: Case) -> None:
    (case.directory / "plan.csv").write_text("meter_id\n")
    assert case.worst("receiver").level == "skipped"
    case.text = RADIO
    assert "no receiver" in case.worst("receiver").said
    device = "sys/bus/usb/devices/1-1"
    told = {"idVendor": "0bda", "idProduct": "2838", "busnum": "1", "devnum": "7", "serial": "A"}
    for name, content in told.items():
        case.kernel(f"{device}/{name}", f"{content}\n")
    assert "may not open" in case.worst("receiver").said
    case.kernel("dev/bus/usb/001/007")
    assert case.worst("receiver").level == "ok"
    case.text = f'{RADIO}device = ":B"\n'
    assert "no receiver has the serial number B; there: A" in case.worst("receiver").said
    case.text = f'{RADIO}device = "rtl_tcp:10.0.0.7"\n'
    assert case.worst("receiver").level == "skipped"
    case.text = RADIO
    interface = case.directory / "root" / device / "1-1:1.0"
    interface.mkdir()
    (interface / "driver").symlink_to("../../../bus/usb/drivers/dvb_usb_rtl28xxu")
    found = case.worst("receiver")
    assert (found.level, "blacklist dvb_usb_rtl28xxu" in found.advice) == ("fault", True)
