"""The Hayes core of the simulated modem: what it takes, and what a real modem would not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersim.modem.events import Answered, Dialled, OffHook, OnHook, Transmit
from metersim.modem.hayes import Modem, Phase
from metersim.modem.results import Carrier
from metersim.modem.settings import ModemModel

PAUSE_S = 0.2


class Bench:
    """A modem, its clock, and what it said since it was last looked at."""

    def __init__(self, model: ModemModel | None = None) -> None:
        self.now = 100.0
        self.modem = Modem(self.now, model)
        self.events: list[object] = []

    def has_carrier(self) -> bool:
        return self.modem.dcd

    def is_at(self, phase: Phase) -> bool:
        return self.modem.phase is phase

    def send(self, octets: bytes) -> None:
        self.events += self.modem.feed(octets, self.now)

    def wait(self, seconds: float) -> bytes:
        """Let time pass, timer by timer; return what the modem said."""
        until = self.now + seconds
        while (due := self.modem.deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.events += self.modem.tick(self.now)
        self.now = until
        return self.modem.take_output()

    def ask(self, command: str, wait_s: float = 1.0) -> str:
        """Send a command line after a decent pause; return what was said, without echo and line ends."""
        self.wait(PAUSE_S)
        self.modem.take_output()
        self.send(command.encode() + b"\r")
        said = self.wait(wait_s).decode()
        return said.removeprefix(f"{command}\r").replace("\r\n", " ").replace("\r", " ").strip()

    def dial(self, command: str = "ATDT5550100") -> None:
        """Dial as far as the last digit, with a dial tone."""
        assert self.ask(command, 0.1) == ""
        self.events += self.modem.dial_tone(self.now)
        self.wait(10)
        assert self.modem.phase is Phase.WAITING

    def connect(self, carrier: Carrier | None = None) -> str:
        self.dial()
        self.events += self.modem.carrier(carrier or Carrier(2400), self.now)
        self.events.clear()
        return self.wait(0).decode().strip()


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("AT", "OK"),
        ("at", "OK"),
        ("ATE0Q0V1&C1&D2", "OK"),
        ("AT &C1 &D2 S0=0 S7=60", "OK"),
        ("AT&F", "OK"),
        ("ATX4\\N0&K0&Q6M0L0B1", "OK"),
        ("AT+MS=V22B,0,2400,2400", "OK"),
        ("AT+MS=V99", "ERROR"),
        ("ATX9", "ERROR"),
        ("ATE0&Z", "ERROR"),
        ("ATS7=256", "ERROR"),
        ("ATS200=1", "ERROR"),
        ("ATDT555;0100", "ERROR"),
        ("ATDT555+0100", "ERROR"),
        ("ATO", "ERROR"),
        ("AT" + "E0" * 31, "ERROR"),  # longer than its line
        ("ATS7?", "050  OK"),
    ],
)
def test_commands(bench: Bench, command: str, answer: str) -> None:
    assert bench.ask(command) == answer


def test_mixed_case_is_no_attention(bench: Bench) -> None:
    bench.send(b"aT\r")
    assert bench.wait(1) == b"aT\r"  # its echo
    assert bench.ask("AT") == "OK"


def test_what_stands_before_a_mistake_has_taken_effect(bench: Bench) -> None:
    assert bench.ask("ATS7=33X9S7=44") == "ERROR"
    assert bench.ask("ATS7?").startswith("033")


def test_a_command_sent_too_soon_is_lost(bench: Bench) -> None:
    bench.send(b"ATE0\r")
    assert bench.wait(0.03).endswith(b"OK\r\n")
    bench.send(b"ATV0\r")
    assert bench.wait(5) == b""
    assert bench.modem.lost == 5
    assert bench.ask("AT") == "OK"  # and not the 0 of a V0


def test_nothing_after_z_is_looked_at_and_a_reset_takes_its_time(bench: Bench) -> None:
    bench.ask("ATE0S7=33")
    assert bench.ask("ATZE0V0", 0.5) == ""
    assert bench.wait(1) == b"\r\nOK\r\n"
    assert bench.modem.settings.letters["E"] == 1
    assert bench.modem.settings.registers[7] == 50


def test_echo_numbers_and_silence(bench: Bench) -> None:
    bench.send(b"ATE0V0\r")
    assert bench.wait(1) == b"ATE0V0\r0\r"
    bench.wait(1)
    bench.send(b"AT\r")
    assert bench.wait(1) == b"0\r"
    bench.wait(1)
    bench.send(b"ATQ1\r")
    assert bench.wait(1) == b""
    bench.send(b"AT\r")
    assert bench.wait(1) == b""


def test_a_repeated_command(bench: Bench) -> None:
    bench.ask("ATS7?")
    bench.send(b"A/")
    assert b"050" in bench.wait(1)


def test_dialling(bench: Bench) -> None:
    bench.dial("ATDT (555) 01-00")
    assert bench.events == [OffHook(), Dialled("5550100")]


def test_pauses_and_pulses_take_their_time(bench: Bench) -> None:
    bench.ask("ATDP9,T12", 0.1)
    bench.modem.dial_tone(bench.now)
    bench.wait(1.0 + 0.9 + 0.7 + 2.0)
    assert bench.is_at(Phase.DIALLING)  # two tones are to come
    bench.wait(0.4)
    assert bench.is_at(Phase.WAITING)


def test_no_dial_tone(bench: Bench) -> None:
    assert bench.ask("ATDT1", 10) == "NO DIALTONE"
    assert bench.ask("ATX3") == "OK"
    assert bench.ask("ATDT1", 10) == ""  # it dials without listening
    assert bench.modem.phase is Phase.WAITING


@pytest.mark.parametrize("stray", [b"\n", b"x", b"ATH\r"])
def test_a_character_ends_a_call_that_is_being_set_up(bench: Bench, stray: bytes) -> None:
    bench.dial()
    bench.send(stray)
    assert bench.wait(0) == b"\r\nNO CARRIER\r\n"
    assert bench.events[-1] == OnHook("a character ended the call")


@pytest.mark.parametrize(("level", "said"), [(0, "NO CARRIER"), (2, "NO CARRIER"), (3, "BUSY"), (4, "BUSY")])
def test_busy_is_heard_where_x_says_so(bench: Bench, level: int, said: str) -> None:
    bench.ask(f"ATX{level}S7=20")
    bench.dial()
    bench.modem.busy(bench.now)
    assert bench.wait(30).decode().strip() == said


def test_no_answer_is_told_only_to_who_listens(bench: Bench) -> None:
    for level, said in ((4, "NO ANSWER"), (1, "NO CARRIER")):
        bench.ask(f"ATX{level}S7=20")
        bench.dial()
        bench.modem.ringback()
        assert bench.wait(30).decode().strip() == said
    bench.dial()
    bench.modem.ringback()
    bench.modem.picked_up()
    assert bench.wait(30).decode().strip() == "NO CARRIER"


@pytest.mark.parametrize(
    ("commands", "carrier", "said"),
    [
        ("ATV1", Carrier(2400), "CONNECT 2400"),
        ("ATX0", Carrier(2400), "CONNECT"),
        ("ATV1", Carrier(300), "CONNECT"),
        ("ATV0", Carrier(1200), "5"),
        ("ATV0", Carrier(9600), "12"),
        ("ATV0X0", Carrier(9600), "1"),
        ("ATV1", Carrier(2400, corrected=True), "CONNECT 2400/ARQ"),
        ("ATW1", Carrier(1200), "CARRIER 1200\r\n\r\nPROTOCOL: NONE\r\n\r\nCONNECT 1200"),
        ("ATQ1", Carrier(1200), ""),
    ],
)
def test_connect(bench: Bench, commands: str, carrier: Carrier, said: str) -> None:
    bench.ask(commands)
    assert bench.connect(carrier) == said
    assert bench.modem.dcd


def test_data_flow_both_ways(bench: Bench) -> None:
    bench.connect()
    bench.send(b"\xee\x00ATH\r")
    assert bench.events == [Transmit(b"\xee\x00ATH\r")]
    bench.modem.receive(b"\x06\xee", bench.now)
    assert bench.wait(0) == b"\x06\xee"


def test_the_escape_needs_its_silences(bench: Bench) -> None:
    bench.connect()
    bench.send(b"data")
    bench.wait(0.5)
    bench.send(b"+++")  # too soon
    assert bench.wait(5) == b""
    bench.send(b"+++")
    assert bench.wait(0.9) == b""
    bench.send(b"\r")  # too soon after
    assert bench.wait(5) == b""
    bench.send(b"++")
    bench.wait(0.5)
    bench.send(b"+")
    assert bench.wait(0.9) == b""
    assert bench.wait(0.2) == b"\r\nOK\r\n"
    assert bench.is_at(Phase.ESCAPED)
    assert bench.has_carrier()
    assert bench.ask("ATO") == "CONNECT 2400"
    bench.wait(1)
    bench.send(b"+++")
    bench.wait(1.1)
    assert bench.ask("ATH") == "OK"
    assert not bench.has_carrier()
    assert OnHook("ATH") in bench.events


def test_four_escape_characters_are_data(bench: Bench) -> None:
    bench.connect()
    bench.wait(2)
    bench.send(b"++++")
    assert bench.wait(5) == b""


def test_no_escape_where_s2_switches_it_off(bench: Bench) -> None:
    bench.ask("ATS2=200")
    bench.connect()
    bench.wait(2)
    bench.send(b"+++")
    assert bench.wait(5) == b""


@pytest.mark.parametrize(
    ("what", "phase", "said"),
    [(0, Phase.DATA, ""), (1, Phase.ESCAPED, "OK"), (2, Phase.COMMAND, "OK"), (3, Phase.COMMAND, "OK")],
)
def test_dtr(bench: Bench, what: int, phase: Phase, said: str) -> None:
    bench.ask(f"AT&D{what}S7=33")
    bench.connect()
    bench.modem.dtr(on=False, now=bench.now)
    bench.wait(0.04)
    bench.modem.dtr(on=True, now=bench.now)
    assert bench.wait(1) == b""  # shorter than S25
    assert bench.is_at(Phase.DATA)
    bench.modem.dtr(on=False, now=bench.now)
    assert bench.wait(0.06).decode().strip() == said
    assert bench.is_at(phase)
    assert (bench.modem.settings.registers[7] == 50) == (what == 3)


def test_without_dtr_no_command_is_taken_where_dtr_counts(bench: Bench) -> None:
    bench.modem.dtr(on=False, now=bench.now)
    assert bench.ask("AT") == ""
    bench.modem.dtr(on=True, now=bench.now)
    assert bench.ask("AT") == "OK"


def test_a_lost_carrier_counts_after_s10(bench: Bench) -> None:
    bench.ask("ATS10=30")
    bench.connect()
    bench.modem.carrier_lost(bench.now)
    assert bench.wait(2.9) == b""
    assert bench.wait(0.2) == b"\r\nNO CARRIER\r\n"
    assert not bench.modem.dcd


def test_idle_calls_end_where_s30_says_so(bench: Bench) -> None:
    bench.ask("ATS30=2")
    bench.connect()
    bench.wait(15)
    bench.modem.receive(b"x", bench.now)
    assert bench.wait(19) == b"x"
    assert bench.wait(2) == b"\r\nNO CARRIER\r\n"


def test_rings_and_answers(bench: Bench) -> None:
    bench.events += bench.modem.ring(bench.now)
    assert bench.wait(6) == b"\r\nRING\r\n"
    bench.ask("ATA", 0)
    assert bench.events == [Answered()]
    bench.modem.carrier(Carrier(1200), bench.now)
    assert bench.wait(0).endswith(b"CONNECT 1200\r\n")


def test_answering_by_itself_after_s0_rings(bench: Bench) -> None:
    bench.ask("ATS0=2")
    bench.events += bench.modem.ring(bench.now)
    bench.wait(6)
    assert bench.events == []
    bench.events += bench.modem.ring(bench.now)
    assert bench.events == [Answered()]


def test_answering_nobody_ends_without_a_carrier(bench: Bench) -> None:
    assert bench.ask("ATS7=5") == "OK"
    assert bench.ask("ATA", 10) == "NO CARRIER"


def test_the_redial_guard(bench: Bench) -> None:
    bench.modem.answer_next_dial("DELAYED")
    assert bench.ask("ATDT1") == "DELAYED 00:01:00"
    assert bench.ask("ATDT1").startswith("DELAYED 00:00:5")
    bench.wait(60)
    bench.dial("ATDT1")
    bench.send(b"\r")
    bench.modem.answer_next_dial("BLACKLISTED")
    assert bench.ask("ATDT2") == "BLACKLISTED"
    bench.wait(3600)
    assert bench.ask("ATDT2") == "BLACKLISTED"
    bench.modem.answer_next_dial("ERROR")
    assert bench.ask("ATDT3") == "ERROR"
    assert bench.modem.phase is Phase.COMMAND


def test_a_terminal_with_parity_is_answered_with_parity(bench: Bench) -> None:
    even = bytes(octet | (octet.bit_count() & 1) << 7 for octet in b"ATE0\r")
    bench.send(even)
    assert bench.wait(1).removeprefix(even) == bytes(o | (o.bit_count() & 1) << 7 for o in b"\r\nOK\r\n")
    assert bench.ask("AT") == "OK"  # it learns 8N1 again


@given(st.lists(st.tuples(st.binary(max_size=40), st.floats(0, 70)), max_size=12))
def test_no_octets_break_it(script: list[tuple[bytes, float]]) -> None:
    bench = Bench()
    for octets, pause in script:
        bench.send(octets)
        bench.modem.dial_tone(bench.now)
        bench.wait(pause)
    bench.modem.dtr(on=False, now=bench.now)
    bench.wait(100)
    assert bench.modem.phase in (Phase.COMMAND, Phase.DIALLING, Phase.WAITING, Phase.DATA, Phase.ESCAPED)
    off = [event for event in bench.events if isinstance(event, OffHook | Answered)]
    on = [event for event in bench.events if isinstance(event, OnHook)]
    assert len(off) - len(on) == bench.modem.off_hook
