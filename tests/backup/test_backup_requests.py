"""The MDSP's requests after a backup was put back: none that the lost box may have taken since is taken again."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from agent.requests.store import REQUESTS_FILE, RequestStore
from tests.backup.backup_kit import NOW, back_up, make_agent, restore


def test_a_restored_box_takes_no_request_that_was_issued_before(tmp_path: Path) -> None:
    box = make_agent(tmp_path / "box")
    began = NOW - timedelta(days=30)
    with closing(RequestStore(box.parent / "state" / REQUESTS_FILE, create=True)) as store:
        assert store.not_before(began) == began
    back_up(box, tmp_path / "archive")
    restore(tmp_path / "archive", tmp_path / "new")
    with closing(RequestStore(tmp_path / "new" / "state" / REQUESTS_FILE, create=False)) as store:
        assert store.not_before(NOW + timedelta(days=1)) == NOW
    with closing(RequestStore(box.parent / "state" / REQUESTS_FILE, create=False)) as store:
        assert store.not_before(NOW) == began
