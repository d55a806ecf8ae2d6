"""Who is at the console."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["reader", "operator"]  # reader: routes, reads, inspections; operator: that, and the box itself
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Person:
    """A person who is logged in. `name` is the account's, as in the audit log and in `by` of what is recorded."""

    name: str
    role: Role
    session: str  # names the session in the audit log; of no use for logging in
    by_token: bool = False  # a program, with `Authorization: Bearer …`; no browser, no cookie

    @property
    def is_operator(self) -> bool:
        return self.role == "operator"
