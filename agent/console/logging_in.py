"""Logging in and out: passwords are verified one at a time, tries are limited, and each one is set down.

An address has a number of tries; so has a name, whatever the addresses. Neither keeps others out: an address from which
a person has logged in before is not held up by what others try with that person's name.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable

from agent.console.accounts import Account, Accounts, cleaned_name
from agent.console.audit import AccessLog
from agent.console.person import Person
from agent.console.rate_limit import Buckets, network_of
from agent.console.sessions import Session, Sessions
from agent.errors import LocalTrouble, MrspError

ADDRESS_TRIES, ADDRESS_REFILL_S = 10, 6.0
NAME_TRIES, NAME_REFILL_S = 20, 60.0
MOST_WAITING = 8  # logins at once; each takes a moment of the processor, and 19 MiB while its turn lasts
MOST_KNOWN = 512

_log = logging.getLogger("agent.console")


class LoginRefused(MrspError):
    """Name or password is wrong. It is not said which."""


class TooManyTries(MrspError):
    """Too many tries from this address, or with this name. `wait_s`: until the next."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many tries; the next one in {int(wait_s) + 1} s")
        self.wait_s = int(wait_s) + 1


class LoginDesk:
    """Lets persons in and out of one console."""

    def __init__(
        self, accounts: Accounts, sessions: Sessions, access: AccessLog, boottime_s: Callable[[], float]
    ) -> None:
        self.accounts = accounts
        self.sessions = sessions
        self._access = access
        self._boottime_s = boottime_s
        self._addresses = Buckets(ADDRESS_TRIES, ADDRESS_REFILL_S)
        self._names = Buckets(NAME_TRIES, NAME_REFILL_S)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()  # who logged in from where
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._complaint = ""

    async def log_in(self, name: str, password: str, address: str, *, by_token: bool = False) -> tuple[str, Person]:
        """Return the token of a new session, and who it is of. Raises `LoginRefused`, `TooManyTries`."""
        name = cleaned_name(name)[:64]
        account = await self._proven(name, password, address)
        token, session = await self.sessions.begin(account.name, account.stamp, by_token=by_token)
        await self._access.came("logged in", account.name, address=address, session=session.label)
        return token, person_in(session, account)

    def find(self, token: str, *, by_token: bool) -> tuple[Session, Person] | None:
        """Return who a token is of, if the session goes on, and the account is as it was."""
        session = self.sessions.find(token, by_token=by_token)
        account = self._account_of(session) if session is not None else None
        return (session, person_in(session, account)) if session is not None and account is not None else None

    def goes_on(self, session: Session) -> bool:
        """Whether a session goes on, and its account is as it was at the login."""
        return self.sessions.goes_on(session) and self._account_of(session) is not None

    def _account_of(self, session: Session) -> Account | None:
        """Return the account of a session; None if it was changed since, or nobody can say."""
        try:
            account = self.accounts.get(session.name)
        except LocalTrouble as error:
            if str(error) != self._complaint:
                _log.error("nobody is let into the console: %s", error)
            self._complaint = str(error)
            return None
        self._complaint = ""
        return account if account is not None and account.stamp == session.stamp else None

    async def log_out(self, session: Session, address: str) -> None:
        await self.sessions.end(session)
        await self._access.came("logged out", session.name, address=address, session=session.label)

    async def change_password(self, session: Session, old: str, new: str, address: str) -> tuple[str, Person]:
        """Give a person another password; every session ends, and a new one begins. Raises `UsageError` for a weak one.

        Raises `LoginRefused` and `TooManyTries` for the old one.
        """
        await self._proven(session.name, old, address)
        account = await asyncio.to_thread(self.accounts.set_password, session.name, new)
        await self.sessions.end_others(session.name)
        token, fresh = await self.sessions.begin(account.name, account.stamp, by_token=session.by_token)
        await self._access.came("changed the password", session.name, address=address, session=fresh.label)
        return token, person_in(fresh, account)

    async def _proven(self, name: str, password: str, address: str) -> Account:
        """Return the account if the password is right."""
        self._spend_try(name, address)
        account = await self._verified(name, password)
        if account is None:
            await self._access.came("was refused", name, address=address)
            raise LoginRefused("name or password is wrong")
        self._addresses.give_back(network_of(address))
        self._names.give_back(name)
        self._known[name, network_of(address)] = None
        self._known.move_to_end((name, network_of(address)))
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return account

    def _spend_try(self, name: str, address: str) -> None:
        """Take a try before it is made: many at once are many."""
        network, now_s = network_of(address), self._boottime_s()
        known = (name, network) in self._known
        wait_s = max(self._addresses.wait_s(network, now_s), 0.0 if known else self._names.wait_s(name, now_s))
        if wait_s > 0:
            raise TooManyTries(wait_s)
        if self._waiting >= MOST_WAITING:
            raise TooManyTries(1.0)
        self._addresses.spend(network, now_s)
        self._names.spend(name, now_s)

    async def _verified(self, name: str, password: str) -> Account | None:
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(self.accounts.verify, name, password)
        finally:
            self._waiting -= 1


def person_in(session: Session, account: Account) -> Person:
    return Person(account.name, account.role, session.label, session.by_token)
