"""The states of a C12.18 session (§11), for both sides."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """Where a session stands. Identify leads from Base to ID, Logon to Session; Logoff and Terminate lead back."""

    BASE = "Base"
    ID = "ID"
    SESSION = "Session"
