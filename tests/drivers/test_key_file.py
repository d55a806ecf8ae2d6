"""A private key that others could read or change is not used."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.errors import UsageError
from drivers.key_file import refuse_open_key


def test_a_key_of_ours_alone_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.touch(mode=0o600)
    refuse_open_key(path)
    refuse_open_key(str(path))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o666])
def test_one_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    path.touch()
    path.chmod(mode)
    with pytest.raises(UsageError, match="chmod 600"):
        refuse_open_key(path)


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
        refuse_open_key(path)  # root's
    else:
        with pytest.raises(UsageError, match="belongs to user"):
            refuse_open_key(path)
