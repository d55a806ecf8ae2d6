"""What is said to a modem, step by step: set it up, dial, answer, hang up (C12.21 practice, Hayes commands)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.transport.call_errors import (
    CallBarred,
    CallDelayed,
    CallError,
    LineBusy,
    LineRinging,
    ModemRefused,
    ModemSilent,
    NoAnswer,
    NoCarrier,
    NoDialTone,
    NotOnHook,
)
from drivers.transport.dialling import Call
from drivers.transport.hayes import Desk, Script, Send, SetDtr, Was
from drivers.transport.modem_lines import Result
from drivers.transport.modem_settings import Word
from drivers.transport.pins import Carrier

HANG_UP_COMMAND_S: Final = 3.0
ESCAPED_S: Final = 2.0  # for OK after `+++`, beyond its guard time
POLL_S: Final = 0.1
TRIES: Final = 2  # a command that is refused or not answered is sent once more: noise damages commands, too
ANSWER_WAIT_S: Final = 60  # for the carrier of a caller (S7)
STALE_S: Final = 0.5  # for answers to the earlier of several `AT`

_FAILURES: Final[dict[Word, tuple[type[CallError], str]]] = {
    Word.BUSY: (LineBusy, "the number is engaged; call again in a few minutes"),
    Word.NO_ANSWER: (NoAnswer, "it rang in vain: is this within the meter's answer window?"),
    Word.NO_CARRIER: (NoCarrier, "no modem answered in time: check the number, or allow more time (wait_s=…)"),
    Word.NO_DIAL_TONE: (NoDialTone, "is the telephone line plugged in, and not in use by another device?"),
    Word.DELAYED: (CallDelayed, "the modem itself limits repeated calls to this number"),
    Word.BLACKLISTED: (CallBarred, "the modem blocks this number for a time, or until it is switched off and on"),
    Word.ERROR: (ModemRefused, "the modem does not take this number or this way of dialling (tone=tone|pulse)"),
}


@dataclass(frozen=True, slots=True)
class Connected:
    """The carrier is there. `rate`: as the modem tells it, 0 if it does not; `follows`: DCD rose with the carrier."""

    rate: int
    follows: bool = False
    caller: str = ""


def prepare(desk: Desk, commands: tuple[str, ...]) -> Script[None]:
    """Wake the modem, and set it up. Raises `ModemSilent` or `ModemRefused`."""
    yield from _wake(desk)
    for text in commands:
        yield from _command(desk, text)


def dial(desk: Desk, call: Call) -> Script[Connected]:
    """Set the modem up, dial, wait for the carrier, let it settle. Raises the `CallError` that tells why not."""
    yield from prepare(desk, (*desk.settings.commands, *call.init, f"ATS7={call.wait_s}"))
    yield from desk.pause(desk.settings.gap_s)
    if desk.ringing:
        raise LineRinging("a call is coming in on the line", advice="it is left to the caller; call later")
    before = desk.carrier
    desk.was = Was.DIALLING
    yield from desk.send(f"ATD{'T' if call.tone == 'tone' else 'P'}{call.digits}")
    limit_s = call.dialling_s + call.wait_s + desk.settings.slack_s
    return (yield from _connection(desk, before, limit_s, call.settle_ms / 1000, f"calling {call.digits}"))


def await_call(desk: Desk, rings: int, settle_s: float) -> Script[Connected]:
    """Set the modem up, and wait without end for a call that rings `rings` times; answer it.

    A caller who is gone before the carrier is there is forgotten. Raises `ModemSilent`, `ModemRefused`, `NotOnHook`.
    """
    commands = (*desk.settings.commands, f"ATS7={ANSWER_WAIT_S}")
    while True:
        yield from prepare(desk, commands)
        connected = yield from _answered(desk, rings, settle_s)
        if connected is not None:
            return connected


def hang_up(desk: Desk, was: Was, *, follows: bool = False, quiet_from: float = 0.0) -> Script[bool]:
    """Put the line on hook; return whether the modem confirmed it, by DCD or by its answer.

    `follows`: DCD rose with the carrier; `quiet_from`: when the last octet sent has left, from which the guard time
    counts. Takes 25 s at most with the default settings, whatever the modem does.
    """
    settings = desk.settings
    if was is Was.DIALLING:
        yield Send(b"\r")  # any character ends dialling
        result = yield from desk.listen(settings.release_s)
        was = Was.ONLINE if result is not None and result.word is Word.CONNECT else Was.ENDED
    if desk.pins:
        yield SetDtr(on=False)
        yield from desk.pause(settings.drop_s)
        yield SetDtr(on=True)
        if follows and was is Was.ONLINE and (yield from _carrier_fell(desk)):
            return True
    if (was is not Was.ONLINE or (desk.pins and not follows)) and (yield from _on_hook(desk)):
        return True
    for guard_s in (settings.guard_s, 2 * settings.guard_s):  # a modem may be set to a longer one
        yield from desk.pause(max(0.0, quiet_from - desk.now) + guard_s)
        yield from desk.send("+++", end="")
        if not (yield from _hears(desk, guard_s + ESCAPED_S, Word.OK)):
            yield Send(b"\r")  # where it was in command state already, `+++` must not stand before the command
        if (yield from _on_hook(desk)):
            return True
    return False


def _wake(desk: Desk) -> Script[None]:
    """Let the modem learn our speed; if it says nothing, take it to be in a call that a program before us left."""
    for attempt in range(desk.settings.wakes):
        is_last = attempt == desk.settings.wakes - 1
        yield from desk.send("ATQ0V1" if is_last else "AT")  # a stored profile may have silenced it
        result = yield from _answer(desk, desk.settings.wake_s)
        if result is not None:
            if attempt:
                yield from desk.pause(STALE_S)
            return
    if not (yield from hang_up(desk, Was.ONLINE)):
        raise ModemSilent(
            f"the modem does not answer AT{_heard(desk)}",
            advice="is it powered, is this its port, and does it know this speed (baud=…)?",
        )


def _command(desk: Desk, text: str) -> Script[None]:
    result = None
    for _ in range(TRIES):
        yield from desk.pause(desk.settings.gap_s)
        yield from desk.send(text)
        result = yield from _answer(desk, desk.settings.command_s)
        if result is not None and result.word is Word.OK:
            return
    if result is None:
        raise ModemSilent(f"the modem does not answer {text}{_heard(desk)}", advice="switch it off and on again")
    raise ModemRefused(
        f"the modem refuses {text}", advice="it does not know this command: correct the modem's init commands"
    )


def _answer(desk: Desk, seconds: float) -> Script[Result | None]:
    """Wait for OK or ERROR; None if neither comes in time."""
    until = desk.now + seconds
    while (result := (yield from desk.listen_until(until))) is not None:
        if result.word in (Word.OK, Word.ERROR):
            return result
    return None


def _hears(desk: Desk, seconds: float, *words: Word) -> Script[bool]:
    until = desk.now + seconds
    while (result := (yield from desk.listen_until(until))) is not None:
        if result.word in words:
            return True
    return False


def _connection(desk: Desk, before: Carrier, limit_s: float, settle_s: float, what: str) -> Script[Connected]:
    """Wait for CONNECT, then let the line settle; tell a failure apart."""
    until = desk.now + limit_s
    rate = 0
    while (result := (yield from desk.listen_until(until))) is not None:
        if result.word is Word.CONNECT:
            return (yield from _settled(desk, before, rate or result.rate, settle_s, what))
        if result.word is Word.PROGRESS:
            rate = result.rate or rate
        elif (failure := _failure(result, what)) is not None:
            desk.was = Was.ENDED
            raise failure
    raise ModemSilent(f"{what}: the modem came to no result in {limit_s:.0f} s{_heard(desk)}")


def _settled(desk: Desk, before: Carrier, rate: int, settle_s: float, what: str) -> Script[Connected]:
    desk.was = Was.ONLINE
    for result in (yield from desk.pause(settle_s)):
        if result.word is Word.NO_CARRIER:
            desk.was = Was.ENDED
            raise NoCarrier(f"{what}: the far end hung up as soon as it was connected")
        if result.word is Word.PROGRESS:
            rate = result.rate or rate
    return Connected(rate, before is Carrier.DOWN and desk.carrier is Carrier.UP, desk.caller)


def _failure(result: Result, what: str) -> CallError | None:
    """Return what `result` says about the call, None if it says nothing.

    A late OK says nothing, nor does RING: the exchange signals a caller while we have the line.
    """
    found = _FAILURES.get(result.word)
    return None if found is None else found[0](f"{what}: {result.text}", advice=found[1])


def _answered(desk: Desk, rings: int, settle_s: float) -> Script[Connected | None]:
    """Wait for a call and answer it; None when it is time to see whether the modem still lives."""
    check_at = desk.now + desk.settings.recheck_s
    while desk.ringing or desk.now < check_at:
        if desk.ringing and desk.rings >= rings:
            connected = yield from _pick_up(desk, settle_s)
            desk.rings, desk.ringing_until = 0, 0.0
            if connected is not None:
                return connected
            desk.caller = ""
            continue
        result = yield from desk.listen_until(desk.ringing_until if desk.ringing else check_at)
        if result is None:
            desk.caller = ""
        elif result.word is Word.CONNECT:  # it answers by itself, whatever S0 we gave it
            return (yield from _settled(desk, Carrier.UNKNOWN, result.rate, settle_s, "answering"))
    return None


def _pick_up(desk: Desk, settle_s: float) -> Script[Connected | None]:
    """Answer; None if the caller was gone."""
    before = desk.carrier
    for result in (yield from desk.pause(desk.settings.gap_s)):
        if result.word is Word.CONNECT:
            return (yield from _settled(desk, before, result.rate, settle_s, "answering"))
    limit_s = ANSWER_WAIT_S + desk.settings.slack_s
    desk.ringing_until = desk.now + limit_s + settle_s
    desk.was = Was.DIALLING
    yield from desk.send("ATA")
    try:
        return (yield from _connection(desk, before, limit_s, settle_s, "answering"))
    except CallError as error:
        desk.said.append(f"! {error.message}")
    if not (yield from hang_up(desk, desk.was)):
        raise NotOnHook("after a call that came in, the modem does not confirm that it hung up")
    desk.was = Was.ON_HOOK
    return None


def _carrier_fell(desk: Desk) -> Script[bool]:
    until = desk.now + desk.settings.release_s
    while desk.carrier is not Carrier.DOWN and desk.now < until:
        yield from desk.listen(POLL_S)
    return desk.carrier is Carrier.DOWN


def _on_hook(desk: Desk) -> Script[bool]:
    """Tell the modem to hang up; return whether it says that it did."""
    for text in ("ATH0", "ATH"):  # some know only the second
        yield from desk.pause(desk.settings.gap_s)
        yield from desk.send(text)
        until = desk.now + HANG_UP_COMMAND_S
        while (result := (yield from desk.listen_until(until))) is not None and result.word is not Word.ERROR:
            if result.word in (Word.OK, Word.NO_CARRIER):
                return True
        if result is None:
            return False
    return False


def _heard(desk: Desk) -> str:
    return f"; heard {desk.unknown!r}" if desk.unknown else ""
