"""A report on its way: into the history of its meter first, then into the spool, which takes each once."""

from __future__ import annotations

import msgspec

from agent.bench.history import TESTS_FILE, MeterTests
from agent.bench.report.document import MeterTest
from agent.config import Config
from agent.keeping import open_spool
from agent.spool import AlreadySpooled, Spool
from agent.state_book import StateBook, opened


class MeterTestBook(StateBook[MeterTests]):
    """The history behind a thread of its own."""

    @classmethod
    async def open(cls, config: Config, *, create: bool) -> MeterTestBook:
        """Open the history of a configured agent. Raises `LocalTrouble`."""
        path = config.state_directory / TESTS_FILE
        return cls(*await opened("meter tests", lambda: MeterTests(path, create=create)))


async def keep_report(config: Config, report: MeterTest) -> MeterTest:
    """Keep a report for ever, and put it and what earlier trouble left into the spool; return it with its place.

    Raises `LocalTrouble`; what is in the history by then is stored at the next test.
    """
    async with await MeterTestBook.open(config, create=True) as book:
        await book.call(book.store.add, report)
        placed = report
        async with open_spool(config) as (spool, _keys):
            for owed in await book.call(book.store.owed):
                sequence = await store_report(owed, spool)
                await book.call(book.store.stored, owed.report_id)
                if owed.report_id == report.report_id and sequence is not None:
                    placed = msgspec.structs.replace(report, sequence=sequence)
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
