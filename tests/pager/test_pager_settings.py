"""What the URL of a pager meter may say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from drivers.errors import UsageError
from drivers.pager.settings import WctpAddress, parse_address
from drivers.pager.wctp_recording import masked
from drivers.pager.wctp_values import Version
from drivers.secret import Secret

GATEWAY = "wctp+https://carrier.example:8443/wctp/in"


def test_defaults() -> None:
    address = parse_address(f"{GATEWAY}?recipient=5551234567")
    assert address == WctpAddress(
        "https://carrier.example:8443/wctp/in", "5551234567", meter="5551234567", sender="mrsp", poller="mrsp"
    )
    assert address.secure
    assert parse_address("wctp+http://h?recipient=1").gateway == "http://h/"
    assert not parse_address("wctp+http://h?recipient=1").secure


def test_everything_said() -> None:
    address = parse_address(
        f"{GATEWAY}?recipient=1&sender=a%40b&meter=77&format=other&version=1.1&poll_s=2.5&wait_s=60&request_s=5"
        "&grace_s=0&priority=high&replies=push&meter_spacing_s=60&carrier_per_hour=10&late_s=100&fresh_s=0",
        {"poll_s": "99", "ca": "/etc/ca.pem"},
    )
    assert (address.sender, address.poller, address.meter, address.version) == ("a@b", "a@b", "77", Version.V1_1)
    assert (address.poll_s, address.wait_s, address.request_s, address.grace_s) == (2.5, 60, 5, 0)
    assert (address.priority, address.replies, address.ca, address.format) == ("HIGH", "push", "/etc/ca.pem", "other")
    limits = address.limits
    assert (limits.meter_spacing_s, limits.carrier_per_hour, limits.late_s, limits.fresh_s) == (60, 10, 100, 0)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (GATEWAY, "option recipient is missing"),
        (f"{GATEWAY}?recipient=", "option recipient is missing"),
        (f"{GATEWAY}?recipient=1%0a2", "printable ASCII"),
        (f"{GATEWAY}?recipient=1&recipient=2", "given twice"),
        (f"{GATEWAY}?recipient", "NAME=VALUE"),
        (f"{GATEWAY}?recipient=1&poll_s=0", "poll_s='0'"),
        (f"{GATEWAY}?recipient=1&poll_s=soon", "poll_s='soon'"),
        (f"{GATEWAY}?recipient=1&wait_s=999999", "from 0.01 to 86400"),
        (f"{GATEWAY}?recipient=1&grace_s=-1", "grace_s='-1'"),
        (f"{GATEWAY}?recipient=1&version=2.0", "1.0, 1.1, 1.2, 1.3"),
        (f"{GATEWAY}?recipient=1&securityCode=x", "no option 'securityCode'"),
        ("wctp+https://?recipient=1", "not a host"),
        ("wctp+https://h:x/?recipient=1", "Port"),
        ("wctp+https://h/?recipient=1#there", "not a host and a path"),
        ("https://h/?recipient=1", "no gateway"),
    ],
)
def test_mistakes_are_named(url: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        parse_address(url)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        parse_address("wctp+https://user:hush@h/?recipient=1")
    assert "hush" not in str(caught.value)


def test_aiohttp_is_loaded_on_use_only() -> None:
    code = (
        "import sys, drivers.pager.driver, drivers.pager.snpp_wake, drivers.pager.wctp_push;"
        "sys.exit(any(name in sys.modules for name in ('aiohttp', 'defusedxml')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_codes_are_masked_in_recordings() -> None:
    body = b"<a securityCode='hush' b='1'/><c authorizationCode = \"x\"/>a&amp;b says hush"
    assert masked(body, None) == b"<a securityCode='****' b='1'/><c authorizationCode = \"*\"/>a&amp;b says hush"
    assert masked(body, Secret(b"hush")).endswith(b"says ****")
    assert masked(b"is a&amp;bc here", Secret(b"a&bc")) == b"is ******** here"
    assert masked("hush".encode("utf-16-le"), Secret(b"hush")) == b"*" * 8
    assert masked(b"of 1", Secret(b"1")) == b"of 1"
