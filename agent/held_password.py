"""A password that a meter refused is not shown to it again by itself: many meters lock after a few tries.

    async with shown_once(box, order):        # raises `PasswordHeld`, before anything is done, if it was refused before
        outcome = await visit(order, box)

What the meter refuses in there is set down in its record. It is tried again when the password or the user of the order
changes, or once a person asked for it (`let_go`). Two lines of one meter, each with its password, share a record.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec

from agent.credentials import password_mark
from agent.errors import LocalTrouble, PasswordHeld, UsageError
from agent.meter_record import MeterRecords, RefusedPassword
from agent.order import Order
from agent.schedule import EPOCH
from agent.visit import Box
from drivers.errors import PasswordRefused

MOST_REFUSED = 8  # passwords of one meter

_log = logging.getLogger(__name__)


@asynccontextmanager
async def shown_once(box: Box, order: Order) -> AsyncIterator[None]:
    """Visit a meter in here that nobody asked for at this moment. Raises `PasswordHeld` if it is to be left alone."""
    records = box.records
    if records is None or order.password_file is None:
        yield
        return
    known = await asyncio.to_thread(refuse_held, records, order)
    salt = secrets.token_hex(8)
    mark = await asyncio.to_thread(_mark, order, salt)  # now: somebody may put it right during the visit
    try:
        yield
    except PasswordRefused as error:
        at = EPOCH + timedelta(microseconds=box.clock.realtime_ns() // 1000)
        refused = RefusedPassword(order.password_file, at, salt, mark, error.code)
        await asyncio.to_thread(_note, records, order, refused)
        _log.warning("%s is not shown again until it changes, or a person asks for a read", order.password_file)
        raise
    if known:
        await asyncio.to_thread(_note, records, order)


def let_go(records: MeterRecords, order: Order) -> bool:
    """Let each password be shown once more: a person asked for it. Return whether one was held."""
    record = records.of(order)
    if not record.refused:
        return False
    records.keep(msgspec.structs.replace(record, refused=()))
    return True


def refuse_held(records: MeterRecords, order: Order) -> bool:
    """Raise `PasswordHeld` for the password that was refused; return whether another one of that file was."""
    held = next((one for one in records.of(order).refused if one.file == order.password_file), None)
    if held is not None and held.mark == _mark(order, held.salt):
        raise PasswordHeld(
            f"the meter refused the password of {held.file} at {held.at:%Y-%m-%dT%H:%M:%SZ}: it is not shown again",
            code=held.code,
            advice="put the right one there; if user, key_id or padding was wrong, ask by `mrsp schedule request`",
        )
    return held is not None


def _note(records: MeterRecords, order: Order, refused: RefusedPassword | None = None) -> None:
    """Set down that the password of the order's file was refused, or is not refused any more."""
    record = records.of(order)
    others = tuple(one for one in record.refused if one.file != order.password_file)
    kept = others if refused is None else (*others[1 - MOST_REFUSED :], refused)
    records.keep(msgspec.structs.replace(record, refused=kept))


def _mark(order: Order, salt: str) -> str:
    """Return what changes when the order logs on in another way; "" where its password is not to be had."""
    try:
        password = password_mark(Path(order.password_file or ""), bytes.fromhex(salt))
    except (LocalTrouble, UsageError, ValueError):
        return ""
    said = json.dumps([order.user_id, order.user, order.profile, password])
    return hashlib.sha256(said.encode()).hexdigest()[:16]
