"""The box that is examined: its configuration, and where the kernel tells of it."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.config import Config

ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class Patient:
    """One box. `root` is that of /proc, /sys, /run and /var, which tests bring themselves."""

    config: Config
    now: datetime  # by the box's clock
    root: Path = ROOT

    @property
    def owner(self) -> int | None:
        """The user whose the state directory is; None if it is not there or cannot be looked at."""
        try:
            return self.config.state_directory.stat().st_uid
        except OSError:
            return None

    @property
    def is_guest(self) -> bool:
        """Whether another user examines it: what is opened now would belong to the wrong one."""
        return self.owner is not None and self.owner != os.geteuid()

    @property
    def as_owner(self) -> str:
        """What to type in order to examine it as the user of the service."""
        return f"run it as the user of the service: `sudo -u {user_name(self.owner or 0)} mrsp doctor …`"

    def text(self, path: str | Path) -> str | None:
        """Return the content of a file of the kernel, without spaces around; None if there is none that can be read."""
        try:
            return (self.root / path).read_text("utf-8", "replace").strip()
        except OSError:
            return None


def user_name(number: int) -> str:
    """Return the name of a user, or the number of one that has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
