"""The meters that this agent knows, and how each of them was set up: its own configuration in versions, old and new.

A version begins with the good reading that first showed it, which it names: `mrsp explain READING_ID` proves it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.box import records_of
from agent.cli.config_file import add_config
from agent.cli.show import table
from agent.config import Config, load_config
from agent.errors import UsageError
from agent.meter_record import record_key
from agent.meter_versions import Change, Version, VersionHistory
from agent.utc_text import utc_text
from drivers.errors import printable


@dataclass(frozen=True, slots=True)
class Known:
    """One meter. `name`: in the configuration; None for one that is heard, or was read before."""

    name: str | None
    key: str
    last_read_at: datetime | None
    history: VersionHistory | None

    @property
    def newest(self) -> Version | None:
        return None if self.history is None else self.history.versions[-1]

    @property
    def meter_id(self) -> str:
        return "" if self.newest is None else self.newest.meter_id

    @property
    def last_seen(self) -> datetime | None:
        """When the newest version was read last; that is set down once a day, and the last read itself at once."""
        times = (self.last_read_at, None if self.newest is None else self.newest.last_seen)
        return max((at for at in times if at is not None), default=None)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|config")
    list_ = verbs.add_parser("list", help="each meter: what it calls itself, when it was read, how often it changed")
    config = verbs.add_parser("config", help="how a meter is set up, and what changed from version to version")
    config.add_argument("name", metavar="NAME", help="of the meter in the configuration, or the id that it says")
    config.add_argument("--version", metavar="N", type=int, help="this version; default: the newest")
    for verb in (list_, config):
        add_config(verb)
        verb.add_argument("--json", action="store_true", help="print JSON and nothing else")


def run(arguments: argparse.Namespace) -> int:
    meters = list(known_meters(load_config(arguments.config)))
    if arguments.verb == "list":
        return _list(meters, as_json=arguments.json)
    history = _one(meters, arguments.name)
    version = _version(history, arguments.version)
    _out(_document(history, version) if arguments.json else _page(history, version))
    return 0


def known_meters(config: Config) -> Iterator[Known]:
    """Yield the meters of the configuration, then all others of which a version is kept. Raises `LocalTrouble`."""
    records = records_of(config)
    configured = set()
    for meter in config.settings.meters:
        key = record_key(meter)
        configured.add(key)
        yield Known(meter.name, key, records.of(meter).last_read_at, records.versions.of(key))
    others = (history for history in records.versions.all() if history.key not in configured)
    for history in sorted(others, key=lambda one: one.key):
        yield Known(None, history.key, None, history)


def _list(meters: Sequence[Known], *, as_json: bool) -> int:
    if as_json:
        _out([_facts(one) for one in meters])
        return 0
    rows = [
        (one.name or "–", one.meter_id, _time(one.last_seen), str(one.newest.number) if one.newest else "0", one.key)
        for one in meters
    ]
    heads = ("meter", "id", "last good read", "version", "filed under")
    _out(table(heads, [tuple(map(printable, row)) for row in rows]) if rows else "No meter is known yet.")
    return 0


def _facts(one: Known) -> dict[str, Any]:
    kept = () if one.history is None else one.history.versions
    return {
        "name": one.name,
        "key": one.key,
        "meter_id": one.meter_id or None,
        "last_read_at": utc_text(one.last_seen) if one.last_seen else None,
        "version": kept[-1].number if kept else 0,
        "since": utc_text(kept[-1].first_seen) if kept else None,
    }


def _one(meters: Sequence[Known], name: str) -> VersionHistory:
    """Return the versions of the meter that is meant. Raises `UsageError`."""
    named = [one for one in meters if one.name == name] or [one for one in meters if name in {one.meter_id, one.key}]
    if not named:
        raise UsageError(f"no meter is called {name!r:.100}", advice="`mrsp meter list` shows those that are known")
    if len({one.key for one in named}) > 1:
        raise UsageError(f"several meters say that they are {name!r:.100}", advice="give the name in the configuration")
    if named[0].history is None:
        raise UsageError(f"no good reading of {name!r:.100} is known yet", advice="a whole read shows how it is set up")
    return named[0].history


def _version(history: VersionHistory, number: int | None) -> Version:
    if number is None:
        return history.versions[-1]
    for version in history.versions:
        if version.number == number:
            return version
    first, last = history.versions[0].number, history.versions[-1].number
    raise UsageError(f"there is no version {number}", advice=f"kept are {first} to {last}")


def _document(history: VersionHistory, shown: Version) -> dict[str, Any]:
    return {
        "key": history.key,
        "dropped": history.dropped,
        "versions": [
            {
                "number": one.number,
                "meter_id": one.meter_id,
                "first_seen": utc_text(one.first_seen),
                "last_seen": utc_text(one.last_seen),
                "reading_id": one.reading_id,
                "changes": [
                    {"section": change.section, "name": change.name, "old": change.old, "new": change.new}
                    for change in one.changes
                ],
            }
            for one in history.versions
        ],
        "shown": shown.number,
        "settings": shown.settings,
    }


def _page(history: VersionHistory, shown: Version) -> str:
    rows = [(section, *pair) for section, settings in shown.settings.items() for pair in settings.items()]
    lines = [
        printable(f"meter {shown.meter_id}, version {shown.number}, since {_time(shown.first_seen)}"),
        "",
        table(("section", "setting", "value"), [tuple(map(printable, row)) for row in rows]),
    ]
    if history.dropped:
        lines += ["", f"Versions 1 to {history.dropped} are no longer kept."]
    before = ""
    for one in history.versions:
        span = f"{_time(one.first_seen)} to {_time(one.last_seen)}"
        lines += ["", f"version {one.number}: {span}, reading {one.reading_id}"]
        if before not in {"", one.meter_id}:
            lines.append(printable(f"  another meter: {before} → {one.meter_id}"))
        lines += [printable(f"  {change.section}: {_words(change)}") for change in one.changes]
        before = one.meter_id
    return "\n".join(lines)


def _words(change: Change) -> str:
    if change.old is None:
        return f"{change.name} is new, {change.new}"
    if change.new is None:
        return f"{change.name} was {change.old}, is gone"
    return f"{change.name}: {change.old} → {change.new}"


def _time(at: datetime | None) -> str:
    return utc_text(at.replace(microsecond=0)) if at is not None else "never"


def _out(text: object) -> None:
    sys.stdout.write((text if isinstance(text, str) else json.dumps(text, indent=2, ensure_ascii=False)) + "\n")
