"""Accounts: hashes in a private file, names as people type them, and the same time for a name that there is none of."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.console import accounts as module
from agent.console.accounts import Accounts
from agent.errors import LocalTrouble, UsageError
from tests.console.console_kit import NOW, PASSWORD


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    made = Accounts(tmp_path / "accounts.json")
    made.add("ann", "reader", PASSWORD, NOW)
    return made


def test_the_file_is_private_and_has_no_password(accounts: Accounts, tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    assert PASSWORD not in text
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in text


@pytest.mark.parametrize("typed", ["ann", "Ann", " ANN "])
def test_a_name_is_taken_as_a_tablet_writes_it(accounts: Accounts, typed: str) -> None:
    found = accounts.verify(typed, PASSWORD)
    assert found is not None
    assert found.name == "ann"


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong wrong wrong"), ("bob", PASSWORD), ("", ""), ("ann", "")])
def test_what_is_wrong_is_refused(accounts: Accounts, name: str, password: str) -> None:
    assert accounts.verify(name, password) is None


def test_an_unknown_name_costs_as_much_as_a_known_one(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []

    class Counting:
        def verify(self, hashed: str, _password: str) -> bool:
            verified.append(hashed.rpartition("$")[0].rpartition("$")[0])  # kind, version, cost
            return False

    monkeypatch.setattr(module, "_HASHER", Counting())
    accounts.verify("ann", PASSWORD)
    accounts.verify("nobody", PASSWORD)
    assert len(verified) == 2
    assert verified[0] == verified[1]


def test_characters_written_in_two_ways_are_the_same_password(accounts: Accounts) -> None:
    accounts.add("eva", "reader", "früh am Zähler", NOW)
    assert accounts.verify("eva", "fru\u0308h am Za\u0308hler") is not None


@pytest.mark.parametrize("weak", ["short", "a" * 20, "ann ann ann ann", "x" * 129])
def test_weak_passwords_are_refused_with_a_reason(accounts: Accounts, weak: str) -> None:
    with pytest.raises(UsageError) as refused:
        accounts.set_password("ann", weak)
    assert weak not in str(refused.value)
    assert accounts.verify("ann", PASSWORD) is not None


@pytest.mark.parametrize("name", ["", "1a", "a b", "a/b", "ä", "x" * 33, "a\nb"])
def test_names_are_plain(accounts: Accounts, name: str) -> None:
    with pytest.raises(UsageError, match="no account name"):
        accounts.add(name, "reader", PASSWORD, NOW)


def test_a_change_by_another_process_counts_at_once(accounts: Accounts, tmp_path: Path) -> None:
    other = Accounts(tmp_path / "accounts.json")
    other.add("bob", "operator", PASSWORD, NOW)
    assert [one.name for one in accounts.all()] == ["ann", "bob"]
    other.remove("ann")
    assert accounts.get("ann") is None
    with pytest.raises(UsageError, match="no account 'ann'"):
        accounts.remove("ann")
    with pytest.raises(UsageError, match="already"):
        accounts.add("bob", "reader", PASSWORD, NOW)


def test_another_password_makes_another_stamp(accounts: Accounts) -> None:
    before = accounts.get("ann")
    assert before is not None
    assert accounts.set_password("ann", "new words altogether").stamp != before.stamp


@pytest.mark.parametrize("content", ["", "{", '{"accounts": [{"name": "a"}]}', '{"accounts": 7}'])
def test_a_damaged_file_lets_nobody_in(tmp_path: Path, content: str) -> None:
    file = tmp_path / "accounts.json"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(LocalTrouble, match="damaged"):
        Accounts(file).verify("ann", PASSWORD)


def test_a_file_that_others_may_read_is_not_used(accounts: Accounts, tmp_path: Path) -> None:
    (tmp_path / "accounts.json").chmod(0o644)
    with pytest.raises(LocalTrouble, match="open to other users"):
        Accounts(tmp_path / "accounts.json").all()
