"""The probes to choose from have the names that people know them by."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import UsageError
from agent.field.probes import Probe, parse_probe, probes_of


def test_what_is_plugged_in_is_found_by_plain_names(tmp_path: Path) -> None:
    for name in (
        "usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0",
        "usb-Silicon_Labs_CP2105_Dual_USB_to_UART_0123AB-if01-port0",
        "usb-1a86_USB2.0-Serial-if00-port0",
        "odd_name",
    ):
        (tmp_path / name).touch()
    assert [probe.name for probe in probes_of((), tmp_path)] == [
        "odd name",
        "1a86 USB2.0-Serial",
        "FTDI FT232R USB UART (A50285BI)",
        "Silicon Labs CP2105 Dual USB to UART (0123AB), port 2",
    ]
    assert probes_of((), tmp_path)[0].url == f"serial://{tmp_path}/odd_name"
    assert probes_of((), tmp_path / "none") == ()


def test_the_configured_ones_stand_for_what_is_plugged_in(tmp_path: Path) -> None:
    (tmp_path / "usb-A_B-if00-port0").touch()
    configured = (
        f"left probe = serial://{tmp_path}/usb-A_B-if00-port0?baud=9600",
        "van = tcp://10.0.0.5:4001",
        str(tmp_path / "gone"),
    )
    assert probes_of(configured, tmp_path) == (
        Probe("left probe", f"serial://{tmp_path}/usb-A_B-if00-port0?baud=9600"),
        Probe("van", "tcp://10.0.0.5:4001"),
        Probe("gone", str(tmp_path / "gone"), present=False),
    )


def test_a_url_with_options_needs_no_name() -> None:
    assert parse_probe("/dev/null?baud=1200") == Probe("null", "/dev/null?baud=1200")


@pytest.mark.parametrize(
    "text", ["", "left", "left = ", "modem://bank?dial=1", "x = visual://", "serial://", "a = ftp://b"]
)
def test_what_is_no_probe_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_probe(text)
