"""Who may log in: names, roles and Argon2id hashes (RFC 9106) in a 0600 file, read again when it changes.

{"accounts": [{"name": "ann", "role": "reader", "password": "$argon2id$…", "since": "2026-11-22T06:00:00Z"}]}
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from agent.console.extra import the_extra
from agent.console.person import Role
from agent.durable_file import make_directory, write_durably
from agent.errors import LocalTrouble, UsageError
from agent.identity.present import file_state
from agent.private_file import read_private_file
from agent.utc_text import utc_text

with the_extra():
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

ACCOUNTS_FILE = "console-accounts.json"
SHORTEST = 10  # characters of a password
LONGEST = 128
MOST_ACCOUNTS = 500
_MOST_OCTETS = 262_144
_NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
# OWASP's first choice for Argon2id with the least memory: gateways are small, and logins few.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Verified where there is no such name, so that it takes as long; of 256 random bits that nobody kept.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$eetzZpqQq6/vT+XTY2KhZA$9aPD2X6zRrKWQJCBKkfT0cqWAz5LL83f9vgBc0IMDmk"


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person. `password` is the hash."""

    name: str
    role: Role
    password: str
    since: str

    @property
    def stamp(self) -> str:
        """What changes when the password or the role does: sessions of before are over then."""
        return hashlib.sha256(f"{self.role} {self.password}".encode()).hexdigest()[:16]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    accounts: tuple[Account, ...] = ()


class Accounts:
    """The accounts in one file. Everything raises `LocalTrouble` for a file that cannot be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._accounts: dict[str, Account] = {}

    def all(self) -> tuple[Account, ...]:
        """Return everybody, by name."""
        state = file_state(self._path)
        if state is None:
            self._accounts = {}
        elif state != self._seen:
            self._accounts = {one.name: one for one in self._read().accounts}
        self._seen = state
        return tuple(sorted(self._accounts.values(), key=lambda one: one.name))

    def get(self, name: str) -> Account | None:
        """Return one person's account."""
        self.all()
        return self._accounts.get(name)

    def verify(self, name: str, password: str) -> Account | None:
        """Return the account if name and password are right. Takes as long for a name that there is none of."""
        account = self.get(cleaned_name(name))
        if len(password) > LONGEST * 4:
            password = ""
        right = _matches(account.password if account is not None else _NOBODY, password)
        return account if right else None

    def add(self, name: str, role: Role, password: str, now: datetime) -> Account:
        """Make an account. Raises `UsageError` for a name that is taken or no name, and for a weak password."""
        name = cleaned_name(name)
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r:.60} is no account name", advice="1 to 32 of a-z, 0-9, dot, dash, underscore; a letter first"
            )
        account = Account(name, role, _hashed(name, password), utc_text(now))
        with self._changing() as accounts:
            if name in accounts:
                raise UsageError(f"there is an account {name!r} already", advice="`mrsp console user password` sets it")
            if len(accounts) >= MOST_ACCOUNTS:
                raise UsageError(f"there are {MOST_ACCOUNTS} accounts already")
            accounts[name] = account
        return account

    def set_password(self, name: str, password: str) -> Account:
        """Give an account another password. Raises `UsageError` for no such account, and for a weak password."""
        name = cleaned_name(name)
        with self._changing() as accounts:
            old = _known(accounts, name)
            accounts[name] = msgspec.structs.replace(old, password=_hashed(name, password))
            return accounts[name]

    def remove(self, name: str) -> None:
        """Take an account away. Raises `UsageError` for no such account."""
        with self._changing() as accounts:
            del accounts[_known(accounts, cleaned_name(name)).name]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Account]]:
        """Change the accounts while no other process does."""
        directory = self._path.parent
        try:
            make_directory(directory)
            owner = directory.stat().st_uid
            lock = os.open(directory / f".{self._path.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LocalTrouble(f"cannot write {self._path}: {error.strerror}", advice="check its owner") from error
        try:
            if owner != os.geteuid():
                raise LocalTrouble(
                    f"{directory} belongs to user {owner}, not to {os.geteuid()}",
                    advice="run this as the user of the service (`sudo -u mrsp mrsp console …`): it reads the file",
                )
            fcntl.flock(lock, fcntl.LOCK_EX)
            accounts = {one.name: one for one in self.all()}
            yield accounts
            octets = msgspec.json.encode(_File(tuple(accounts[name] for name in sorted(accounts))))
            write_durably(self._path, msgspec.json.format(octets, indent=2) + b"\n")
        finally:
            os.close(lock)

    def _read(self) -> _File:
        octets = read_private_file(self._path, limit=_MOST_OCTETS, advice="`mrsp console user add` makes it")
        try:
            return msgspec.json.decode(octets, type=_File)
        except msgspec.DecodeError as error:
            raise LocalTrouble(
                f"{self._path} is damaged: {error}", advice="restore it, or move it away and add the accounts again"
            ) from error


def cleaned_name(name: str) -> str:
    """Return an account's name as it is compared: a tablet's keyboard begins with a capital and ends with a blank."""
    return name.strip().lower()


def _known(accounts: dict[str, Account], name: str) -> Account:
    try:
        return accounts[name]
    except KeyError:
        known = f"there are {', '.join(accounts)}" if accounts else "there is none yet"
        raise UsageError(f"there is no account {name!r:.60}", advice=known) from None


def _hashed(name: str, password: str) -> str:
    if not SHORTEST <= len(password) <= LONGEST:
        raise UsageError(f"a password has {SHORTEST} to {LONGEST} characters", advice="three or four words will do")
    if len(set(password)) < 4 or name in password.lower():
        raise UsageError("this password is easily guessed", advice="three or four words that do not belong together")
    return _HASHER.hash(_normal(password))


def _matches(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> str:
    """Return what is hashed: keyboards write the same characters in several ways (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
