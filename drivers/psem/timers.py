"""The timers of one session: those of the meter's standard, or what both sides agree on by Timing setup (C12.21 §4)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from drivers.psem.options import C12_21_TIMING, PsemOptions, Timing
from drivers.psem.replies import C12_21, Authentication, IdentifyReply, TimingReply
from drivers.psem.services import TimingSetup
from drivers.psem.wiring import LineKind

_DEFAULT: Final = TimingSetup(30, 1, 4, 3)  # what a C12.21 meter goes by unasked
# For lines that are slow or damage octets: a meter that waits too shortly for us repeats, and gives the session up.
_PATIENT: Final = TimingSetup(60, 2, 8, 5)
_KEEP_ALIVE_S: Final = 8.0  # what is sent may have to be repeated a few times before it gets through
_MARGIN_S: Final = 2.0
_LEAST_S: Final = 0.5
# A meter may answer what it likes; nobody is made to wait for ever.
_MOST_TRAFFIC_S: Final = 120
_MOST_INTER_CHARACTER_S: Final = 10
_MOST_RESPONSE_S: Final = 20
_MOST_RETRIES: Final = 10


def usual_timing(options: PsemOptions, reply: IdentifyReply) -> Timing:
    """Return the timers before anything is agreed on: a C12.21 meter keeps a session for 30 s, at least."""
    timing = options.timing
    if reply.standard != C12_21:
        return timing
    return replace(timing, channel_traffic_s=max(timing.channel_traffic_s, C12_21_TIMING.channel_traffic_s))


def proposal(options: PsemOptions, kind: LineKind, reply: IdentifyReply, *, trouble: bool) -> TimingSetup | None:
    """Return the timers to ask for; None where the meter's own will do, or where it cannot know the service.

    `trouble`: this line has lost a session already. Nothing here is measured, so that a recording replays alike.
    """
    knows = reply.standard == C12_21 or any(isinstance(feature, Authentication) for feature in reply.features)
    if kind is LineKind.PROBE or not knows or not options.timing_setup:
        return None
    timing = options.timing
    wish = TimingSetup(
        traffic=_seconds(timing.channel_traffic_s),
        inter_character=_seconds(timing.inter_character_s),
        response=_seconds(timing.response_s),
        retries=min(255, timing.retries),
    )
    if kind is LineKind.NETWORK or trouble:
        wish = TimingSetup(
            traffic=max(wish.traffic, _PATIENT.traffic),
            inter_character=max(wish.inter_character, _PATIENT.inter_character),
            response=max(wish.response, _PATIENT.response),
            retries=max(wish.retries, _PATIENT.retries) if trouble else wish.retries,
        )
    return None if wish == _DEFAULT else wish


def counts_tries(asked: TimingSetup, reply: TimingReply) -> bool:
    """Whether the meter counts tries where retries are meant: asked for none, it names more than one."""
    return asked.retries == 0 and reply.retries > 1


def agreed_timing(timing: Timing, reply: TimingReply, *, tries: bool) -> Timing:
    """Return the timers that the meter answered, within reason; what it leaves at 0 stays as it was.

    `tries`: its last number counts the first try too. We never take a shorter pause inside a packet for its end than
    before: that would be our own loss.
    """
    retries = max(0, reply.retries - 1) if tries else reply.retries or timing.retries
    return replace(
        timing,
        channel_traffic_s=float(min(_MOST_TRAFFIC_S, reply.traffic) or timing.channel_traffic_s),
        inter_character_s=max(timing.inter_character_s, min(_MOST_INTER_CHARACTER_S, reply.inter_character)),
        response_s=float(min(_MOST_RESPONSE_S, reply.response) or timing.response_s),
        retries=min(_MOST_RETRIES, retries),
    )


def keep_alive_s(timing: Timing, kind: LineKind, reply: IdentifyReply | None) -> float:
    """Return how long to be silent at most: safely less than the meter keeps the session, whatever it goes by."""
    traffic_s = timing.channel_traffic_s
    if kind is LineKind.MODEM and (reply is None or reply.standard != C12_21):
        traffic_s = min(traffic_s, Timing().channel_traffic_s)  # an optical meter behind a modem of its own
    return max(_LEAST_S, min(_KEEP_ALIVE_S, traffic_s - _MARGIN_S))


def _seconds(value: float) -> int:
    return min(255, max(1, math.ceil(value)))
