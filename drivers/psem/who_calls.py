"""Who is at the other end of a call that came in: one short session without a password, and the line stays up."""

from __future__ import annotations

from dataclasses import replace

from drivers.base import Task
from drivers.c1219.identity import identity_of
from drivers.data import Identity
from drivers.profiles import load_profiles
from drivers.psem.collect import WHO
from drivers.psem.driver import opened


async def who_calls(task: Task) -> Identity:
    """Return what the meter on `task.line` says of itself in ST01 and ST05.

    No password is shown: whoever calls has proved nothing yet. Raises what `Driver.read` raises.
    """
    profiles = load_profiles(task.profile_dirs)
    named = profiles.find(task.profile) if task.profile else profiles.generic
    task = replace(task, stay=True, password=None, record=None)
    async with opened(task, named) as (client, collector, _line), client.session(None):
        await collector.configuration()
        await collector.tables(WHO)
        return identity_of(collector.context)
