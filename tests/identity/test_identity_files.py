"""Secrets lie in files that nobody else can read or change, wherever they come from; everything else is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.errors import LocalTrouble
from agent.identity.layout import CREDENTIAL
from agent.keys import DeviceKey, create_device_key, load_device_key
from agent.private_file import check_private_file, read_private_file

NOBODY = 65_534


def private(path: Path, content: bytes = b"secret", mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_symbolic_link_is_no_key(keys: Path, made: DeviceKey) -> None:
    real = made.path.rename(keys / "elsewhere.pem")
    made.path.symlink_to(real)
    with pytest.raises(LocalTrouble, match="symbolic link"):
        load_device_key(keys)


def test_a_pipe_neither_hangs_nor_is_a_key(keys: Path, made: DeviceKey) -> None:
    made.path.unlink()
    os.mkfifo(made.path, 0o600)
    with pytest.raises(LocalTrouble, match="not a regular file"):
        load_device_key(keys)


def test_ten_megabytes_are_no_key(keys: Path, made: DeviceKey) -> None:
    private(made.path, b"x" * 10_000_000)
    with pytest.raises(LocalTrouble, match="wrong file"):
        load_device_key(keys)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away, which only root may")
def test_a_key_of_another_user_is_refused(tmp_path: Path) -> None:
    status = os.stat_result((0o100600, 1, 1, 1, 4711, 0, 6, 0, 0, 0))
    from agent import private_file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: NOBODY)
        with pytest.raises(LocalTrouble, match="belongs to user 4711"):
            private_file._refuse_open(tmp_path / "key", status)
        with pytest.raises(LocalTrouble, match="sudo -u mrsp"):
            private_file.refuse_open_directory(tmp_path)
    os.chown(private(tmp_path / "key"), 4711, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: NOBODY)
        with pytest.raises(LocalTrouble, match="belongs to user 4711"):
            read_private_file(tmp_path / "key", limit=99, advice="")
        with pytest.raises(LocalTrouble, match="belongs to user 4711"):
            check_private_file(tmp_path / "key")


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away, which only root may")
def test_root_does_not_leave_files_that_the_service_cannot_read(keys: Path) -> None:
    keys.mkdir(mode=0o700)
    os.chown(keys, NOBODY, NOBODY)
    with pytest.raises(LocalTrouble, match="sudo -u mrsp"):
        create_device_key(keys)
    assert not list(keys.iterdir())


def test_a_key_comes_as_a_systemd_credential(
    keys: Path, made: DeviceKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "credentials"
    given.mkdir()
    made.path.rename(given / CREDENTIAL)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(LocalTrouble, match="mrsp keys init"):
        load_device_key(keys)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    loaded = load_device_key(keys)
    assert (loaded.kid, loaded.path) == (made.kid, given / CREDENTIAL)
    create_device_key(keys)
    with pytest.raises(LocalTrouble, match="two device keys"):
        load_device_key(keys)


@pytest.mark.skipif(os.geteuid() != 0, reason="systemd's credentials are root's")
def test_the_access_list_of_a_credential_shows_as_the_groups_read_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = private(tmp_path / "given", mode=0o440)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(LocalTrouble, match="chmod 600"):
        read_private_file(given, limit=99, advice="")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_private_file(given, limit=99, advice="") == b"secret"
    for mode in (0o444, 0o460, 0o441):
        given.chmod(mode)
        with pytest.raises(LocalTrouble, match="chmod 600"):
            read_private_file(given, limit=99, advice="")
    given.chmod(0o440)
    os.chown(given, 4711, -1)
    with pytest.raises(LocalTrouble, match="chmod 600"):
        read_private_file(given, limit=99, advice="")


def test_a_token_cannot_hold_the_key_of_tls_and_it_is_said_why() -> None:
    with pytest.raises(LocalTrouble, match="Python's ssl reads keys from files only"):
        check_private_file(Path("/etc/mrsp/pkcs11:token=mrsp;object=key"))
