"""Every standard procedure (C12.19 §8): what it takes and answers, what it does to a meter, who may call it by name.

    action = action_named("demand_reset")
    octets = encode_record(action.parameters({}), context)      # of SP09, with bit 0 set

An action is one thing that a person can ask for; several may lie behind one procedure (SP09 has four).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from drivers.c1219 import procedures as sp
from drivers.c1219.record import Record
from drivers.errors import UsageError

# routine: touches no bill and no other reader | billing: changes billing state, or what other readers find |
# dangerous: can lose data, money or supply; only where the person says so a second time | withheld: never offered
Danger = Literal["routine", "billing", "dangerous", "withheld"]


@dataclass(frozen=True, slots=True)
class Procedure:
    """One standard procedure. `confirmed`: more than one open source agrees on its parameters."""

    number: int
    title: str
    parameters: type[Record] = sp.Nothing
    response: type[Record] = sp.Nothing
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that the operator has to say: a word, a number in `numbers`, or octets in hexadecimal."""

    name: str
    member: str  # of the record
    words: Mapping[str, object] = field(default_factory=dict)
    numbers: range | None = None
    dangerous: frozenset[str] = frozenset()  # words that make the action dangerous

    def value(self, text: str) -> object:
        """Return what `text` means. Raises `UsageError` saying what is allowed."""
        if text in self.words:
            return self.words[text]
        if self.numbers is not None and text.isdecimal() and int(text) in self.numbers:
            return int(text)
        if self.numbers is None and not self.words:
            try:
                return bytes.fromhex(text)
            except ValueError:
                pass
        raise UsageError(f"{self.name} = {text!r} is not allowed", advice=f"say {self.allowed}")

    @property
    def allowed(self) -> str:
        """What may be said, in words."""
        numbers = [f"{self.numbers.start} to {self.numbers.stop - 1}"] if self.numbers is not None else []
        return " or ".join([*self.words, *numbers]) or "octets in hexadecimal"


@dataclass(frozen=True, slots=True)
class Action:
    """Something to ask of a meter by name, and what it means for bills and other readers."""

    name: str
    procedure: Procedure
    danger: Danger
    effect: str
    fixed: Mapping[str, object] = field(default_factory=dict)
    takes: tuple[Parameter, ...] = ()

    @property
    def title(self) -> str:
        """`SP09 remote reset`, as it stands in the audit log."""
        return f"SP{self.procedure.number:02} {self.procedure.title}"

    def parameters(self, given: Mapping[str, str]) -> Record:
        """Return the parameters of the procedure. Raises `UsageError` for one too many, too few, or out of range."""
        names = {parameter.name for parameter in self.takes}
        for name in given:
            if name not in names:
                raise UsageError(f"{self.name} takes no parameter {name!r}", advice=self.usage)
        for name in names:
            if name not in given:
                raise UsageError(f"{self.name} needs {name}=…", advice=self.usage)
        values = {parameter.member: parameter.value(given[parameter.name]) for parameter in self.takes}
        flags = {value.member: True for value in values.values() if isinstance(value, _Flag)}
        plain = {name: value for name, value in values.items() if not isinstance(value, _Flag)}
        return self.procedure.parameters(**{**self.fixed, **plain, **flags})

    def danger_of(self, given: Mapping[str, str]) -> Danger:
        """Return how dangerous it is with these parameters."""
        worse = any(given.get(parameter.name) in parameter.dangerous for parameter in self.takes)
        return "dangerous" if worse and self.danger != "withheld" else self.danger

    @property
    def usage(self) -> str:
        """How it is called, as `update_last_read list=events entries=1`."""
        takes = " ".join(f"{parameter.name}={parameter.allowed.replace(' ', '_')}" for parameter in self.takes)
        return f"{self.name} {takes}".rstrip()


@dataclass(frozen=True, slots=True)
class _Flag:
    """A word that stands for one bit of the parameters."""

    member: str


_PROCEDURES = (
    Procedure(sp.COLD_START, "cold start"),
    Procedure(sp.WARM_START, "warm start"),
    Procedure(sp.SAVE_CONFIGURATION, "save configuration"),
    Procedure(sp.CLEAR_DATA, "clear data"),
    Procedure(sp.RESET_LIST_POINTERS, "reset list pointers", sp.ResetListPointers),
    Procedure(sp.UPDATE_LAST_READ, "update last read entry", sp.UpdateLastRead),
    Procedure(sp.CHANGE_MODE, "change end device mode", sp.ChangeMode),
    Procedure(sp.CLEAR_STATUS_FLAGS, "clear standard status flags"),
    Procedure(sp.CLEAR_MANUFACTURER_FLAGS, "clear manufacturer status flags"),
    Procedure(sp.REMOTE_RESET, "remote reset", sp.RemoteReset, sp.RemoteReset),
    Procedure(sp.SET_DATE_TIME, "set date and time", sp.SetDateTime, sp.DateTimeSet),
    Procedure(sp.EXECUTE_DIAGNOSTICS, "execute diagnostics"),
    Procedure(sp.ACTIVATE_PENDING, "activate all pending tables"),
    Procedure(sp.ACTIVATE_SPECIFIC_PENDING, "activate specific pending tables", sp.PendingEvent, confirmed=False),
    Procedure(sp.CLEAR_PENDING, "clear all pending tables"),
    Procedure(sp.CLEAR_SPECIFIC_PENDING, "clear specific pending tables", sp.PendingEvent, confirmed=False),
    Procedure(sp.START_LOAD_PROFILE, "start load profile"),
    Procedure(sp.STOP_LOAD_PROFILE, "stop load profile"),
    Procedure(sp.LOG_IN, "log in", sp.LogIn),
    Procedure(sp.LOG_OUT, "log out"),
    Procedure(sp.IMMEDIATE_CALL, "start immediate call", sp.CallNumber),
    Procedure(sp.LOAD_CONTROL, "direct load control", sp.VendorParameters, confirmed=False),
    Procedure(sp.MODIFY_CREDIT, "modify credit", sp.VendorParameters, confirmed=False),
    Procedure(sp.CLEAR_CALL_STATUS, "clear pending call status", sp.CallNumber),
    Procedure(sp.START_QUALITY_MONITORS, "start power-quality monitors"),
    Procedure(sp.STOP_QUALITY_MONITORS, "stop power-quality monitors"),
    Procedure(sp.START_SECURED_REGISTERS, "start secured registers"),
    Procedure(sp.STOP_SECURED_REGISTERS, "stop secured registers"),
    Procedure(
        sp.SET_PRECISE_DATE_TIME,
        "set precise date and time",
        sp.SetPreciseDateTime,
        sp.PreciseDateTimeSet,
        confirmed=False,
    ),
)

#: The standard procedures by number; 23 to 26 are reserved or not established.
PROCEDURES = {procedure.number: procedure for procedure in _PROCEDURES}


def _action(
    name: str, number: int, danger: Danger, effect: str, *takes: Parameter, fixed: Mapping[str, object] | None = None
) -> Action:
    return Action(name, PROCEDURES[number], danger, effect, fixed or {}, takes)


_LIST = Parameter("list", "list_number", dict(sp.LISTS), range(1, 8))
_LIST_OR_ALL = Parameter("list", "list_number", {**sp.LISTS, "all": sp.ALL_LISTS}, range(1, 256))
_ENTRIES = Parameter("entries", "entries_read", numbers=range(65_536))
_MODES = {mode: _Flag(mode) for mode in ("metering", "test", "meter_shop", "factory")}
_MODE = Parameter("mode", "mode", _MODES, dangerous=frozenset({"factory"}))
_SEASON = Parameter("season", "new_season", numbers=range(16))
_EVENT = Parameter("event", "event")
_INDEX = Parameter("number", "index", numbers=range(256))
_OCTETS = Parameter("octets", "octets")

_ACTIONS = (
    _action(
        "demand_reset",
        sp.REMOTE_RESET,
        "billing",
        "closes the billing period: demands go to ST25 and start anew",
        fixed={"demand_reset": True},
    ),
    _action(
        "self_read",
        sp.REMOTE_RESET,
        "billing",
        "keeps the registers of this moment in ST26; the oldest self read may give way",
        fixed={"self_read": True},
    ),
    _action(
        "season_change",
        sp.REMOTE_RESET,
        "billing",
        "begins another season now; the registers of the one before go to ST24",
        _SEASON,
        fixed={"season_change": True},
    ),
    _action("set_clock", sp.SET_DATE_TIME, "billing", "corrects date and time, by the agent's proven clock"),
    _action("end_device_mode", sp.CHANGE_MODE, "billing", "puts the meter into another mode", _MODE),
    _action("clear_status_flags", sp.CLEAR_STATUS_FLAGS, "routine", "clears the standard flags of ST03"),
    _action("clear_manufacturer_flags", sp.CLEAR_MANUFACTURER_FLAGS, "routine", "clears the vendor's flags of ST03"),
    _action(
        "update_last_read",
        sp.UPDATE_LAST_READ,
        "billing",
        "counts entries of a list as read, for every system that polls this meter",
        _LIST,
        _ENTRIES,
    ),
    _action(
        "reset_list_pointers",
        sp.RESET_LIST_POINTERS,
        "dangerous",
        "empties a list for every system that polls this meter: what was not read is lost",
        _LIST_OR_ALL,
    ),
    _action("execute_diagnostics", sp.EXECUTE_DIAGNOSTICS, "routine", "lets the meter check itself"),
    _action("save_configuration", sp.SAVE_CONFIGURATION, "routine", "makes the present configuration permanent"),
    _action("warm_start", sp.WARM_START, "billing", "restarts the meter; the session ends with it"),
    _action("cold_start", sp.COLD_START, "dangerous", "restarts the meter from its factory values: data are lost"),
    _action("clear_data", sp.CLEAR_DATA, "dangerous", "sets registers, profile and logs to zero"),
    _action("activate_pending", sp.ACTIVATE_PENDING, "billing", "puts every pending table into effect now"),
    _action(
        "activate_specific_pending",
        sp.ACTIVATE_SPECIFIC_PENDING,
        "billing",
        "puts the pending tables of one event into effect now",
        _EVENT,
    ),
    _action("clear_pending", sp.CLEAR_PENDING, "billing", "drops every pending table"),
    _action(
        "clear_specific_pending", sp.CLEAR_SPECIFIC_PENDING, "billing", "drops the pending tables of one event", _EVENT
    ),
    _action("start_load_profile", sp.START_LOAD_PROFILE, "billing", "begins to record intervals"),
    _action("stop_load_profile", sp.STOP_LOAD_PROFILE, "dangerous", "no interval is recorded any more"),
    _action("log_in", sp.LOG_IN, "withheld", "carries a password: Security of the session does that"),
    _action("log_out", sp.LOG_OUT, "withheld", "Logoff of the session does that"),
    _action("immediate_call", sp.IMMEDIATE_CALL, "routine", "lets the meter call a number now", _INDEX),
    _action("load_control", sp.LOAD_CONTROL, "dangerous", "may disconnect the customer", _OCTETS),
    _action("modify_credit", sp.MODIFY_CREDIT, "dangerous", "changes prepaid money", _OCTETS),
    _action("clear_call_status", sp.CLEAR_CALL_STATUS, "routine", "forgets a pending call", _INDEX),
    _action("start_quality_monitors", sp.START_QUALITY_MONITORS, "routine", "begins to watch power quality"),
    _action("stop_quality_monitors", sp.STOP_QUALITY_MONITORS, "routine", "stops watching power quality"),
    _action("start_secured_registers", sp.START_SECURED_REGISTERS, "billing", "begins to sign registers"),
    _action("stop_secured_registers", sp.STOP_SECURED_REGISTERS, "billing", "stops signing registers"),
    _action("set_precise_clock", sp.SET_PRECISE_DATE_TIME, "withheld", "its layout is not confirmed: use set_clock"),
)

#: Every action by name.
ACTIONS = {action.name: action for action in _ACTIONS}


def action_named(name: str) -> Action:
    """Return an action; `demand-reset` is understood too. Raises `UsageError` naming those that there are."""
    action = ACTIONS.get(name.replace("-", "_").lower())
    if action is None or action.danger == "withheld":
        why = f": {action.effect}" if action is not None else ""
        offered = ", ".join(known.name for known in ACTIONS.values() if known.danger != "withheld")
        raise UsageError(f"there is no procedure {name!r} to run{why}", advice=f"one of: {offered}")
    return action


#: Result codes of ST08: (what the meter says, what the operator can do).
_RESULTS = {
    0: ("done", ""),
    1: ("accepted, not complete yet", "read the table that it changes, later"),
    2: ("invalid parameter", "check the parameters; nothing was changed"),
    3: ("in conflict with the meter's setup", "check the meter's configuration and mode; nothing was changed"),
    4: ("against a timing constraint", "try again later; nothing was changed"),
    5: ("no authority", "give the password of an access level that may do this"),
    6: ("unknown procedure", "this meter does not have it"),
}
DONE, NOT_COMPLETE = 0, 1


def result_in_words(code: int) -> tuple[str, str]:
    """Return what a result code of ST08 says, and advice; a reserved code (7 and above) counts as a refusal."""
    return _RESULTS.get(code, (f"refused with the reserved result code {code}", "nothing is known of this code"))
