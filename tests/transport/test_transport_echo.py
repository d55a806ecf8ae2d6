"""The echo filter, without a line; time is a number."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.transport.echo import LATE_S, QUIET_S, EchoFilter
from drivers.transport.urls import EchoMode

IDENTIFY = bytes.fromhex("EE 00 00 00 00 01 20 13 10")
ANSWER = bytes.fromhex("06 EE 00 00 00 00 05 00 00 01 00 00 C6 B5")
READ = bytes.fromhex("EE 00 20 00 00 03 30 00 17 A4 5B")  # the filter knows no CRC


@dataclass
class Line:
    """An echoing probe: what was sent comes back, damaged if asked for, before the meter's answer."""

    filter: EchoFilter
    pieces: int = 1000
    now: float = 100.0
    out: bytearray = field(default_factory=bytearray)

    def exchange(self, sent: bytes, received: bytes) -> bytes:
        """Return what the client gets to see."""
        self.filter.sent(sent, self.now, self.now + 0.01)
        out = b""
        for at in range(0, len(received), self.pieces):
            self.now += 0.001
            out += self.filter.received(received[at : at + self.pieces], self.now)
        return out

    def wait(self) -> bytes:
        """Let the line be quiet until the filter gives out what it holds."""
        deadline = self.filter.deadline()
        if deadline is None:
            return b""
        self.now = deadline
        return self.filter.expired(self.now)


def known(pieces: int = 1000) -> Line:
    line = Line(EchoFilter("auto"), pieces)
    assert line.exchange(IDENTIFY, IDENTIFY + ANSWER) == ANSWER
    assert line.filter.state == "on"
    return line


every_piece = pytest.mark.parametrize("pieces", [1, 2, 3, 1000])


@every_piece
def test_auto_finds_an_echo_on_the_first_identify(pieces: int) -> None:
    line = known(pieces)
    assert line.exchange(b"\x06", b"\x06") == b""
    assert line.exchange(READ, READ + ANSWER) == ANSWER
    assert line.filter.deadline() is None


@every_piece
def test_auto_finds_none_and_delays_nothing(pieces: int) -> None:
    line = Line(EchoFilter("auto"), pieces)
    assert line.exchange(IDENTIFY, ANSWER) == ANSWER
    assert line.filter.state == "off"
    assert line.exchange(b"\x06", b"") == b""
    assert line.exchange(READ, ANSWER) == ANSWER
    assert line.exchange(READ, b"\x15") == b"\x15"
    assert line.filter.deadline() is None


@every_piece
def test_noise_before_the_first_echo_is_passed_on(pieces: int) -> None:
    line = Line(EchoFilter("auto"), pieces)
    line.filter.sent(b"\x55", line.now, line.now)  # the wake-up octet, echoed as well
    assert line.exchange(IDENTIFY, b"\x55\xff" + IDENTIFY + ANSWER) == b"\x55\xff" + ANSWER
    assert line.filter.state == "on"


def test_silence_decides_nothing() -> None:
    line = Line(EchoFilter("auto"))
    assert line.exchange(IDENTIFY, b"") == b""
    assert line.filter.state == "undecided"
    assert line.exchange(IDENTIFY, IDENTIFY + ANSWER) == ANSWER


@every_piece
def test_an_answer_whose_ack_was_lost_is_no_echo(pieces: int) -> None:
    """It begins like the request: EE 00 00 00 00."""
    line = Line(EchoFilter("auto"), pieces)
    assert line.exchange(IDENTIFY, ANSWER[1:]) == ANSWER[1:]
    assert line.filter.state == "off"


def test_part_of_an_echo_is_given_out_when_the_line_stays_quiet() -> None:
    line = Line(EchoFilter("auto"))
    assert line.exchange(IDENTIFY, IDENTIFY[:5]) == b""
    assert line.filter.expired(line.now) == b""
    assert line.wait() == IDENTIFY[:5]
    assert line.filter.state == "undecided"


def test_an_echo_missed_at_first_is_found_at_the_next_packet() -> None:
    line = Line(EchoFilter("auto"))
    damaged = bytes([*IDENTIFY[:7], IDENTIFY[7] ^ 1, IDENTIFY[8]])
    line.exchange(IDENTIFY, damaged + ANSWER)
    states = [line.filter.state]
    assert line.exchange(READ, READ + ANSWER) == ANSWER
    states.append(line.filter.state)
    assert states == ["off", "on"]


def test_endless_noise_is_not_held() -> None:
    line = Line(EchoFilter("auto"))
    noise = bytes([0x33]) * 10_000
    assert line.exchange(IDENTIFY, noise) == noise


@pytest.mark.parametrize("sent", [IDENTIFY, b"\x06", b"\x15"])
def test_forced_on_at_a_probe_without_echo_still_gets_the_answers(sent: bytes) -> None:
    line = Line(EchoFilter("on"), 1)
    answer = ANSWER[1:] if sent == b"\x06" else ANSWER
    assert line.exchange(sent, answer) + line.wait() == answer


def test_off_passes_everything() -> None:
    line = Line(EchoFilter("off"))
    assert line.exchange(IDENTIFY, IDENTIFY + ANSWER) == IDENTIFY + ANSWER
    assert line.filter.state == "off"


def test_octets_that_never_came_do_not_eat_the_reply_to_the_next_packet() -> None:
    line = known()
    assert line.exchange(READ, b"") == b""  # neither echo nor answer: unplugged for a moment
    line.now += LATE_S + 1
    assert line.exchange(IDENTIFY, IDENTIFY + ANSWER) == ANSWER


@every_piece
def test_an_echo_that_is_over_before_its_time_does_not_delay_the_answer(pieces: int) -> None:
    line = known(pieces)
    assert line.exchange(READ, READ[:2] + ANSWER) == ANSWER
    assert line.filter.deadline() is None


def test_a_late_echo_is_still_an_echo() -> None:
    """A program that was held up reads late what came in time."""
    line = known()
    line.filter.sent(READ, line.now, line.now)
    line.now += 10 * LATE_S
    assert line.filter.received(READ + ANSWER, line.now) == ANSWER


def test_what_a_discard_dropped_is_not_waited_for() -> None:
    line = known()
    line.filter.sent(READ, line.now, line.now)
    assert line.filter.discarded(4) == 0
    assert line.filter.received(READ[4:] + ANSWER, line.now) == ANSWER
    assert line.filter.counts.damaged == 0


def test_a_change_of_speed_forgets_what_was_pending() -> None:
    line = known()
    line.filter.sent(b"\x06", line.now, line.now)
    line.filter.restart()
    assert line.exchange(READ, READ + ANSWER) == ANSWER
    assert line.filter.counts.damaged == 0


def test_damage_is_counted() -> None:
    line = known()
    assert line.exchange(READ, READ[:3] + READ[4:] + ANSWER) == ANSWER
    assert (line.filter.counts.removed, line.filter.counts.damaged) == (len(IDENTIFY) + len(READ) - 1, 1)


def test_a_held_octet_waits_no_longer_than_the_pause() -> None:
    line = known()
    line.exchange(READ, READ[:5] + b"\x99")
    assert line.filter.deadline() == pytest.approx(line.now + QUIET_S)
    assert line.wait() == b""
    assert line.filter.received(ANSWER, line.now) == ANSWER


packets = st.binary(min_size=3, max_size=40).map(lambda data: b"\xee\x00\x20\x00\x00" + bytes([len(data) - 2]) + data)
splits = st.sampled_from([1, 2, 7, 1000])


@given(sent=st.lists(packets, min_size=1, max_size=5), answer=packets, pieces=splits)
def test_on_a_clean_line_exactly_the_answers_come_out(sent: list[bytes], answer: bytes, pieces: int) -> None:
    line = known(pieces)
    for packet in sent:
        assert line.exchange(packet, packet + b"\x06" + answer) == b"\x06" + answer
        assert line.exchange(b"\x06", b"\x06") == b""
    assert line.filter.deadline() is None
    assert line.filter.counts.damaged == 0


@given(sent=packets, answer=packets, at=st.integers(0, 45), bit=st.integers(0, 7), pieces=splits)
def test_one_flipped_octet_never_costs_the_answer(sent: bytes, answer: bytes, at: int, bit: int, pieces: int) -> None:
    line = known(pieces)
    at %= len(sent)
    echo = sent[:at] + bytes([sent[at] ^ (1 << bit)]) + sent[at + 1 :]
    assert (line.exchange(sent, echo + b"\x06" + answer) + line.wait()).endswith(answer)


@given(sent=packets, answer=packets, at=st.integers(0, 45), pieces=splits)
@example(sent=READ[:-1] + b"\x06", answer=ANSWER[1:], at=len(READ) - 1, pieces=1)  # the lost octet looks like the ACK
def test_one_lost_octet_never_costs_the_answer(sent: bytes, answer: bytes, at: int, pieces: int) -> None:
    line = known(pieces)
    at %= len(sent)
    echo = sent[:at] + sent[at + 1 :]
    assert (line.exchange(sent, echo + b"\x06" + answer) + line.wait()).endswith(answer)


@given(sent=packets, answer=packets, at=st.integers(0, 45), extra=st.binary(min_size=1, max_size=1), pieces=splits)
def test_one_extra_octet_never_costs_the_answer(sent: bytes, answer: bytes, at: int, extra: bytes, pieces: int) -> None:
    line = known(pieces)
    at %= len(sent)
    echo = sent[:at] + extra + sent[at:]
    assert (line.exchange(sent, echo + b"\x06" + answer) + line.wait()).endswith(answer)


@given(chunks=st.lists(st.tuples(st.booleans(), st.binary(max_size=60))), mode=st.sampled_from(["auto", "on", "off"]))
def test_any_input_is_given_out_or_removed_and_never_made_up(chunks: list[tuple[bool, bytes]], mode: EchoMode) -> None:
    line = Line(EchoFilter(mode))
    received, out = b"", b""
    for is_sent, chunk in chunks:
        line.now += 0.1
        if is_sent:
            line.filter.sent(chunk, line.now, line.now)
        else:
            received += chunk
            out += line.filter.received(chunk, line.now)
    out += line.wait()
    rest = iter(received)
    assert all(octet in rest for octet in out)  # in order, nothing added
    assert line.filter.deadline() is None


@pytest.mark.parametrize(("rate", "bound"), [(0.0, 1.0), (0.003, 0.999), (0.02, 0.995)])
@every_piece
def test_nearly_every_exchange_goes_through_on_a_bad_line(rate: float, bound: float, pieces: int) -> None:
    """Octets of the echo are lost, flipped or added; of the answers, none, so that only the filter is judged."""
    rng = random.Random(7)  # noqa: S311 - repeatable damage
    line = known(pieces)
    exchanges, through = 2000, 0
    for _ in range(exchanges):
        sent, answer = _packet(rng, rng.choice((1, 3, 8, 13, 29))), _packet(rng, rng.choice((1, 5, 40, 200)))
        out = line.exchange(sent, _damaged(rng, sent, rate) + b"\x06" + answer) + line.wait()
        through += out.endswith(answer)
        line.exchange(b"\x06", _damaged(rng, b"\x06", rate))  # the next request follows at once
    assert through >= bound * exchanges


def _packet(rng: random.Random, octets: int) -> bytes:
    return b"\xee\x00" + bytes([rng.choice((0x00, 0x20)), 0]) + octets.to_bytes(2, "big") + rng.randbytes(octets + 2)


def _damaged(rng: random.Random, octets: bytes, rate: float) -> bytes:
    out = bytearray()
    for octet in octets:
        fate = rng.choice(("lost", "flipped", "extra")) if rng.random() < rate else "whole"
        if fate != "lost":
            out.append(octet ^ (1 << rng.randrange(8)) if fate == "flipped" else octet)
        if fate == "extra":
            out.append(rng.randrange(256))
    return bytes(out)
