"""The `[console]` section: what is refused, and when TLS is a must."""

from __future__ import annotations

import msgspec
import pytest

from agent.console.hosts import Hosts
from agent.console.settings import ConsoleSettings


def test_alone_it_is_for_programs_of_this_box_without_tls() -> None:
    settings = ConsoleSettings()
    assert settings.only_here
    assert not settings.tls
    assert str(settings.address) == "127.0.0.1"
    assert settings.port == 8443


@pytest.mark.parametrize("listen", ["0.0.0.0:8443", "192.168.7.1:443", "[::]:8443", "[fe80::1]:8443"])
def test_any_other_address_speaks_tls(listen: str) -> None:
    assert ConsoleSettings(listen=listen).tls


def test_a_certificate_of_its_own_means_tls_everywhere() -> None:
    assert ConsoleSettings(certificate="c.pem", key="k.pem").tls


@pytest.mark.parametrize(
    "wrong",
    [
        {"listen": "8443"},
        {"listen": "localhost:8443"},
        {"listen": "127.0.0.1:70000"},
        {"listen": "127.0.0.256:80"},
        {"listen": "[127.0.0.1]"},
        {"listen": "224.0.0.1:8443"},
        {"certificate": "c.pem"},
        {"key": "k.pem"},
        {"hosts": ["https://box"]},
        {"hosts": ["box:8443"]},
        {"idle_minutes": 0},
        {"session_hours": 100},
        {"language": "../en"},
        {"nothing": 1},
        {"probes": ["modem:///dev/ttyS0?dial=1"]},
        {"probes": ["serial:///dev/ttyUSB0", "left probe = nothing"]},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, ConsoleSettings)


def test_a_line_that_is_no_probe_is_named() -> None:
    with pytest.raises(
        msgspec.ValidationError, match=r"`probes`: 'visual://' is no line of a probe; for example `left"
    ):
        msgspec.convert({"probes": ["left = visual://"]}, ConsoleSettings)
    probes = ("left probe = serial:///dev/ttyUSB0", "tcp://127.0.0.1:7")
    assert ConsoleSettings(probes=probes).probes == probes


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ("box.example", True),
        ("BOX.example:8443", True),
        ("box.example.", True),
        ("192.168.7.1:8443", True),
        ("192.168.7.2:8443", False),
        ("evil.example", False),
        ("localhost", False),
        ("box.example@evil.example", False),
        ("box.example/", False),
        ("", False),
        ("[::1", False),
    ],
)
def test_only_our_names_and_the_address_that_was_reached_are_hosts(host: str, *, taken: bool) -> None:
    hosts = Hosts(ConsoleSettings(listen="0.0.0.0:8443", hosts=("box.example",)))
    assert hosts.takes(host, "192.168.7.1") is taken


def test_on_this_box_it_is_also_localhost() -> None:
    hosts = Hosts(ConsoleSettings())
    assert hosts.takes("localhost:8443", "127.0.0.1")
    assert hosts.takes("127.0.0.1:8443", "127.0.0.1")
    assert not hosts.takes("localhost.evil.example", "127.0.0.1")


@pytest.mark.parametrize(("host", "came_to"), [("[::1]:8443", "::1"), ("10.0.0.1", "::ffff:10.0.0.1")])
def test_addresses_of_either_version_are_told(host: str, came_to: str) -> None:
    assert Hosts(ConsoleSettings()).takes(host, came_to)
