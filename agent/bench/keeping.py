"""A report on its way: into the history of its meter first, then into the spool, which takes each once."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from agent.bench.history import TESTS_FILE, MeterTests
from agent.bench.report.document import MeterTest
from agent.config import Config
from agent.errors import LocalTrouble
from agent.keeping import open_spool
from agent.spool import AlreadySpooled, Spool
from agent.state_book import StateBook, opened

STORE_EVERY_S = 3600.0  # a report is due within a business day

_log = logging.getLogger("agent.service")


class NotKept(LocalTrouble):
    """A test was made, and this box has trouble to keep its `report`. `lost`: it is not in the history either."""

    def __init__(self, report: MeterTest, message: str, *, advice: str, lost: bool = False) -> None:
        super().__init__(message, advice=advice)
        self.report = report
        self.lost = lost


class MeterTestBook(StateBook[MeterTests]):
    """The history behind a thread of its own."""

    @classmethod
    async def open(cls, config: Config, *, create: bool) -> MeterTestBook:
        """Open the history of a configured agent. Raises `LocalTrouble`."""
        path = config.state_directory / TESTS_FILE
        return cls(*await opened("meter tests", lambda: MeterTests(path, create=create)))


async def check_keeping(config: Config) -> None:
    """Raise `LocalTrouble` before a test, rather than after, where its report could not be kept and signed."""
    async with await MeterTestBook.open(config, create=True), open_spool(config):
        return


async def keep_report(config: Config, report: MeterTest) -> MeterTest:
    """Keep a report for ever, and put it and what earlier trouble left into the spool; return it with its place.

    Raises `NotKept`; what is in the history by then is stored by `deliver_owed`, or at the next test.
    """
    try:
        async with await MeterTestBook.open(config, create=True) as book:
            await book.call(book.store.add, report)
    except LocalTrouble as error:
        advice = f"what is printed is all that there is of it: keep that, or test again; {error.advice}"
        raise NotKept(report, f"the report is kept nowhere: {error.message}", advice=advice, lost=True) from error
    try:
        async with await MeterTestBook.open(config, create=False) as book, open_spool(config) as (spool, _keys):
            placed = await store_owed(book, spool)
    except LocalTrouble as error:
        raise NotKept(
            report,
            f"the report {report.report_id} is in the history, and not in the spool yet: {error.message}",
            advice=f"`mrsp run`, or the next test, stores it; {error.advice}",
        ) from error
    return placed.get(report.report_id, report)


async def deliver_owed(config: Config, spool: Spool) -> None:
    """Put what tests could not store into the spool, now and every hour. Until it is cancelled."""
    while True:
        try:
            if (config.state_directory / TESTS_FILE).exists():
                async with await MeterTestBook.open(config, create=False) as book:
                    await store_owed(book, spool)
        except LocalTrouble as error:
            _log.error("reports of meter tests cannot be stored yet: %s", error)
        await asyncio.sleep(STORE_EVERY_S)


async def store_owed(book: MeterTestBook, spool: Spool) -> dict[str, MeterTest]:
    """Put the reports that the spool is not known to have into it; return them with their places, by their ids."""
    placed: dict[str, MeterTest] = {}
    for owed in await book.call(book.store.owed):
        sequence = await store_report(owed, spool)
        stored = owed if sequence is None else msgspec.structs.replace(owed, sequence=sequence)
        await book.call(book.store.stored, stored)
        placed[owed.report_id] = stored
    return placed


async def store_report(report: MeterTest, spool: Spool) -> int | None:
    """Put a report into the spool, sealed like a reading, once; None if it was there. Raises `LocalTrouble`."""

    def place(sequence: int) -> bytes:
        return msgspec.json.encode(msgspec.structs.replace(report, sequence=sequence))

    try:
        entry = await spool.add("report", report.report_id, place)
    except AlreadySpooled:
        return None
    return entry.sequence
