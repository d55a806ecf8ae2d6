"""Passwords come from files that only their owner reads, and never show."""

from pathlib import Path

import pytest

from agent.credentials import load_password
from agent.errors import LocalTrouble, UsageError
from drivers.secret import Secret


def written(path: Path, octets: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(octets)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("octets", "password"),
    [
        (b"PASSWORD01\n", b"PASSWORD01"),
        (b"PASSWORD01", b"PASSWORD01"),
        (b" pad \r\n", b" pad "),
        (b"00" * 19 + b"fF\n", bytes(19) + b"\xff"),
        (b"\xff\x01", b"\xff\x01"),
    ],
)
def test_the_password_is_the_file_without_its_line_end(tmp_path: Path, octets: bytes, password: bytes) -> None:
    secret = load_password(written(tmp_path / "p", octets))
    assert secret == Secret(password)


@pytest.mark.parametrize("octets", [b"", b"\n", b"x" * 21, b"00" * 21])
def test_what_is_no_password_is_refused_without_showing_it(tmp_path: Path, octets: bytes) -> None:
    with pytest.raises(UsageError, match="1 to 20 octets") as caught:
        load_password(written(tmp_path / "p", octets))
    assert "xxx" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    with pytest.raises(LocalTrouble, match="chmod 600"):
        load_password(written(tmp_path / "p", b"secret", mode))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalTrouble, match=r"nowhere cannot be read: No such file"):
        load_password(tmp_path / "nowhere")


def test_secrets_print_as_stars_everywhere() -> None:
    secret = Secret(b"hunter2")
    assert f"{secret} {secret!r} {secret:>5}" == "*** *** ***"
