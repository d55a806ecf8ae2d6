"""Passwords come from files that only their owner reads, or from systemd, and never show."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.credentials import LONGEST_SECRET, load_password, load_secret, located
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


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\n",
        b"\r\n",
        b"xxx" * 7,
        b"00" * 21,
        b"xxxA\nB",
        b"xxxA\n\n",
        b"xxxA\rB",
        b"xxxA\0B",  # NUL is padding, never part of a password; a file of UTF-16 is full of it
        "xxxA".encode("utf-16-le"),
        "xxxA".encode("utf-16"),
        "xxxA".encode("utf-8-sig"),
    ],
)
def test_what_is_no_password_is_refused_without_showing_it(tmp_path: Path, octets: bytes) -> None:
    with pytest.raises(UsageError, match="1 to 20 octets") as caught:
        load_password(written(tmp_path / "p", octets))
    assert "xxx" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    with pytest.raises(LocalTrouble, match="chmod 600"):
        load_password(written(tmp_path / "p", b"secret", mode))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalTrouble, match=r"there is no .*nowhere .*chmod 600"):
        load_password(tmp_path / "nowhere")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(written(tmp_path / "p", b"secret"))
    with pytest.raises(LocalTrouble, match="symbolic link"):
        load_password(tmp_path / "link")


def test_neither_a_directory_nor_a_pipe_is_a_password(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("directory", "pipe"):
        with pytest.raises(LocalTrouble, match=r"not a regular file|cannot read"):
            load_password(tmp_path / name)


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "p", b"secret")
    monkeypatch.setattr("agent.private_file.os.geteuid", lambda: 4711)
    if os.getuid() == 0:  # root's own files are anybody's to trust
        os.chown(path, 1000, -1)
    with pytest.raises(LocalTrouble, match="belongs to user"):
        load_password(path)


@pytest.mark.parametrize("octets", [b"secret" * 1000, b"secret" * 100_000])
def test_a_large_file_is_refused_unread(tmp_path: Path, octets: bytes) -> None:
    with pytest.raises(LocalTrouble, match="is larger than"):
        load_password(written(tmp_path / "p", octets))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary(max_size=50))
def test_any_octets_are_a_password_or_refused_unshown(tmp_path: Path, octets: bytes) -> None:
    path = written(tmp_path / "p", octets)
    try:
        found = load_password(path).reveal()
    except (UsageError, LocalTrouble) as error:
        shown = len(octets) >= 4 and octets.decode("latin-1") in str(error)
        assert not shown
        return
    assert 1 <= len(found) <= 20
    assert found in octets or found.hex() in octets.decode().lower()


class TestCredentials:
    @pytest.fixture
    def given_by_systemd(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        directory = tmp_path / "run" / "mrsp.service"
        directory.mkdir(parents=True)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(directory))
        return directory

    def test_a_password_may_be_a_credential(self, given_by_systemd: Path) -> None:
        written(given_by_systemd / "meter-4711", b"PASSWORD01\n", 0o400)
        assert load_password(Path("credential:meter-4711")) == Secret(b"PASSWORD01")

    @pytest.mark.usefixtures("given_by_systemd")
    def test_one_that_was_not_given_is_named_with_the_remedy(self) -> None:
        with pytest.raises(LocalTrouble, match=r"LoadCredential=meter-4711:"):
            load_password(Path("credential:meter-4711"))

    def test_outside_the_service_there_are_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
        with pytest.raises(LocalTrouble, match="only systemd gives it"):
            load_password(Path("credential:meter-4711"))

    @pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc/shadow", "a\0b", "a b", "x" * 256, "\x1b"])
    def test_a_name_leads_nowhere_else(self, given_by_systemd: Path, name: str) -> None:
        written(given_by_systemd.parent / "x", b"PASSWORD01")
        with pytest.raises(UsageError, match="names no credential"):
            located(Path(f"credential:{name}"))

    def test_the_rules_of_files_hold(self, given_by_systemd: Path) -> None:
        written(given_by_systemd / "open", b"PASSWORD01", 0o444)
        with pytest.raises(LocalTrouble, match="open to other users"):
            load_password(Path("credential:open"))


def test_other_secrets_are_one_line_of_text(tmp_path: Path) -> None:
    assert load_secret(written(tmp_path / "p", "pässwörd 1\n".encode()), "broker password") == Secret(
        "pässwörd 1".encode()
    )
    assert load_secret(written(tmp_path / "p", b"x" * LONGEST_SECRET + b"\r\n"), "code").reveal() == b"x" * 1024
    for octets in (b"", b"\xff\xfe\xfd", b"a\nb", b"x" * (LONGEST_SECRET + 1)):
        with pytest.raises(UsageError, match="holds no broker password"):
            load_secret(written(tmp_path / "p", octets), "broker password")


def test_secrets_print_as_stars_everywhere() -> None:
    secret = Secret(b"hunter2")
    assert f"{secret} {secret!r} {secret:>5}" == "*** *** ***"
