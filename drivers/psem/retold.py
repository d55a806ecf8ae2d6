"""Tell a visit again from its recording: the same tables by whatever reads brought them, and what they mean.

Nothing of the client's way through the session is repeated; what was read twice counts as it was read last, as for
the client, and the versions before are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from decimal import Decimal

from drivers.c1219 import Context, decode
from drivers.c1219.clock import clock_of
from drivers.c1219.list_entries import HEAD as LISTS
from drivers.c1219.profile_data import TABLES as DATA_TABLES
from drivers.c1219.tables import TABLES
from drivers.c1219.times import MeterTimes
from drivers.data import MeterData
from drivers.errors import DataError
from drivers.profiles import Profile
from drivers.psem.collection import ClockLook, Collection
from drivers.psem.meaning import meter_data
from drivers.psem.overheard import Carrier, Overheard, Read
from drivers.psem.pieces import Image, Piece
from drivers.psem.retold_lists import SetAsRead, Wanted, blocks_of, list_of
from drivers.psem.services import table_name

CLOCKS = (52, 55)
_STATUS = 63


@dataclass(frozen=True, slots=True)
class Version:
    """The octets of a table from its beginning, as one full read or reads by offset that follow each other say."""

    octets: bytes
    reads: tuple[Read, ...]

    @property
    def t_ns(self) -> int:
        """When the last of it was in."""
        return self.reads[-1].t_ns


@dataclass(frozen=True, slots=True)
class Look:
    """One reading of the meter's clock, and the context with the clock table as it was then."""

    utc: datetime
    version: Version
    context: Context


@dataclass(frozen=True, slots=True)
class Retold:
    """What a recording says of the meter. `data`: as the driver would have returned it."""

    overheard: Overheard
    context: Context
    data: MeterData
    versions: dict[int, tuple[Version, ...]]  # by table id, oldest first
    pieces: dict[int, tuple[Piece, ...]]  # by table id, in the order of the table
    looks: tuple[Look, ...] = ()  # at the meter's clock, oldest first

    def octets(self, table: int, offset: int, length: int) -> bytes | None:
        """Return octets of a table as they were read last; None if some of them never were."""
        return Image(self.pieces.get(table, ())).octets(offset, length)

    def carriers(self, table: int, offset: int, length: int) -> tuple[Carrier, ...]:
        """Return where octets of a table are on the wire, as they were read last."""
        return Image(self.pieces.get(table, ())).carriers(offset, length)

    def at(self, look: Look) -> Retold:
        """Return the same with the clock table as it was at one look."""
        tables = {read.table for read in look.version.reads}
        pieces = {table: Image.of(look.version.reads).pieces for table in tables}
        return replace(self, context=look.context, pieces={**self.pieces, **pieces})

    def changed(self) -> Iterator[str]:
        """Yield the names of the tables that read differently in the course of the session, in order of their ids."""
        for table, versions in sorted(self.versions.items()):
            longest = max((len(version.octets) for version in versions), default=0)
            if len({version.octets for version in versions if len(version.octets) == longest}) > 1:
                yield table_name(table)


@dataclass(frozen=True, slots=True)
class Hints:
    """What a reading says of its visit and a recording does not; without them the recording is taken as a whole."""

    meter_time: datetime | None = None  # of several looks at the meter's clock, the one that shows this
    blocks: Mapping[int, Wanted] | None = None  # by data table; None: whatever was read of each block
    octets: Mapping[int, Mapping[int, bytes]] | None = (
        None  # by table and offset: of several versions the one with them
    )


NO_HINTS = Hints()


def retell(overheard: Overheard, profile: Profile, *, site_zone: tzinfo | None, hints: Hints = NO_HINTS) -> Retold:
    """Return what the tables in a recording mean, read with `profile`. Never raises.

    Without hints the last look at the meter's clock counts, and the profile blocks that were read whole.
    """
    ids = sorted({read.table for read in overheard.reads})
    every = {table: tuple(_versions([read for read in overheard.reads if read.table == table])) for table in ids}
    versions = {table: _meant(found, (hints.octets or {}).get(table, {})) for table, found in every.items()}
    images = {table: Image.of(read for read in overheard.reads if read.table == table) for table in ids}
    context = Context(profile.quirks())
    for table in (table for table in ids if table in TABLES and table not in CLOCKS):
        context = (_with_list if table in LISTS else _decoded)(context, table, versions[table], images)
    looks = _looks(context, versions, site_zone)
    context, look = _with_clock(context, versions, images, [one for one in looks if one.utc == hints.meter_time])
    collection = Collection(context)
    collection.octets = {table_name(table): found[-1].octets for table, found in versions.items() if found}
    collection.clock = look
    quirks = context.quirks
    if quirks.dials_table is not None and quirks.dials_table in images:
        collection.digits = (images[quirks.dials_table].octets(quirks.dials_offset, 1) or b"\0")[0] or None
    data = meter_data(collection, profile, site_zone=site_zone)
    if 0 in context:
        times = MeterTimes.of(context, site_zone)
        read = [table for table in DATA_TABLES if table in images and images[table].pieces]
        sets = [_set_as_read(collection, times, table, images[table], every.get(_STATUS, ())) for table in read]
        blocks, problems = blocks_of(sets, times, hints.blocks)
        data = replace(data, blocks=tuple(blocks), problems=(*data.problems, *problems))
    pieces = {table: image.pieces for table, image in images.items()}
    return Retold(overheard, context, data, every, pieces, tuple(looks))


def _set_as_read(
    collection: Collection, times: MeterTimes, table: int, image: Image, statuses: Sequence[Version]
) -> SetAsRead:
    """Return a data set with the newest ST63 before its newest octets: the meter goes on storing."""
    read_ns = max(piece.read.t_ns for piece in image.pieces)
    before = [version for version in statuses if version.t_ns < read_ns]
    context = _decoded(collection.context, _STATUS, before or statuses, {})
    return SetAsRead(table, image, context, collection.meter_time(times, read_ns))


def _versions(reads: Sequence[Read]) -> Iterator[Version]:
    """Yield each state of a table that was read from its beginning, oldest first."""
    run: list[Read] = []
    for read in reads:
        if run and not read.whole and read.offset == run[-1].end:
            run.append(read)
            continue
        if run and not read.whole and read.offset == run[-1].offset and len(run) > 1:
            run[-1] = read  # the same piece again
            continue
        if run:
            yield _version(run)
        run = [read] if read.offset == 0 else []
    if run:
        yield _version(run)


def _meant(versions: tuple[Version, ...], octets: Mapping[int, bytes]) -> tuple[Version, ...]:
    """Return the versions up to the newest one that shows these octets; all of them if none does."""
    for count in range(len(versions), 0, -1):
        shown = versions[count - 1].octets
        if all(shown[offset : offset + len(part)] == part for offset, part in octets.items()):
            return versions[:count]
    return versions


def _version(run: list[Read]) -> Version:
    return Version(b"".join(read.octets for read in run), tuple(run))


def _with_list(context: Context, table: int, versions: Sequence[Version], images: dict[int, Image]) -> Context:
    """Add a list that grows: whole if it was read so at last, else with the entries that were."""
    if versions and len(versions[-1].octets) == images[table].pieces[-1].end:
        whole = _decoded(context, table, versions[-1:], images)
        if table in whole:
            return whole
    entries = list_of(context, table, images[table])
    return _decoded(context, table, versions, images) if entries is None else context.with_table(entries)


def _decoded(context: Context, table: int, versions: Sequence[Version], images: dict[int, Image]) -> Context:
    """Add the newest version of a table that can be decoded, which then is what was read of it."""
    for version in reversed(versions):
        try:
            made = context.with_table(decode(table, version.octets, context))
        except DataError:
            continue
        images[table] = Image.of(version.reads)
        return made
    return context


def _looks(context: Context, versions: Mapping[int, Sequence[Version]], site_zone: tzinfo | None) -> list[Look]:
    """Return every reading of a clock table that shows a time."""
    found: list[Look] = []
    for table in CLOCKS if 0 in context else ():
        for version in versions.get(table, ()):
            made = _decoded(context, table, [version], {})
            shown = clock_of(made, MeterTimes.of(made, site_zone))
            if shown is not None and table in made:
                found.append(Look(shown.utc, version, made))
    return sorted(found, key=lambda look: look.version.t_ns)


def _with_clock(
    context: Context, versions: Mapping[int, Sequence[Version]], images: dict[int, Image], meant: Sequence[Look]
) -> tuple[Context, ClockLook | None]:
    """Add one reading of each clock table, the one that is meant if there is such; return when it was in."""
    look: ClockLook | None = None
    for table in CLOCKS:
        found = [one.version for one in meant if one.version in versions.get(table, ())] or versions.get(table, ())
        context = _decoded(context, table, found[-1:] if meant else found, images)
        if table in context and look is None:
            at_ns = max(read.t_ns for read in (piece.read for piece in images[table].pieces))
            look = ClockLook(at_ns, at_ns, Decimal(0), Decimal(0))
    return context, look


__all__ = ["NO_HINTS", "Hints", "Look", "Piece", "Retold", "Version", "retell"]
