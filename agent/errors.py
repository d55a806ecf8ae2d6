"""What can go wrong in the agent itself; the meter's side is in `drivers.errors`. Same root, same rules."""

from __future__ import annotations

from drivers.errors import MrspError, PasswordRefused, UsageError


class ClockForbids(MrspError):
    """The clock proof does not permit the kind of data that the order asks for."""

    exit_code = 5
    retry = True


class VisitTooLong(MrspError):
    """A visit was ended because its time was over: the call window closed, or no call may last longer."""

    exit_code = 3
    retry = True


class LocalTrouble(MrspError):
    """Disk, spool, keys: something on this box."""

    exit_code = 6


class PasswordHeld(PasswordRefused):
    """The meter refused this very password before: it is not visited by itself until that changes or a person asks."""


class ConfigError(UsageError):
    """The configuration does not make sense; the message names file, line and key."""


__all__ = ["ClockForbids", "ConfigError", "LocalTrouble", "MrspError", "PasswordHeld", "UsageError", "VisitTooLong"]
