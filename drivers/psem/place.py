"""Where the meter of a task is: what kind of line leads there, and how to speak on it before the meter is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from drivers.base import Task
from drivers.data import Method
from drivers.errors import UsageError
from drivers.profiles import Profile
from drivers.psem.options import C12_21_TIMING, PsemOptions
from drivers.psem.replies import C12_18
from drivers.psem.wiring import LineKind, Wiring
from drivers.registry import scheme_of
from drivers.transport import Transport
from drivers.transport.replay import ReplayTransport
from drivers.transport.urls import parse_url

NETWORK_INTER_CHARACTER_S: Final = 2.0
MODEM_PACKET_SIZE: Final = 512  # larger ones gain little on a call, and cost much when they are damaged (C12.21 §5)
_MODEM_SETTLE_S: Final = 0.5  # error correction pauses for up to half a second within a packet
_CALL: Final = " (call"  # in the name of a dialled or answered line

_KIND_OF_SCHEME: Final = {
    "serial": LineKind.PROBE,
    "tcp": LineKind.NETWORK,
    "rfc2217": LineKind.NETWORK,
    "modem": LineKind.MODEM,
    "modem+tcp": LineKind.MODEM,
}


def kind_of(task: Task, line: Transport) -> LineKind:
    """Return what kind of line an open one is; of a replay, what was recorded."""
    if isinstance(line, ReplayTransport):
        return _kind_of_name(line.recorded_line, line.baud)
    named = _kind_of_name(line.name, line.baud)
    return named if named is LineKind.MODEM else _KIND_OF_SCHEME.get(scheme_of(task.url), named)


def _kind_of_name(name: str, baud: int) -> LineKind:
    if _CALL in name:
        return LineKind.MODEM
    if name.startswith("rfc2217://"):
        return LineKind.NETWORK
    return LineKind.of_speed(baud)


def wiring_of(task: Task, profile: Profile, kind: LineKind) -> Wiring:
    """Return the meter's place on the line. Where its identity is given, only that meter's answers count.

    A profile's identity alone does not say so on other lines than calls: some families want one, and answer with 0.
    """
    profiled = kind is LineKind.MODEM and bool(profile.psem.identity)
    return Wiring(kind, addressed=profiled or bool(_identity(task)), stay=task.stay)


def session_options(task: Task, profile: Profile, kind: LineKind) -> PsemOptions:
    """Return how to speak to the meter: what its line needs, the profile, the task's user and the meter's identity."""
    options = profile.psem_options(_base(kind))
    if task.user_id is not None:
        options = replace(options, user_id=task.user_id)
    if task.user is not None:
        options = replace(options, user=task.user)
    if identity := _identity(task):
        options = replace(options, identity=identity)
    return options


def method_of(kind: LineKind, standard: int | None) -> Method:
    """Call it optical where a probe is: on a serial line, and on a network line to a meter that speaks C12.18."""
    if kind is LineKind.MODEM:
        return "modem"
    return "cellular" if kind is LineKind.NETWORK and standard not in {None, C12_18} else "optical"


def _base(kind: LineKind) -> PsemOptions:
    """Return what a line of this kind needs: networks and modems pause within a packet."""
    base = PsemOptions()
    if kind is LineKind.MODEM:
        return replace(base, timing=replace(C12_21_TIMING, settle_s=_MODEM_SETTLE_S), packet_size=MODEM_PACKET_SIZE)
    if kind is LineKind.NETWORK:
        return replace(base, timing=replace(base.timing, inter_character_s=NETWORK_INTER_CHARACTER_S))
    return base


def _identity(task: Task) -> int:
    """Return the identity octet that the address gives; 0 if none. A line that is open may have none that says all."""
    try:
        return parse_url(task.url, task.options).identity
    except UsageError:
        if task.line is None:
            raise
        return 0
