"""The checklists of a site inspection, as data: what is looked for, the clause it comes from, what follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from agent.anomaly import Finding
from agent.errors import ConfigError, UsageError
from drivers.toml_file import load_toml

SHIPPED = Path(__file__).parent / "checklists"

Code = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{1,47}\Z")]
Line = Annotated[str, Meta(min_length=1, max_length=300)]


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One condition to look for. `text` names the condition itself: that it is found always means that it is there."""

    code: Code  # unique among all lists
    text: Line
    clause: Line
    advice: Line | None = None  # for the person who finds it: what to do at the site
    finding: Finding | None = None  # that is reported, where it is another than the list's
    noted: bool = False  # it is set down, and reported to nobody
    immediate: bool = False  # an immediate threat to personal safety by its nature
    correctable: bool = False  # the person may put it right at the site: then no report is due
    remark_needed: bool = False  # it says nothing without the person's own words
    not_seen: Finding | None = None  # that is reported where the place cannot be looked at
    recorded_as: Code | None = None  # a hazard of the order: where the order has it, it is no news


class Checklist(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One list, in the order of looking. `applies`: where it does not, the whole list is answered so."""

    name: Code
    title: Line
    source: Line
    place: Annotated[int, Meta(ge=1)]  # among the lists: those on safety first
    finding: Finding  # that its items are reported as
    applies: Line | None = None
    items: Annotated[tuple[Item, ...], Meta(min_length=1, max_length=40)]

    def finding_of(self, item: Item) -> Finding | None:
        """Return what an item of this list is reported as; None: it is not."""
        return None if item.noted else item.finding or self.finding


@cache
def checklists(directory: Path = SHIPPED) -> tuple[Checklist, ...]:
    """Return the lists of a directory, those on safety first. Raises `ConfigError` naming file, line and key."""
    try:
        lists = [load_toml(path, Checklist, what="checklist") for path in sorted(directory.glob("*.toml"))]
    except UsageError as error:
        raise ConfigError(error.message, advice=error.advice) from error
    _check_unique("place", (str(one.place) for one in lists))
    _check_unique("name", (one.name for one in lists))
    _check_unique("code", (item.code for one in lists for item in one.items))
    return tuple(sorted(lists, key=lambda one: one.place))


def by_code(lists: Iterable[Checklist]) -> Mapping[str, tuple[Checklist, Item]]:
    """Return each item with its list, in the order of the lists."""
    return {item.code: (one, item) for one in lists for item in one.items}


def _check_unique(what: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ConfigError(f"checklists: the {what} {value!r} is there twice")
        seen.add(value)
