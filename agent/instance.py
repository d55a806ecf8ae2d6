"""Which box this is. Two boxes may hold one identity, a dead one and the one that took over; only one may forward.

`instance.json` in the state directory has a name that no other box has, and the generation: 0 of the first box of an
agent; a box that takes over has a later one. It is never backed up, so a restored state is never taken for the box
that it was copied from.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import msgspec

from agent.durable_file import write_durably
from agent.errors import LocalTrouble

INSTANCE_FILE = "instance.json"  # in the state directory
_MOST_OCTETS = 4_096


class Instance(msgspec.Struct, frozen=True):
    """One box of an agent."""

    instance_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    generation: Annotated[int, msgspec.Meta(ge=0)] = 0


def instance_of(state_directory: Path) -> Instance:
    """Return which box this is; a box that does not know it yet is the first one. Raises `LocalTrouble`."""
    path = state_directory / INSTANCE_FILE
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_MOST_OCTETS), type=Instance)
    except FileNotFoundError:
        made = Instance(str(uuid4()))
        write_durably(path, msgspec.json.encode(made))
        return made
    except (OSError, msgspec.DecodeError) as err:
        raise LocalTrouble(
            f"{path} cannot be read: {err}",
            advice="it says which box this is; `mrsp backup takeover` writes it anew where no other box is live",
        ) from err


def generation_of(state_directory: Path) -> int:
    """Return the generation of the box whose state this is; 0 where that is not known."""
    try:
        with (state_directory / INSTANCE_FILE).open("rb") as file:
            return msgspec.json.decode(file.read(_MOST_OCTETS), type=Instance).generation
    except (OSError, msgspec.DecodeError):
        return 0


def successor(before: int, now: datetime) -> Instance:
    """Return a new box, later than generation `before` and than any that took over before `now`.

    Generations are seconds since 1970, so that a box that starts with nothing is later than one it never heard of.
    """
    return Instance(str(uuid4()), max(before + 1, int(now.timestamp())))
