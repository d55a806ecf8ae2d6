"""What a procedure must have changed in the meter's tables: read before and after, and judged. Pure.

ST08 says what the meter thinks that it did; a table says what it did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from drivers.c1219 import procedures as sp
from drivers.c1219.context import Context
from drivers.c1219.decade0 import ModeStatus, PendingStatus
from drivers.c1219.decade2 import CurrentRegisters, PreviousReset, SelfReads
from drivers.c1219.decade5 import ClockState
from drivers.c1219.decade6 import ProfileStatus
from drivers.c1219.decade7 import EventLog, HistoryLog
from drivers.c1219.record import Record
from drivers.c1219.status import status_of


class Verdict(NamedTuple):
    """`seen`: the effect is there (True), is not there (False), or the tables cannot tell (None)."""

    seen: bool | None
    text: str


Judge = Callable[[Context, Context, Record], Verdict]
_CANNOT_TELL: Final = Verdict(None, "no table of this meter shows it")


@dataclass(frozen=True, slots=True)
class Effect:
    """`limits` decide the layout of `tables`, which are read before and after."""

    limits: tuple[int, ...]
    tables: tuple[int, ...]
    judge: Judge


def _demand_reset(before: Context, after: Context, _parameters: Record) -> Verdict:
    """NBR_DEMAND_RESETS of ST23 one higher, or another END_DATE_TIME in ST25."""
    counts = [_resets(context) for context in (before, after)]
    if None not in counts:
        old, new = (count or 0 for count in counts)
        return Verdict(new == (old + 1) % 256, f"demand resets (ST23): {old}, now {new}")
    ends = [_reset_end(context) for context in (before, after)]
    if ends[1] is not None:
        return Verdict(ends[0] != ends[1], f"end of the period before (ST25): {ends[0] or 'none'}, now {ends[1]}")
    return _CANNOT_TELL


def _resets(context: Context) -> int | None:
    registers = context.find(CurrentRegisters)
    return None if registers is None else registers.data.nbr_demand_resets


def _reset_end(context: Context) -> str | None:
    previous = context.find(PreviousReset)
    end = previous.info.end_date_time if previous is not None else None
    return None if end is None else f"{end:%Y-%m-%d %H:%M}"


def _self_read(before: Context, after: Context, _parameters: Record) -> Verdict:
    old, new = before.find(SelfReads), after.find(SelfReads)
    if old is None or new is None:
        return _CANNOT_TELL
    seen = (old.last_entry_seq_nbr, old.nbr_valid_entries) != (new.last_entry_seq_nbr, new.nbr_valid_entries)
    return Verdict(seen, f"newest self read (ST26): number {old.last_entry_seq_nbr}, now {new.last_entry_seq_nbr}")


def _season(_before: Context, after: Context, parameters: Record) -> Verdict:
    state = after.find(ClockState)
    if state is None or not isinstance(parameters, sp.RemoteReset):
        return _CANNOT_TELL
    return Verdict(state.season == parameters.new_season, f"season (ST55): now {state.season}")


def _mode(_before: Context, after: Context, parameters: Record) -> Verdict:
    now = after.find(ModeStatus)
    if now is None or not isinstance(parameters, sp.ChangeMode):
        return _CANNOT_TELL
    names = ("test", "meter_shop", "factory")  # many meters show metering besides
    seen = all(getattr(now, name) == getattr(parameters, name) for name in names)
    seen = seen and (now.metering or not parameters.metering)
    status = status_of(after)
    return Verdict(seen, f"mode (ST03): now {' and '.join(status.mode) if status else ''}")


def _flags(_before: Context, after: Context, _parameters: Record) -> Verdict:
    status = status_of(after)
    if status is None:
        return _CANNOT_TELL
    if not status.flags:
        return Verdict(True, "standard flags (ST03): none")
    # A flag whose cause persists comes back at once: that is no failure of the procedure.
    return Verdict(None, f"standard flags (ST03): still or again {', '.join(status.flags)}")


def _manufacturer_flags(_before: Context, after: Context, _parameters: Record) -> Verdict:
    now = after.find(ModeStatus)
    if now is None or not after.st00.dim_mfg_status_used:
        return _CANNOT_TELL
    if not now.ed_mfg_status:
        return Verdict(True, "manufacturer flags (ST03): none")
    return Verdict(None, f"manufacturer flags (ST03): still or again {', '.join(map(str, sorted(now.ed_mfg_status)))}")


def _pending(before: Context, after: Context, _parameters: Record) -> Verdict:
    """NBR_PENDING_ACTIVATION of ST04 lower: what was pending is in effect now, or dropped."""
    old, new = before.find(PendingStatus), after.find(PendingStatus)
    if old is None or new is None:
        return _CANNOT_TELL
    text = f"pending activations (ST04): {old.nbr_pending_activation}, now {new.nbr_pending_activation}"
    return Verdict(new.nbr_pending_activation < old.nbr_pending_activation or None, text)


class _Held(NamedTuple):
    """What a list says of itself."""

    valid: int
    unread: int
    last: int  # sequence number of the newest entry


def _list(context: Context, number: int) -> _Held | None:
    """Return the pointers of a LIST of SP04 and SP05."""
    profile = context.find(ProfileStatus)
    if number in range(3, 7):
        found = profile.sets[number - 3] if profile is not None else None
        if found is None:
            return None
        return _Held(found.nbr_valid_blocks, found.nbr_unread_blocks, found.last_block_seq_nbr)
    tables: dict[int, type[EventLog | SelfReads | HistoryLog]] = {1: EventLog, 2: SelfReads, 7: HistoryLog}
    kind = tables.get(number)
    table = context.find(kind) if kind is not None else None
    return None if table is None else _Held(table.nbr_valid_entries, table.nbr_unread_entries, table.last_entry_seq_nbr)


def _pointers_updated(before: Context, after: Context, parameters: Record) -> Verdict:
    """NBR_UNREAD_ENTRIES lower by what was read; new entries that came meanwhile are allowed for."""
    if not isinstance(parameters, sp.UpdateLastRead):
        return _CANNOT_TELL
    old, new = (_list(context, parameters.list_number) for context in (before, after))
    if old is None or new is None:
        return _CANNOT_TELL
    came = max(0, new.last - old.last)
    wanted = max(0, old.unread - parameters.entries_read)
    seen = wanted <= new.unread <= wanted + came
    return Verdict(seen, f"unread entries of list {parameters.list_number}: {old.unread}, now {new.unread}")


def _pointers_reset(before: Context, after: Context, parameters: Record) -> Verdict:
    if not isinstance(parameters, sp.ResetListPointers):
        return _CANNOT_TELL
    every = parameters.list_number == sp.ALL_LISTS
    numbers = tuple(sp.LISTS.values()) if every else (parameters.list_number,)
    pairs = [(n, _list(before, n), _list(after, n)) for n in numbers]
    known = [(n, old, new) for n, old, new in pairs if old is not None and new is not None]
    if not known:
        return _CANNOT_TELL
    seen = all(new.valid < max(1, old.valid) or new.valid <= 1 for _, old, new in known)  # the reset itself is logged
    return Verdict(seen, "; ".join(f"list {n}: {old.valid} entries, now {new.valid}" for n, old, new in known))


def _recording(*, wanted: bool) -> Judge:
    def judge(_before: Context, after: Context, _parameters: Record) -> Verdict:
        profile = after.find(ProfileStatus)
        sets = [item for item in profile.sets if item is not None] if profile is not None else []
        if not sets:
            return _CANNOT_TELL
        active = [item.active_mode for item in sets]
        return Verdict(all(state is wanted for state in active), f"load profile (ST63): {sum(active)} sets record")

    return judge


_LISTS: Final = ((21, 61, 71), (26, 63, 74, 76))

#: By action; `set_clock` is judged by the clock itself, and what is not here no table shows.
EFFECTS: Final = {
    "demand_reset": Effect((11, 21), (23, 25), _demand_reset),
    "self_read": Effect((11, 21), (26,), _self_read),
    "season_change": Effect((51,), (55,), _season),
    "end_device_mode": Effect((), (3,), _mode),
    "clear_status_flags": Effect((), (3,), _flags),
    "clear_manufacturer_flags": Effect((), (3,), _manufacturer_flags),
    "update_last_read": Effect(*_LISTS, _pointers_updated),
    "reset_list_pointers": Effect(*_LISTS, _pointers_reset),
    "activate_pending": Effect((), (4,), _pending),
    "activate_specific_pending": Effect((), (4,), _pending),
    "clear_pending": Effect((), (4,), _pending),
    "clear_specific_pending": Effect((), (4,), _pending),
    "start_load_profile": Effect((61,), (63,), _recording(wanted=True)),
    "stop_load_profile": Effect((61,), (63,), _recording(wanted=False)),
}
