"""A private key that others could read or change is not used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.errors import UsageError
from drivers.key_file import refuse_open_key


def advice_on(path: str | Path) -> str | None:
    """Return what is to be done before the key may be used; None if it may be."""
    try:
        refuse_open_key(path)
    except UsageError as error:
        return error.advice
    return None


@pytest.mark.parametrize(
    ("mode", "taken"),
    [(0o600, True), (0o400, True), (0o640, False), (0o604, False), (0o620, False), (0o660, False), (0o666, False)],
)
@pytest.mark.parametrize("named", [Path, str])
def test_only_a_key_of_ours_alone_is_taken(
    tmp_path: Path, mode: int, named: Callable[[Path], str | Path], *, taken: bool
) -> None:
    path = tmp_path / "key.pem"
    path.touch()
    path.chmod(mode)
    assert advice_on(named(path)) == (None if taken else f"chmod 600 {path}")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a regular file"):
        refuse_open_key(tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        refuse_open_key(tmp_path / "nowhere")


def test_a_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key.pem"
    path.touch(mode=0o600)
    owner = path.stat().st_uid
    monkeypatch.setattr("drivers.key_file.os.geteuid", lambda: 4711)
    if owner == 0:
        assert advice_on(path) is None  # root's
    else:
        with pytest.raises(UsageError, match="belongs to user"):
            refuse_open_key(path)


def test_what_systemd_lets_us_read_is_not_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "meter-key"
    path.touch()
    path.chmod(0o440)  # the mask of an ACL that names this user
    assert advice_on(path) == f"chmod 600 {path}"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    if path.stat().st_uid == 0:
        assert advice_on(path) is None
    path.chmod(0o444)
    assert advice_on(path) == f"chmod 600 {path}"
