"""What a job is to do, made ready: the work as it was asked for, checked, with the way to the meter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import msgspec

from agent.attending import resolved
from agent.config import Config
from agent.errors import UsageError
from agent.field.photos import PHOTO_NAME
from agent.field.views import Way, Work
from agent.lines import way_of
from agent.order import Order
from drivers.registry import driver_for, scheme_of
from drivers.visual.entry import Entry

NOT_BY_PROBE = frozenset({"visual", "modem", "modem+tcp", "wctp+http", "wctp+https"})
PHOTOS_FROM_ENTRY = "../photos"  # where photographs are, seen from the entry's file


@dataclass(frozen=True, slots=True)
class Task:
    """One visit: by `url`, on the line with that key. `order.url` is what the meter is filed under."""

    job_id: str
    way: Way
    order: Order
    by: str
    url: str
    line: str | None = None
    stop_id: str | None = None


def probe_task(config: Config, work: Work, by: str, job_id: str) -> Task:
    """Return the task of a read by probe. Raises `UsageError` for a line that a person cannot hold to a meter."""
    if not work.url:
        raise UsageError("no probe is chosen", advice="plug one in, or name it in the configuration")
    scheme = scheme_of(work.url)
    if scheme in NOT_BY_PROBE:
        raise UsageError(f"{scheme} is no line of a probe", advice="choose a serial line, or a network address")
    driver_for(work.url)
    [line] = way_of(work.url, {}).lines
    order = _filed(resolved(config, work.order), scheme, work.stop_id or job_id)
    if order.expected_meter_id is not None:
        order = msgspec.structs.replace(order, url=work.url)
    return Task(job_id, "probe", order, by, work.url, line, work.stop_id)


def visual_task(order: Order, by: str, job_id: str, entry_file: Path, stop_id: str | None) -> Task:
    """Return the task of a reading that was typed, whose entry is in a file.

    What the order says of the line does not count: a meter that was to be read by probe can be read by eye, too.
    """
    by_eye = msgspec.structs.replace(order, url="visual:", profile=None, password_file=None, set_clock=False)
    filed = _filed(by_eye, "visual", stop_id or job_id)
    return Task(job_id, "visual", filed, by, f"visual://{quote(str(entry_file))}", stop_id=stop_id)


def complete_entry(work: Work, by: str) -> Entry:
    """Return what was typed, by whom, with its photographs named from the entry's file. Raises `UsageError`."""
    entry = work.entry
    if entry is None or not (entry.registers or entry.trouble):
        raise UsageError("nothing was typed", advice="type what the display shows, or say why there is no reading")
    if wrong := [name for name in entry.photos if not PHOTO_NAME.fullmatch(name)]:
        raise UsageError(f"there is no photograph {wrong[0]!r}")
    photos = tuple(f"{PHOTOS_FROM_ENTRY}/{name}" for name in entry.photos)
    return msgspec.structs.replace(entry, photos=photos, read_by=entry.read_by or by)


def _filed(order: Order, scheme: str, name: str) -> Order:
    """Return the order of a meter without an identification on record: one line leads to many of them."""
    return order if order.expected_meter_id is not None else msgspec.structs.replace(order, url=f"{scheme}:{name}")
