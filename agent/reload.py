"""What a changed configuration means for an agent that runs: what is taken over, and what needs a restart. Pure.

change = change_of(running, wanted)
change.settings           what is in force from now on
change.restart            sections that are in force after a restart only
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from agent.config import MeterSection, Settings
from agent.errors import ConfigError

#: Sections and keys of `[agent]` that are taken over while the agent runs. Files that they name are read anew by
#: themselves: profiles, rule sets, passwords, certificates and the MDSP's keys as they are at the next visit or link.
TAKEN_OVER = ("meters", "routes", "modem_banks", "schedule")
DIRECTORIES = ("profile_directories", "rule_set_directories")


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between two configurations, as names of meters and of sections."""

    settings: Settings
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()  # taken over, besides the meters
    restart: tuple[str, ...] = ()

    def words(self) -> str:
        """Say in one line what is done."""
        parts = [
            f"{what} {', '.join(names)}"
            for what, names in (
                ("new meters:", self.added),
                ("changed meters:", self.changed),
                ("meters no longer read:", self.removed),
                ("taken over:", self.sections),
                ("needs a restart:", self.restart),
            )
            if names
        ]
        return "; ".join(parts) or "nothing has changed"


def change_of(running: Settings, wanted: Settings) -> Change:
    """Return what `wanted` changes of what is in force. Raises `ConfigError` where it cannot be taken over in part."""
    agent = msgspec.structs.replace(
        running.agent, **{name: getattr(wanted.agent, name) for name in DIRECTORIES if _is_alone(running)}
    )
    try:
        settings = msgspec.structs.replace(running, agent=agent, **{name: getattr(wanted, name) for name in TAKEN_OVER})
        settings.standings()
    except ValueError as error:
        raise ConfigError(
            f"it cannot be taken over without what needs a restart: {error}", advice="`systemctl restart mrsp`"
        ) from error
    before = {meter.name: meter for meter in running.meters}
    after = {meter.name: meter for meter in wanted.meters}
    changed = tuple(name for name, meter in after.items() if name in before and before[name] != meter)
    return Change(
        settings,
        added=tuple(name for name in after if name not in before),
        changed=changed,
        removed=tuple(name for name in before if name not in after),
        sections=tuple(_differing(running, settings)),
        restart=tuple(dict.fromkeys((*_lasting(settings, wanted), *_calling(running, wanted.meters, changed)))),
    )


def _is_alone(settings: Settings) -> bool:
    """Whether the schedule alone visits meters: what else does keeps its directories until a restart."""
    return settings.console is None and settings.call_in is None


def _differing(running: Settings, settings: Settings) -> Iterator[str]:
    for name in DIRECTORIES:
        if getattr(running.agent, name) != getattr(settings.agent, name):
            yield f"[agent] {name}"
    for name in TAKEN_OVER[1:]:
        if getattr(running, name) != getattr(settings, name):
            yield f"[{name}]"


def _lasting(settings: Settings, wanted: Settings) -> Iterator[str]:
    """Yield what the agent was begun with, and keeps."""
    for name in Settings.__struct_fields__:
        if getattr(settings, name) != getattr(wanted, name):
            yield f"[{name}]"


def _calling(running: Settings, meters: Iterable[MeterSection], changed: tuple[str, ...]) -> Iterator[str]:
    """Yield `[call_in]` if a meter is told otherwise than its calls are waited for."""
    calling = set() if running.call_in is None else {one.meter for one in running.call_in.meters}
    if any(meter.name in calling and meter.name in changed for meter in meters):
        yield "[call_in]"
