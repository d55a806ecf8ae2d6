"""`modbus+replay://FILE`: read a meter from the recording of an earlier visit."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from drivers.base import Task
from drivers.data import MeterData
from drivers.errors import DataError, UsageError
from drivers.modbus.meaning import meter_data
from drivers.modbus.overheard import retell
from drivers.modbus.schema import RegisterMap
from drivers.transport.recording_file import read_sessions


def read_recording(task: Task, one: RegisterMap) -> MeterData:
    """Return what the newest visit in the file of the URL brings home with this register map.

    Raises `UsageError` for a file that is no recording, `DataError` when nothing billable is in it.
    """
    place, _, query = task.url.partition("://")[2].partition("?")
    path = unquote(place)
    if not path or "\0" in path or query:
        raise UsageError(f"{task.url!r} names no file", advice="modbus+replay://FILE, without options")
    data = meter_data(retell(read_sessions(Path(path))[-1], one), zone=task.site_zone)
    if not data.registers:
        reasons = "; ".join(f"{problem.what}: {problem.reason}" for problem in data.problems)
        raise DataError(f"no register is in recording {path}{': ' if reasons else ''}{reasons}")
    return data
