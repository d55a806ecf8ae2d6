"""A socket that systemd listens on: taken where it is meant for us, refused where it listens elsewhere."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, ip_address

import pytest

from agent import handed_socket
from agent.errors import ConfigError
from agent.handed_socket import handed_listener

LOCAL = IPv4Address("127.0.0.1")


@contextmanager
def _handed(patch: pytest.MonkeyPatch, host: str = "127.0.0.1", names: str = "metrics:console") -> Iterator[int]:
    """Listen as systemd would, on the second of two descriptors; yield the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        patch.setattr(handed_socket, "FIRST", listener.fileno() - 1)
        patch.setenv("LISTEN_PID", str(os.getpid()))
        patch.setenv("LISTEN_FDS", "2")
        patch.setenv("LISTEN_FDNAMES", names)
        yield listener.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_socket_is_taken_by_name_and_again_after_it_was_closed(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with _handed(monkeypatch, host) as port:
        for _ in range(2):
            listener = handed_listener("console", ip_address(host), port)
            assert listener is not None
            assert not listener.get_inheritable()
            with listener, socket.create_connection((host, port)) as caller:
                caller.sendall(b"hello")
                listener.setblocking(True)
                with listener.accept()[0] as called:
                    assert called.recv(5) == b"hello"


def test_a_socket_for_another_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with _handed(monkeypatch) as port, pytest.raises(ConfigError, match=r"systemd listens at 127\.0\.0\.1") as refused:
        handed_listener("console", IPv4Address("192.0.2.7"), port)
    assert "mrsp-console.socket" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"), [("LISTEN_PID", "1"), ("LISTEN_PID", None), ("LISTEN_FDS", "x"), ("LISTEN_FDS", "1")]
)
def test_what_is_not_for_us_is_left_alone(name: str, value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    with _handed(monkeypatch) as port:
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
        assert handed_listener("console", LOCAL, port) is None
