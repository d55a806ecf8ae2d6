"""No core dump of a process that holds meter passwords and the device key: memory must not become a file."""

from __future__ import annotations

import ctypes
import os
import resource

from agent.errors import LocalTrouble

_PR_SET_DUMPABLE = 4  # <linux/prctl.h>


def forbid_core_dumps() -> None:
    """Let no crash write this process's memory to a file, and no other process of the same user look into it.

    The limit alone does not stop a core that is piped to a program (core(5)): that the process is not dumpable does.
    A program that this one starts is dumpable again, but the limit holds for it, too. Raises `LocalTrouble`.
    """
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError) as error:
        raise LocalTrouble(f"core dumps cannot be switched off: {error}") from error
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise LocalTrouble(f"this process cannot be made undumpable: {reason}")
