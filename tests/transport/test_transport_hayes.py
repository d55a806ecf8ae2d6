"""The AT dialogue in virtual time: every result, every way that octets can be cut, every way to hang up."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from drivers.transport.hayes import Desk, Dialogue, Was
from drivers.transport.modem_lines import LineSplitter, Result, understand
from drivers.transport.modem_scripts import Connected, await_call, dial, hang_up, prepare
from drivers.transport.modem_settings import ModemSettings, Word
from tests.transport.fake_modem import FakeModem, play, steps

CALL = Call("555-0100", wait_s=45)
calling = partial(dial, call=CALL)


def test_a_call_that_is_answered() -> None:
    modem = FakeModem()
    connected, desk = play(calling, modem)
    assert connected == Connected(2400)
    assert modem.commands == [
        "AT",
        "AT&F",
        "ATE0Q0V1",
        "ATX4",
        "AT&C1&D2",
        "ATS0=0",
        "ATS7=45",
        "ATDT5550100",
    ]
    assert list(desk.said)[-2:] == ["> ATDT5550100", "< CONNECT 2400"]
    assert desk.was is Was.ONLINE
    assert modem.data == b""


@pytest.mark.parametrize(
    ("result", "kind", "retry", "about"),
    [
        ("BUSY", LineBusy, True, "number"),
        ("NO ANSWER", NoAnswer, True, "number"),
        ("NO CARRIER", NoCarrier, True, "number"),
        ("VOICE", NoCarrier, True, "number"),
        ("NO DIALTONE", NoDialTone, True, "line"),
        ("NO DIAL TONE", NoDialTone, True, "line"),
        ("no dial tone", NoDialTone, True, "line"),
        ("LINE IN USE", NoDialTone, True, "line"),
        ("DELAYED", CallDelayed, True, "number"),
        ("DELAYED 00:02:00", CallDelayed, True, "number"),
        ("BLACKLISTED", CallBarred, True, "number"),
        ("ERROR", ModemRefused, False, "modem"),
    ],
)
def test_each_result_is_an_error_of_its_own(result: str, kind: type[CallError], retry: bool, about: str) -> None:
    modem = FakeModem(result=result)
    with pytest.raises(kind) as caught:
        play(calling, modem)
    assert (caught.value.retry, caught.value.about) == (retry, about)
    assert caught.value.wait_s >= 60 or not retry
    assert "5550100" in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_plan_of_retries_can_tell_the_causes_apart() -> None:
    assert LineBusy.wait_s < NoCarrier.wait_s < NoAnswer.wait_s
    assert 300 <= NoDialTone.wait_s <= 900
    kinds = [one.kind for one in CallError.__subclasses__()]
    assert len(set(kinds)) == len(kinds) == 12
    assert LineBusy("x", wait_s=7).wait_s == 7


@pytest.mark.parametrize(
    ("result", "rate"),
    [
        ("CONNECT", 0),
        ("CONNECT 300", 300),
        ("CONNECT 1200", 1200),
        ("CONNECT 2400/ARQ", 2400),
        ("CONNECT 1200TX/75RX", 1200),
        ("CONNECT 33600 V42bis", 33_600),
        ("CONNECT/LAPM", 0),
        ("Connect 9600", 9600),
        ("CONNECT 115200", 115_200),
    ],
)
def test_the_speed_of_a_connection(result: str, rate: int) -> None:
    found = understand(result, ModemSettings())
    assert found == Result(Word.CONNECT, result, rate)


@pytest.mark.parametrize(
    "line", ["ATDT5550100", "CONNECTION REFUSED?", "OKAY", "RINGO", "+++", "15", "99", "\x06", "BUSYNESS", "3 3"]
)
def test_other_lines_mean_nothing(line: str) -> None:
    assert understand(line, ModemSettings()) is None


def test_extra_lines_around_the_connection_tell_the_speed_of_the_line() -> None:
    before = ("RRING", "RINGING", "CARRIER 2400", "PROTOCOL: LAP-M V42", "COMPRESSION: V.42BIS", "RING", "OK")
    connected, _ = play(calling, FakeModem(result="CONNECT 115200", before=before))
    assert connected.rate == 2400
    connected, _ = play(calling, FakeModem(result="CONNECT 19200", after=("CARRIER 1200", "PROTOCOL: NONE")))
    assert connected.rate == 1200


def test_numeric_results() -> None:
    modem = FakeModem(numeric=True, result="CONNECT 2400")
    connected, _ = play(calling, modem, ModemSettings(numeric=True))
    assert connected.rate == 2400
    assert "ATV0" in modem.commands
    with pytest.raises(LineBusy):
        play(calling, FakeModem(numeric=True, result="BUSY"), ModemSettings(numeric=True))


def test_all_codes_are_understood() -> None:
    found = {code: understand(code, ModemSettings()) for code in map(str, range(15))}
    assert found.pop("9") is None
    assert {code: result.rate for code, result in found.items() if result and result.word is Word.CONNECT} == {
        "1": 0,
        "5": 1200,
        "10": 2400,
        "11": 4800,
        "12": 9600,
        "13": 14_400,
        "14": 19_200,
    }


def test_a_modem_that_echoes_its_commands() -> None:
    connected, _ = play(calling, FakeModem(echo=True))
    assert connected.rate == 2400


def test_pulse_dialling_and_commands_of_the_call() -> None:
    modem = FakeModem()
    call = Call("0,5550100", tone="pulse", init=("AT+MS=V22B",))
    play(partial(dial, call=call), modem, ModemSettings(extra=("AT&K0",)))
    assert modem.commands[-5:] == ["ATS0=0", "AT&K0", "AT+MS=V22B", "ATS7=60", "ATDP0,5550100"]


def test_a_command_that_the_modem_does_not_know() -> None:
    modem = FakeModem(refuses=("X4",))
    with pytest.raises(ModemRefused, match="refuses ATX4") as caught:
        play(calling, modem)
    assert not caught.value.retry
    assert modem.commands.count("ATX4") == 2
    assert not any(command.startswith("ATD") for command in modem.commands)


def test_a_modem_that_is_switched_off() -> None:
    modem = FakeModem(deaf=True)
    with pytest.raises(ModemSilent, match="does not answer AT") as caught:
        play(calling, modem)
    assert "powered" in caught.value.advice
    assert modem.now < 30


def test_a_modem_whose_stored_profile_keeps_it_silent_is_made_to_speak() -> None:
    modem = FakeModem(quiet=True)
    connected, _ = play(calling, modem)
    assert connected.rate == 2400
    assert modem.commands[:4] == ["AT", "AT", "ATQ0V1", "AT&F"]


def test_an_answer_that_is_lost_is_asked_for_again() -> None:
    modem = FakeModem()
    modem.at(0.3, lambda: setattr(modem, "deaf", True))
    modem.at(3.0, lambda: setattr(modem, "deaf", False))
    connected, _ = play(calling, modem)
    assert connected.rate == 2400


def test_a_modem_that_never_comes_to_a_result() -> None:
    modem = FakeModem(result="", before=("garbled",))
    with pytest.raises(ModemSilent, match=r"no result in .* heard 'garbled'"):
        play(calling, modem)
    assert modem.now < 80


def test_a_late_result_is_still_the_result() -> None:
    with pytest.raises(LineBusy):
        play(calling, FakeModem(result="BUSY", dial_s=50.0))


def test_the_far_end_hangs_up_while_the_line_settles() -> None:
    with pytest.raises(NoCarrier, match="as soon as it was connected"):
        play(calling, FakeModem(after=("NO CARRIER",)))


def test_a_call_that_comes_in_before_dialling_is_left_to_the_caller() -> None:
    modem = FakeModem()
    dialogue = Dialogue(calling, Desk(ModemSettings(), 0.0))
    for _ in steps(dialogue, modem):
        if modem.commands[-1] == "ATX4" and not dialogue.desk.rings:
            modem.ring()
    with pytest.raises(LineRinging):
        dialogue.result()
    assert not any(command.startswith("ATD") for command in modem.commands)


def test_a_modem_left_online_by_a_program_that_died_is_hung_up_first() -> None:
    modem = FakeModem(online=True, off_hook=True)
    connected, _ = play(calling, modem)
    assert connected.rate == 2400
    assert modem.commands[0] == "ATH0"


def test_nothing_sent_ends_in_a_line_feed() -> None:
    modem = FakeModem()
    play(calling, modem)
    hung_up(modem, Was.ONLINE)
    assert b"\n" not in modem.got
    assert modem.got.count(b"\r") == len(modem.commands)


@given(st.data())
def test_however_the_octets_are_cut_the_same_comes_out(data: st.DataObject) -> None:
    def cut(octets: bytes) -> list[bytes]:
        places = sorted(data.draw(st.sets(st.integers(0, len(octets))))) if octets else []
        return [octets[a:b] for a, b in zip([0, *places], [*places, len(octets)], strict=True)]

    result = data.draw(st.sampled_from(["CONNECT 1200/ARQ", "BUSY", "NO CARRIER", "NO DIALTONE"]))

    def outcome(cutting: bool) -> tuple[object, list[str]]:
        modem = FakeModem(result=result, before=("CARRIER 1200", "noise"), after=("PROTOCOL: NONE",), echo=True)
        desk = Desk(ModemSettings(), 0.0)
        dialogue = Dialogue(calling, desk)
        for _ in steps(dialogue, modem, cut if cutting else lambda octets: [octets]):
            pass
        try:
            return dialogue.result(), list(desk.said)
        except CallError as error:
            return (type(error), error.message), list(desk.said)

    assert outcome(cutting=True) == outcome(cutting=False)


@given(st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=8))
def test_lines_do_not_depend_on_how_they_are_cut(stream: bytes, places: list[int]) -> None:
    whole, cut = LineSplitter(), LineSplitter()
    ends = sorted({min(place, len(stream)) for place in places} | {0, len(stream)})
    lines = [line for a, b in pairwise(ends) for line in cut.feed(stream[a:b])]
    assert lines == whole.feed(stream)
    assert all(0 < len(line) <= 128 and line.isascii() and line.isprintable() for line in lines)


@given(st.lists(st.binary(max_size=40), max_size=30))
def test_a_babbling_modem_neither_crashes_nor_holds_us(chunks: list[bytes]) -> None:
    dialogue = Dialogue(calling, Desk(ModemSettings(), 0.0))
    now = 0.0
    for chunk in chunks:
        dialogue.feed(chunk, now)
        now += 0.5
    for _ in range(100_000):
        if dialogue.finished:
            break
        now = max(now, dialogue.deadline)
        dialogue.tick(now)
    assert dialogue.finished
    with suppress(CallError):
        dialogue.result()


# -- hanging up


def hung_up(modem: FakeModem, was: Was, *, follows: bool = False) -> bool:
    return play(partial(hang_up, was=was, follows=follows), modem, limit_s=30.0)[0]


def test_a_drop_of_dtr_is_enough_where_dcd_shows_it() -> None:
    modem = FakeModem(wired=True)
    play(calling, modem)
    began = modem.now
    assert hung_up(modem, Was.ONLINE, follows=True)
    assert not modem.off_hook
    assert modem.now - began < 1.0
    assert "ATH0" not in modem.commands
    assert modem.data == b""


def test_dcd_that_cannot_be_trusted_is_not_asked() -> None:
    modem = FakeModem(wired=True)
    play(calling, modem)
    assert hung_up(modem, Was.ONLINE)
    assert not modem.off_hook
    assert modem.commands[-1] == "ATH0"


@pytest.mark.parametrize("wired", [True, False])
def test_without_a_wire_for_dtr_the_escape_sequence_hangs_up(wired: bool) -> None:
    modem = FakeModem(wired=wired, no_dtr=True)
    play(calling, modem)
    assert hung_up(modem, Was.ONLINE, follows=wired)
    assert not modem.off_hook
    assert modem.commands[-1] == "ATH0"
    assert b"+++" not in modem.data


def test_the_guard_time_begins_when_the_last_octet_has_left() -> None:
    modem = FakeModem()
    play(calling, modem)
    began = modem.now
    modem.at(began + 2.0, lambda: modem.receive(b"x"))  # still in the port's buffer
    script = partial(hang_up, was=Was.ONLINE, quiet_from=began + 2.0)
    confirmed, desk = play(script, modem)
    assert confirmed
    assert [text for text in desk.said if text == "> +++"] == ["> +++"]


def test_a_longer_guard_time_is_found_at_the_second_try() -> None:
    modem = FakeModem(guard_s=2.0)
    play(calling, modem)
    assert hung_up(modem, Was.ONLINE)
    assert not modem.off_hook


def test_a_modem_that_has_hung_up_by_itself_is_asked_all_the_same() -> None:
    modem = FakeModem()
    play(calling, modem)
    modem.lose_carrier()
    modem.take()
    assert hung_up(modem, Was.ONLINE)
    modem.off_hook = True
    assert hung_up(modem, Was.ENDED)
    assert not modem.off_hook


@pytest.mark.parametrize("wired", [True, False])
def test_dialling_is_ended_by_any_sign(wired: bool) -> None:
    modem = FakeModem(result="", wired=wired)
    with pytest.raises(ModemSilent):
        play(calling, modem)
    assert modem.off_hook
    assert hung_up(modem, Was.DIALLING)
    assert not modem.off_hook


def test_a_connection_that_comes_just_when_dialling_is_ended_is_hung_up_too() -> None:
    modem = FakeModem(dial_s=5.0)
    dialogue = Dialogue(calling, Desk(ModemSettings(), 0.0))
    for now in steps(dialogue, modem):
        if modem.commands[-1].startswith("ATD") and now > 0 and dialogue.desk.was is Was.DIALLING:
            break
    modem.pass_time(modem.now + 5.0)  # CONNECT is on its way to us
    assert modem.online
    assert hung_up(modem, Was.DIALLING)
    assert not modem.off_hook


@pytest.mark.parametrize("was", [Was.ONLINE, Was.DIALLING, Was.ENDED])
@pytest.mark.parametrize("wired", [True, False])
def test_a_modem_that_does_not_obey_is_told_in_bounded_time(was: Was, wired: bool) -> None:
    modem = FakeModem(wired=wired, no_dtr=True, no_escape=True)
    play(calling, modem)
    began = modem.now
    assert not hung_up(modem, was, follows=wired)
    assert modem.now - began < 26.0


def test_a_modem_that_knows_only_ath() -> None:
    modem = FakeModem(refuses=("H0",))
    play(calling, modem)
    assert hung_up(modem, Was.ONLINE)
    assert modem.commands[-2:] == ["ATH0", "ATH"]


# -- calls that come in


def waiting(modem: FakeModem, rings: int = 1) -> Dialogue[Connected]:
    return Dialogue(partial(await_call, rings=rings, settle_s=0.5), Desk(ModemSettings(), modem.now, modem.carrier))


def run(dialogue: Dialogue[Connected], modem: FakeModem, until: float = 1000.0) -> None:
    modem.at(until, lambda: None)
    for now in steps(dialogue, modem):
        if now >= until:
            break


def test_a_call_is_answered_after_so_many_rings() -> None:
    modem = FakeModem(wired=True)
    dialogue = waiting(modem, rings=3)
    modem.at(20.0, lambda: modem.ring("DATE = 0101", "NMBR = 5550199"))
    modem.at(26.0, modem.ring)
    modem.at(32.0, modem.ring)
    run(dialogue, modem)
    assert dialogue.result() == Connected(2400, follows=True, caller="5550199")
    assert modem.commands[-1] == "ATA"
    assert 32.0 < modem.now < 40.0
    assert dialogue.desk.rings == 0


def test_a_caller_who_gives_up_is_forgotten() -> None:
    modem = FakeModem()
    dialogue = waiting(modem, rings=2)
    modem.at(20.0, lambda: modem.ring("NMBR = 1"))
    modem.at(40.0, modem.ring)
    run(dialogue, modem, until=400.0)
    assert "ATA" not in modem.commands
    assert dialogue.desk.caller == ""
    assert not dialogue.finished
    assert modem.commands.count("AT") == 2  # and the modem is set up anew now and then


@pytest.mark.parametrize("result", ["NO CARRIER", "ERROR", ""])
def test_a_caller_who_is_gone_before_the_carrier_leaves_the_line_on_hook(result: str) -> None:
    modem = FakeModem(result=result)
    dialogue = waiting(modem)
    modem.at(20.0, modem.ring)
    run(dialogue, modem, until=200.0)
    assert "ATA" in modem.commands
    assert not modem.off_hook
    assert not dialogue.finished
    assert dialogue.desk.was is Was.ON_HOOK


def test_a_line_that_cannot_be_put_on_hook_ends_the_waiting() -> None:
    modem = FakeModem(result="")
    dialogue = waiting(modem)
    modem.at(20.0, modem.ring)
    modem.at(30.0, lambda: setattr(modem, "deaf", True))
    run(dialogue, modem)
    with pytest.raises(NotOnHook):
        dialogue.result()


def test_a_modem_that_answers_by_itself() -> None:
    modem = FakeModem()
    dialogue = waiting(modem)
    modem.at(20.0, lambda: modem.say("CONNECT 2400"))
    run(dialogue, modem)
    assert dialogue.result().rate == 2400


def test_setting_up_again_wakes_a_modem_that_lost_its_power() -> None:
    modem = FakeModem()
    play(partial(prepare, commands=ModemSettings().commands), modem)
    assert modem.commands[0] == "AT"
    assert modem.commands[-1] == "ATS0=0"
