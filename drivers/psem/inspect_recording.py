"""Tables out of a recording: whatever its client read them for, in whatever pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from drivers.c1219 import block_layout, decode
from drivers.c1219.profile_data import TABLES as DATA_TABLES
from drivers.errors import DataError, MrspError, UsageError
from drivers.profiles import Profiles
from drivers.psem.codes import refusal
from drivers.psem.overheard import Overheard, overhear
from drivers.psem.recognition import recognised
from drivers.psem.retold import Piece, Retold, retell
from drivers.psem.services import FullRead, OffsetRead, table_name
from drivers.psem.table_report import Found
from drivers.transport.recording_file import read_sessions
from drivers.transport.urls import ReplayAddress


def found_in(
    address: ReplayAddress, profiles: Profiles, named: str | None, numbers: Sequence[int]
) -> tuple[Found, list[int]]:
    """Return what a recorded session holds of `numbers`, or of every table in it if that is empty.

    Raises `UsageError` for a session that is not in the file, `DataError` for one in which ST00 was not read.
    """
    sessions = read_sessions(Path(address.path))
    if address.session > len(sessions) or not sessions:
        raise UsageError(f"{address.path} has {len(sessions)} sessions, no session {address.session}")
    overheard = overhear(sessions[address.session - 1].records)  # 0: the newest
    profile = profiles.find(named) if named else profiles.generic
    retold = retell(overheard, profile, site_zone=None)
    context = retold.context
    if 0 not in context:
        raise DataError(
            f"{address.path}: ST00 was not read in this session, or is damaged: nothing can be decoded",
            advice="add ?session=1 to the address for the oldest session in the file",
        )
    described = (profile if named else recognised(profiles, context)).described_tables()
    octets = {table_name(table): versions[-1].octets for table, versions in retold.versions.items() if versions}
    found = Found(context, octets, described=described)
    wanted = list(numbers) or sorted({*retold.versions, *retold.pieces})
    found.blocks, found.failures = _blocks(retold, found), _failures(overheard, wanted, octets)
    return found, wanted


def _blocks(retold: Retold, found: Found) -> Mapping[int, Mapping[int, bytes]]:
    """Return the whole blocks of each load-profile table; a table that is there whole is decoded instead."""
    context, blocks = retold.context, {}
    for number, data_set in DATA_TABLES.items():
        if number not in retold.pieces:
            continue
        try:
            size = block_layout(context, data_set, sample=_begin(retold.pieces[number])).size
            count = context.st61.of_set(data_set, "nbr_blks")
            whole = retold.octets(number, 0, count * size)
            if whole is not None:
                found.context = found.context.with_table(decode(number, whole, context))
                continue
        except DataError:
            continue
        pieces = ((element, retold.octets(number, element * size, size)) for element in range(count))
        blocks[number] = {element: piece for element, piece in pieces if piece is not None}
    return {number: pieces for number, pieces in blocks.items() if pieces}


def _begin(pieces: Sequence[Piece]) -> bytes:
    """Return the octets that the table begins with, as far as they are known."""
    return pieces[0].octets if pieces and pieces[0].offset == 0 else b""


def _failures(overheard: Overheard, wanted: Sequence[int], octets: Mapping[str, bytes]) -> Mapping[str, MrspError]:
    """Return why tables are missing: refused by the meter, or never asked for."""
    failures: dict[str, MrspError] = {}
    for request, code in overheard.refused:
        if isinstance(request, FullRead | OffsetRead):
            failures[table_name(request.table)] = refusal(code, request.what)
    advice = f"it has {', '.join(octets)}"
    for name in map(table_name, wanted):
        reason = (
            f"{name} is in the recording, but cannot be decoded"
            if name in octets
            else f"{name} is not in the recording"
        )
        failures.setdefault(name, DataError(reason, advice="" if name in octets else advice))
    return failures
