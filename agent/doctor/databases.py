"""The agent's SQLite files: whole, of a version that is known here; and the queue: how full, how old, for how long."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

from agent.doctor.finding import Remark, fault, ok, skipped, warning
from agent.doctor.patient import Patient
from agent.spool import Spool, SpoolStatus
from agent.spool_database import REPAIR
from drivers.decimal_text import plain

#: The package whose schemas a file of that name is made by.
SCHEMAS = {
    "spool.sqlite": ("agent", "spool_schemas"),
    "schedule.sqlite": ("agent.scheduling", "schemas"),
    "requests.sqlite": ("agent.requests", "schemas"),
    "routes.sqlite": ("agent.routes", "schemas"),
    "inspections.sqlite": ("agent.inspections", "schemas"),
    "pager.sqlite": ("drivers.pager", "jobs_schemas"),
    "meter_tests.sqlite": ("agent.bench", "schemas"),
}
OLD = timedelta(days=1)  # a document that waits longer has met trouble


def databases(patient: Patient) -> Iterator[Remark]:
    """Is each file whole, and of a version that this program knows?"""
    if patient.is_guest:
        yield skipped("the databases are looked into by their owner only", patient.as_owner)
        return
    directory, whole = patient.config.state_directory, 0
    for path in sorted(directory.glob("*.sqlite")):
        if (remark := _of_database(path)) is not None:
            yield remark
        else:
            whole += 1
    for path in sorted(directory.glob("*.damaged*")):
        if not path.name.endswith(("-wal", "-shm")):
            yield warning(
                f"{path} was damaged and put aside",
                "the disk or the power is at fault (`dmesg`); keep the file until its loss is understood",
            )
    yield ok(f"{whole} databases are whole") if whole else skipped("there is no database yet: `mrsp run` makes them")


def _of_database(path: Path) -> Remark | None:
    """Return what is wrong with one file."""
    is_spool = path.name == "spool.sqlite"
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            damage = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        finally:
            db.close()
    except sqlite3.Error as error:
        damage, version = str(error), 0
    if damage != "ok":
        otherwise = "restart the agent: it puts the file aside, and makes a new one"
        return fault(f"{path} is damaged: {damage}", REPAIR if is_spool else otherwise)
    known = SCHEMAS.get(path.name)
    if known is not None and version > (newest := _newest(*known)):
        return fault(
            f"{path} has schema {version}, and this version of mrsp knows {newest} and older",
            "install the version of mrsp-agent that wrote it, or a newer one",
        )
    return None


def _newest(package: str, folder: str) -> int:
    return max(int(file.name[:3]) for file in (files(package) / folder).iterdir() if file.name.endswith(".sql"))


def spool(patient: Patient) -> Iterator[Remark]:
    """Does the queue drain, and how long will it take what comes in if it does not?"""
    config = patient.config
    if not config.spool_file.exists():
        yield skipped("nothing was ever kept in the spool")
        return
    if patient.is_guest:
        yield skipped("the spool is looked into by its owner only", patient.as_owner)
        return
    status = asyncio.run(_status(patient))
    forwards = config.settings.forward is not None or config.settings.outlet.file is not None
    restore = "restore the link to the MDSP (see `broker`), or give `[spool] budget_octets` more"
    share = f"the spool holds {status.depth} documents, {status.percent} % of its budget"
    if status.level == "full":
        yield fault(f"{share}: no meter is read any more", restore)
    elif status.level == "warn":
        yield warning(share, restore)
    elif status.forecast.days is not None and status.forecast.warns:
        yield warning(f"{share}; at the present rate there is room for {plain(status.forecast.days)} days", restore)
    else:
        yield ok(share)
    if status.oldest is not None and patient.now - status.oldest > OLD:
        days = (patient.now - status.oldest).days
        advice = "`mrsp spool list`, and see `broker`" if forwards else "there is no [forward] section: nothing leaves"
        yield warning(f"the oldest document waits for the MDSP since {days} days", advice)


async def _status(patient: Patient) -> SpoolStatus:
    config = patient.config
    budget = config.settings.spool.budget_octets
    async with await Spool.open(config.spool_file, agent_id=config.agent_id, budget_octets=budget) as opened:
        return await opened.status()
