"""Run one standard procedure through an open session: ST07 written once, ST08 read until it answers (C12.19 §2).

A write is never repeated when its answer is lost: ST08 tells by procedure and sequence number whether the meter took
it. What it is for, and whether anybody allowed it, is none of this module's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from drivers.c1219 import Context, Record, decode, decode_record, encode, encode_record
from drivers.c1219.decade0 import ProcedureInitiate, ProcedureResponse
from drivers.c1219.procedure_catalogue import DONE, NOT_COMPLETE, Procedure, result_in_words
from drivers.errors import DataError, LineLost, MeterProtocolError, MeterRefused, MrspError, TransportError
from drivers.psem.client import PsemClient
from drivers.psem.codes import BUSY, LOCKED, ResponseCode

INITIATE: Final = 7
RESPONSE: Final = 8
_RESPONSE_S: Final = 5.0  # with the link's three repeats 20 s: what the slowest known meters need for ST07
_POLLS: Final = 20
_POLL_S: Final = 0.5
_NOT_NOW: Final = BUSY | LOCKED | {ResponseCode.ISSS}


class NotWritten(MrspError):
    """Nothing was written to this meter: it cannot do what was asked, or it is another one."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Initiation:
    """One run of a procedure, ready to be written to ST07."""

    procedure: Procedure
    sequence: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the meter made of it.

    `done`: ST08 says so. `refused`: the meter said no and changed nothing. `unknown`: it was sent, and no answer tells
    what became of it. `not_now`: refused only because the meter was busy, or had lost the session.
    """

    outcome: Literal["done", "refused", "unknown"]
    reason: str
    advice: str = ""
    code: int | None = None  # RESULT_CODE of ST08
    response: Record | None = None  # None: none came that has the declared layout
    not_now: bool = False


def must_have(procedure: Procedure, context: Context) -> None:
    """Raise `NotWritten` where ST00 says that the meter does not have the procedure."""
    if procedure.number not in context.st00.std_proc_used:
        raise NotWritten(
            f"the meter does not have {_title(procedure)}: STD_PROC_USED of ST00 leaves it out",
            advice="nothing was written to it",
        )


def prepare(procedure: Procedure, parameters: Record, context: Context, sequence: int) -> Initiation:
    """Return the octets of ST07 that start `procedure`.

    Raises `NotWritten` where ST00 says that the meter does not have the procedure, or takes fewer parameters.
    """
    must_have(procedure, context)
    try:
        octets = encode_record(parameters, context)
    except ValueError as error:
        raise NotWritten(f"{_title(procedure)}: {error}", advice="nothing was written to the meter") from error
    most = context.st00.max_proc_parm_length
    if len(octets) > most:
        raise NotWritten(
            f"{_title(procedure)}: {len(octets)} octets of parameters, the meter takes {most}",
            advice="nothing was written to it; MAX_PROC_PARM_LENGTH of ST00 limits them",
        )
    table = ProcedureInitiate(procedure=procedure.number, sequence=sequence, parameters=octets)
    return Initiation(procedure, sequence, encode(table, context))


def _title(procedure: Procedure) -> str:
    return f"SP{procedure.number:02} {procedure.title}"


async def free_sequence(client: PsemClient, context: Context, *, monotonic_ns: Callable[[], int]) -> int:
    """Return a SEQ_NBR that ST08 does not show now, so that an old answer cannot be taken for ours."""
    try:
        shown = _response(await client.read_table(RESPONSE), context)
    except (MeterRefused, DataError):  # nothing in it before the first procedure
        shown = None
    if shown is None:
        return monotonic_ns() // 1_000_000 % 256
    return (shown.sequence + 1) % 256


async def carry_out(
    client: PsemClient, context: Context, initiation: Initiation, *, now_or_never: bool = False
) -> Answer:
    """Write ST07 and find out what became of it. `now_or_never`: its octets are right at this moment only.

    Never raises for what the meter or the line does: that is the answer.
    """
    write = client.write_now if now_or_never else client.write_table
    lost: MrspError | None = None
    try:
        await write(INITIATE, initiation.octets, response_s=_RESPONSE_S)
    except MeterRefused as refused:
        return Answer("refused", refused.message, refused.advice, not_now=refused.code in _NOT_NOW)
    except (TransportError, MeterProtocolError) as error:
        lost = error
        if isinstance(error, LineLost):
            return _unknown(f"the line was lost before the answer: {error.message}")
    try:
        return await _result(client, context, initiation, lost)
    except MeterRefused as refused:
        return _unknown(f"{_fate(lost)}, and ST08 cannot be read: {refused.message}")
    except (TransportError, MeterProtocolError) as error:
        return _unknown(f"{_fate(lost)}, and ST08 was not to be had: {error.message}")


async def _result(client: PsemClient, context: Context, initiation: Initiation, lost: MrspError | None) -> Answer:
    """Read ST08 until it answers this very run with a result that is final, 10 s at most."""
    seen: ProcedureResponse | None = None
    for number in range(_POLLS):
        if number:
            await client.pause(_POLL_S)
        try:
            shown = _response(await client.read_table(RESPONSE), context)
        except DataError:
            shown = None
        if shown is None or not _ours(shown, initiation):
            continue
        seen = shown
        if shown.result != NOT_COMPLETE:
            return _final(shown, initiation, context)
    if seen is not None:
        words, advice = result_in_words(NOT_COMPLETE)
        reason = f"the meter says {words}, after {_POLLS} looks at ST08"
        return Answer("unknown", reason, advice, code=NOT_COMPLETE)
    return _unknown(f"{_fate(lost)}, and ST08 does not show it: it answers something else, or nothing")


def _response(octets: bytes, context: Context) -> ProcedureResponse:
    """Return ST08. Raises `DataError` for one that is empty or cut."""
    table = decode(RESPONSE, octets, context).table
    if not isinstance(table, ProcedureResponse):
        raise DataError("ST08 is not the table of procedure responses", advice="a bug of this program: report it")
    return table


def _ours(shown: ProcedureResponse, initiation: Initiation) -> bool:
    return (shown.procedure, shown.manufacturer, shown.sequence) == (
        initiation.procedure.number,
        False,
        initiation.sequence,
    )


def _final(shown: ProcedureResponse, initiation: Initiation, context: Context) -> Answer:
    words, advice = result_in_words(shown.result)
    if shown.result != DONE:
        return Answer("refused", f"the meter answers {shown.result}, {words}", advice, code=shown.result)
    try:
        response = decode_record(initiation.procedure.response, shown.response, context)
    except DataError:  # vendors answer more, or nothing; what was done is seen in the tables anyway
        response = None
    return Answer("done", f"the meter says {words}", code=DONE, response=response)


def _unknown(reason: str) -> Answer:
    return Answer("unknown", reason, "look at the tables that it changes before it is done again")


def _fate(lost: MrspError | None) -> str:
    return "the meter took the write" if lost is None else f"the answer to the write was lost ({lost.message})"
