"""The link layer, rule by rule (C12.18 §5, §6, §8): one side driven by hand, octet by octet and second by second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import LocalProtocolError
from drivers.psem.assembly import Discarded, Message, Part
from drivers.psem.link import Link
from drivers.psem.link_events import Acknowledged, Failed, LinkEvent, Manner, TrafficTimeout
from drivers.psem.options import PsemOptions, Timing
from drivers.psem.packet import ACK, NAK, Packet, split_message
from tests.psem.pairs import Pair

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text())
ROBUST: dict[str, Any] = {vector["name"]: vector for vector in VECTORS["robustness"]}
ANSWER = b"\0\0\1\0\0"


class Hand:
    """One link, and a hand on the clock and the line."""

    def __init__(self, options: PsemOptions | None = None, *, baud: int = 9600) -> None:
        self.now = 50.0
        self.link = Link(options or PsemOptions(), self.now, baud=baud)

    def ask(self, data: bytes = b"\x20", manner: Manner | None = None) -> bytes:
        """Send a request that wants an answer; return what went out."""
        self.link.send_message(data, self.now, wants_reply=True, manner=manner or Manner())
        return self.out()

    def out(self) -> bytes:
        """Wait for the turn-around time and take what is sent."""
        if self.link.has_output:
            self.now = max(self.now, self.link.deadline() or 0.0)
        return self.link.take_output(self.now)

    def hear(self, *chunks: bytes) -> list[LinkEvent]:
        self.now += 0.1
        return [event for chunk in chunks for event in self.link.feed(chunk, self.now)]

    def wait(self) -> list[LinkEvent]:
        """Let the next deadline pass."""
        deadline = self.link.deadline()
        assert deadline is not None
        self.now = max(self.now, deadline)
        return self.link.tick(self.now)

    def ignored_until(self) -> float:
        deadline = self.link.deadline()
        assert deadline is not None
        return deadline - self.now


def packet(
    data: bytes = ANSWER, *, toggle: bool = False, seq: int = 0, multi: bool = False, first: bool = False
) -> bytes:
    return Packet(data, seq=seq, multi=multi, first=first, toggle=toggle).to_bytes()


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


# -- the plain course of things


def test_request_ack_answer_ack() -> None:
    hand = Hand()
    assert hand.ask() == octets("EE 00 00 00 00 01 20 13 10")
    assert hand.hear(ACK) == []
    assert hand.hear(packet()) == [Message(ANSWER, 1)]
    assert hand.out() == ACK
    assert hand.ask(b"\x21") == packet(b"\x21", toggle=True)


def test_ack_and_answer_in_one_chunk() -> None:
    hand = Hand()
    hand.ask()
    assert hand.hear(octets(ROBUST["ack_then_packet"]["hex"])) == [Message(ANSWER, 1)]


def test_octet_by_octet() -> None:
    hand = Hand()
    hand.ask()
    stream = ACK + packet()
    assert hand.hear(*(stream[n : n + 1] for n in range(len(stream)))) == [Message(ANSWER, 1)]


@pytest.mark.parametrize("name", ["read_st06_multi_5x64", "write_mt50_multi_2x64"])
def test_long_messages_both_ways(name: str) -> None:
    (vector,) = (vector for vector in VECTORS["multi_packet"] if vector["name"] == name)
    raws = [octets(text) for text in vector["packets"]]
    message = b"".join(Packet.parse(raw).data for raw in raws)
    receiver = Hand()
    receiver.ask()
    receiver.hear(ACK)
    got: list[LinkEvent] = []
    for raw in raws:
        got += receiver.hear(raw)
        assert receiver.out() == ACK
    assert got[-1] == Message(message, len(raws))
    assert got[:-1] == [Part(56 * (n + 1)) for n in range(len(raws) - 1)]
    sender = Hand()
    sender.link.configure(packet_size=64, packets=255)
    toggle = Packet.parse(raws[0]).toggle
    if toggle:  # use one toggle up
        sender.ask()
        sender.hear(ACK + packet())
        sender.out()
    sender.link.send_message(message, sender.now, wants_reply=False)
    sent = [sender.out()]
    while sender.hear(ACK) != [Acknowledged()]:
        sent.append(sender.out())
    assert sent == raws


def test_a_message_that_does_not_fit_the_packets_negotiated() -> None:
    hand = Hand()
    with pytest.raises(LocalProtocolError):
        hand.ask(bytes(57))
    hand.link.configure(packet_size=128, packets=2)
    assert hand.link.most_octets == 240
    hand.ask(bytes(240))
    with pytest.raises(LocalProtocolError):
        hand.ask(bytes(241))


@pytest.mark.parametrize(("size", "packets"), [(8, 1), (64, 0), (9000, 1)])
def test_sizes_that_make_no_sense(size: int, packets: int) -> None:
    with pytest.raises(LocalProtocolError):
        Hand().link.configure(packet_size=size, packets=packets)


def test_packet_sizes_that_exclude_the_overhead() -> None:
    hand = Hand()
    hand.link.configure(packet_size=1024, packets=1, size_excludes_overhead=True)
    assert hand.link.max_data == 1024


# -- while waiting for the ACK


def test_a_nak_means_the_same_octets_again() -> None:
    hand = Hand()
    sent = hand.ask()
    for _ in range(3):
        assert hand.hear(NAK) == []
        assert hand.out() == sent
    assert hand.hear(NAK) == [Failed(heard=True)]
    assert hand.link.statistics.retries == 3


def test_silence_means_the_same_octets_again() -> None:
    hand = Hand()
    sent = hand.ask()
    waits = []
    for _ in range(3):
        waits.append(hand.ignored_until())
        assert hand.wait() == []
        assert hand.out() == sent
    assert hand.wait() == [Failed(heard=False)]
    assert waits == pytest.approx([2 + 9 * 10 / 9600] * 3)
    assert hand.link.deadline() is None


def test_the_number_of_retries_is_an_option_and_may_differ_for_one_message() -> None:
    hand = Hand(PsemOptions(timing=Timing(retries=1)))
    hand.ask()
    hand.wait()
    hand.out()
    assert hand.wait() == [Failed(heard=False)]
    hand.ask(manner=Manner(retries=0, response_s=20.0))
    assert hand.ignored_until() > 20
    assert hand.wait() == [Failed(heard=False)]


def test_other_octets_are_noise_and_do_not_stretch_the_wait() -> None:
    hand = Hand()
    hand.ask()
    before = hand.now + 2
    assert hand.hear(b"\xff\0") == []
    hand.wait()  # the noise has settled
    assert hand.now + hand.ignored_until() == pytest.approx(before, abs=0.02)


def test_an_answer_counts_as_the_lost_ack() -> None:
    hand = Hand()
    hand.ask()
    assert hand.hear(packet()) == [Message(ANSWER, 1)]
    assert hand.out() == ACK


def test_an_answer_with_a_bad_crc_is_asked_for_again_and_its_repeat_counts_as_the_ack() -> None:
    hand = Hand()
    hand.ask()
    assert hand.hear(packet()[:-1] + b"\0") == []
    assert hand.link.take_output(hand.now) == b""
    assert hand.wait() == []
    assert hand.out() == NAK
    assert hand.hear(packet()) == [Message(ANSWER, 1)]


def test_a_duplicate_instead_of_the_ack_is_acknowledged_and_the_wait_goes_on() -> None:
    hand = Hand()
    hand.ask()
    hand.hear(ACK + packet())
    hand.out()
    hand.ask(b"\x21")
    assert hand.hear(packet()) == []
    assert hand.out() == ACK
    assert hand.hear(ACK + packet(b"\0", toggle=True)) == [Message(b"\0", 1)]
    assert hand.link.statistics.duplicates == 1


def test_an_answer_before_the_request_is_complete_spoils_it() -> None:
    hand = Hand()
    hand.link.configure(packet_size=64, packets=9)
    hand.ask(bytes(100))
    assert hand.hear(packet()) == [Discarded("an answer came before the request was complete")]
    assert hand.out() == ACK
    assert hand.link.idle


def test_our_own_octets_are_an_echo() -> None:
    vector = ROBUST["echoing_probe"]
    hand = Hand()
    assert hand.ask() == octets(vector["tx"])
    assert hand.hear(octets(vector["rx"])) == [Message(ANSWER, 1)]
    assert hand.out() == ACK
    assert hand.link.statistics.echoes == 1


def test_a_damaged_echo_costs_one_repeat() -> None:
    hand = Hand()
    sent = hand.ask()
    assert hand.hear(sent[:-1] + b"\xff" + ACK + packet()) == []
    hand.wait()
    assert hand.out() == NAK
    assert hand.hear(packet()) == [Message(ANSWER, 1)]


# -- while waiting for the answer


def test_no_answer_after_the_ack_means_the_request_again() -> None:
    hand = Hand()
    sent = hand.ask()
    hand.hear(ACK)
    assert hand.ignored_until() <= 2.0
    hand.wait()  # the ACK was followed by nothing
    while not hand.link.has_output:
        hand.wait()
    assert hand.out() == sent


def test_a_nak_after_a_false_ack_means_the_request_again() -> None:
    hand = Hand()
    sent = hand.ask()
    hand.hear(ACK)
    hand.hear(NAK)
    assert hand.out() == sent


@pytest.mark.parametrize("name", ["bad_crc", "length_zero", "length_over_negotiated"])
def test_damage_is_answered_by_a_nak_once_the_line_is_silent(name: str) -> None:
    hand = Hand()
    hand.ask()
    hand.hear(ACK)
    bad = octets(ROBUST[name]["hex"])
    for _ in range(3):  # the tail goes on and on
        assert hand.hear(bad) == []
        assert hand.link.take_output(hand.now + 0.04) == b""
    assert hand.wait() == []
    assert hand.out() == NAK
    assert hand.link.statistics.naks_sent == 1
    assert hand.hear(packet()) == [Message(ANSWER, 1)]


def test_a_damaged_length_does_not_wait_for_ever() -> None:
    hand = Hand()
    hand.ask()
    hand.hear(ACK)
    hand.hear(octets("EE 00 00 00 00 30 00 00 01"))  # says 48 octets
    assert hand.ignored_until() == pytest.approx(0.5)
    hand.wait()
    assert hand.out() == NAK
    assert hand.hear(packet()) == [Message(ANSWER, 1)]


def test_octets_half_a_second_apart_are_one_packet() -> None:
    hand = Hand()
    hand.ask()
    hand.hear(ACK)
    raw = packet()
    for octet in raw[:-1]:
        assert hand.hear(bytes((octet,))) == []
        hand.now += 0.39
        assert hand.link.tick(hand.now) == []
    assert hand.hear(raw[-1:]) == [Message(ANSWER, 1)]


def test_an_answer_without_its_start_is_asked_for_again_at_once() -> None:
    hand = Hand()
    hand.ask()
    hand.hear(ACK)
    hand.hear(packet()[1:])
    before = hand.now
    hand.wait()
    assert hand.out() == NAK
    assert hand.now - before < 0.1


def test_a_lost_nak_is_repeated_after_the_peers_own_time_out() -> None:
    hand = Hand()
    hand.link.configure(packet_size=64, packets=9)
    hand.ask()
    first, second = (piece.to_bytes() for piece in split_message(bytes(60), 56, toggle=False))
    hand.hear(ACK, first)
    assert hand.out() == ACK
    assert 2.0 < hand.ignored_until() < 3.0
    hand.wait()
    assert hand.out() == NAK  # and not an ACK, which might be taken for that of a packet that we never saw
    assert hand.hear(first) == []  # our ACK had been lost
    assert hand.out() == ACK
    assert hand.hear(second) == [Message(bytes(60), 2)]


def test_naks_are_bounded() -> None:
    hand = Hand()
    hand.ask()
    hand.hear(ACK)
    events: list[LinkEvent] = []
    for _ in range(4):
        hand.hear(packet()[:-1] + b"\0")
        events += hand.wait()
        hand.out()
    assert events == [Failed(heard=True)]
    assert hand.link.statistics.naks_sent == 3


def test_a_line_that_never_falls_silent_is_given_up() -> None:
    hand = Hand()
    hand.ask()
    events: list[LinkEvent] = []
    for _ in range(3000):
        hand.now += 0.01
        events += hand.link.feed(b"\xff", hand.now) + hand.link.tick(hand.now)
        assert hand.link.take_output(hand.now) == b""
        if events:
            break
    assert events == [Failed(heard=True)]


def test_stray_acks_and_naks_of_an_idle_line_do_nothing() -> None:
    hand = Hand()
    assert hand.hear(ACK + NAK + ACK) == []
    assert not hand.link.has_output


# -- duplicates and toggles


def test_new_packet_other_toggle() -> None:
    hand = Hand()
    first, second = (octets(text) for text in ROBUST["new_packet_other_toggle"]["hex"])
    hand.ask()
    assert hand.hear(ACK + first) == [Message(b"\0", 1)]
    hand.out()
    hand.ask()
    assert hand.hear(ACK + second) == [Message(b"\0", 1)]


def test_duplicate_same_toggle_same_crc() -> None:
    hand = Hand()  # the meter: nothing to send
    first, second = (octets(text) for text in ROBUST["duplicate_same_toggle_same_crc"]["hex"])
    assert hand.hear(first) == [Message(b"\0", 1)]
    assert hand.out() == ACK
    assert hand.hear(second) == []
    assert hand.out() == ACK


def test_endless_duplicates_end() -> None:
    hand = Hand()
    hand.ask()
    hand.hear(ACK + packet())
    hand.out()
    hand.ask(b"\x21")
    events: list[LinkEvent] = []
    for _ in range(9):
        events += hand.hear(packet())
        hand.out()
    assert events == [Failed(heard=True)]


def test_a_meter_without_toggles() -> None:
    hand = Hand(PsemOptions(toggles=False))
    for _ in range(3):
        hand.ask(b"\x21")
        assert hand.hear(ACK + packet(b"\0")) == [Message(b"\0", 1)]
        hand.out()
    # Before the ACK, though, the same packet is the former answer once more.
    hand.ask(b"\x21")
    assert hand.hear(packet(b"\0")) == []
    assert hand.out() == ACK
    assert hand.hear(ACK + packet(b"\0")) == [Message(b"\0", 1)]


def test_a_meter_without_toggles_repeats_a_packet_of_a_long_answer() -> None:
    hand = Hand(PsemOptions(toggles=False))
    hand.link.configure(packet_size=64, packets=9)
    hand.ask()
    pieces = [
        packet(bytes(56), seq=seq, multi=True, first=seq == 2) for seq in (2, 1, 1, 0)
    ]  # our ACK of the second was lost
    assert hand.hear(ACK, *pieces)[-1] == Message(bytes(3 * 56), 3)


def test_an_answer_with_the_old_toggle_is_suspect_once() -> None:
    hand = Hand()
    hand.ask()
    hand.hear(ACK + packet())
    hand.out()
    hand.ask(b"\x30\0\1")
    (event,) = hand.hear(ACK + packet(b"\0\0\0\0"))
    assert isinstance(event, Discarded)
    assert event.suspect == b"\0\0\0\0"
    assert hand.out() == ACK
    hand.ask(b"\x30\0\1")
    assert hand.hear(packet(b"\0\0\0\0")) == []  # the same once more is a duplicate
    assert hand.hear(ACK + packet(b"\0\0\1\1\xff")) == [Message(b"\0\0\1\1\xff", 1)]


def test_a_repeated_request_keeps_its_toggle_and_a_new_one_flips_it() -> None:
    hand = Hand()
    first = hand.ask()
    hand.wait()
    assert hand.out() == first
    hand.link.abandon()
    assert hand.ask() == packet(b"\x20", toggle=True)
    hand.link.abandon()
    hand.link.send_message(b"\x21", hand.now, wants_reply=True)  # given up before it was sent
    assert hand.ask() == packet(b"\x20")
    hand.link.new_session()
    assert hand.ask() == packet(b"\x20")


# -- lost synchronisation


def test_a_missing_packet_discards_the_answer_after_its_last() -> None:
    hand = Hand()
    hand.ask()
    first, third = (octets(text) for text in ROBUST["missing_second_packet"]["hex"])
    assert hand.hear(ACK, first) == [Part(56)]
    assert hand.out() == ACK
    assert hand.hear(third) == []
    assert hand.out() == ACK
    assert hand.hear(packet(b"x", toggle=True, seq=1, multi=True)) == []
    assert hand.out() == ACK
    assert hand.hear(packet(b"x", seq=0, multi=True)) == [Discarded("packet 2 came instead of 3")]
    assert hand.out() == ACK


def test_a_missing_packet_discards_the_answer_when_nothing_follows() -> None:
    hand = Hand()
    hand.ask()
    hand.hear(ACK, *(octets(text) for text in ROBUST["missing_second_packet"]["hex"]))
    hand.out()
    assert hand.wait() == [Discarded("packet 2 came instead of 3")]


@pytest.mark.parametrize(
    ("intruder", "reason"),
    [
        (packet(toggle=True), "a new message began inside another"),
        (packet(toggle=True, seq=3), "a single packet says that 3 follow"),
    ],
)
def test_a_single_packet_inside_an_answer(intruder: bytes, reason: str) -> None:
    hand = Hand()
    hand.link.configure(packet_size=64, packets=9)
    hand.ask()
    assert hand.hear(ACK, packet(seq=1, multi=True, first=True), intruder) == [Part(5), Discarded(reason)]


def test_an_answer_that_begins_in_the_middle() -> None:
    hand = Hand()
    hand.ask()
    assert hand.hear(ACK, packet(seq=0, multi=True)) == [Discarded("packet 0 came instead of the first packet")]


def test_a_meter_takes_a_new_request_in_the_middle_of_an_old_one() -> None:
    hand = Hand()
    assert hand.hear(packet(bytes(56), seq=1, multi=True, first=True)) == [Part(56)]
    hand.out()
    assert hand.hear(packet(b"\x20", toggle=True)) == [Message(b"\x20", 1)]


def test_a_new_request_ends_the_meters_answer() -> None:
    hand = Hand()
    hand.link.configure(packet_size=64, packets=9)
    hand.hear(packet(b"\x30\0\1"))
    hand.link.send_message(bytes(100), hand.now, wants_reply=False)
    hand.out()
    assert hand.hear(packet(b"\x21", toggle=True)) == [Message(b"\x21", 1)]
    hand.link.send_message(b"\0", hand.now, wants_reply=False)
    assert hand.out()[:1] == ACK
    assert hand.hear(packet(b"\x20")) == [Acknowledged(), Message(b"\x20", 1)]  # which is an ACK as well


# -- half duplex


@pytest.mark.parametrize(
    ("baud", "turnaround_s", "expected"),
    [(9600, 0.001, 20 / 9600), (300, 0.001, 20 / 300), (9600, 0.06, 0.06), (0, 0.001, 0.001)],
)
def test_nothing_is_sent_before_the_turn_around(baud: int, turnaround_s: float, expected: float) -> None:
    hand = Hand(PsemOptions(timing=Timing(turnaround_s=turnaround_s)), baud=baud)
    hand.ask()
    hand.hear(ACK + packet())
    assert hand.link.take_output(hand.now) == b""
    assert hand.link.take_output(hand.now + expected - 1e-6) == b""
    assert hand.ignored_until() == pytest.approx(expected)
    assert hand.link.take_output(hand.now + expected) == ACK


def test_nothing_is_sent_while_a_packet_comes_in() -> None:
    hand = Hand()
    hand.hear(b"\xee\0")
    hand.link.send_message(b"\x20", hand.now, wants_reply=True)
    assert hand.link.take_output(hand.now + 0.4) == b""
    hand.wait()
    assert hand.out() == packet(b"\x20")


def test_a_packet_that_came_before_the_request_went_out_is_no_answer() -> None:
    hand = Hand()
    hand.link.send_message(b"\x20", hand.now, wants_reply=True)
    assert hand.hear(packet(b"\0")) == []
    assert hand.out() == ACK + packet(b"\x20")
    assert hand.hear(ACK + packet(toggle=True)) == [Message(ANSWER, 1)]


def test_leftovers_are_waited_past() -> None:
    hand = Hand()
    hand.ask()
    assert hand.hear(ACK + packet(b"\0", toggle=True)) == [Message(b"\0", 1)]
    hand.link.keep_waiting(hand.now)
    assert hand.out() == ACK
    assert hand.hear(packet()) == [Message(ANSWER, 1)]
    hand.link.keep_waiting(hand.now)
    hand.out()
    assert hand.wait() == [Failed(heard=True)]


# -- channel traffic


def test_channel_traffic() -> None:
    hand = Hand()
    hand.link.watch_traffic(hand.now)
    assert hand.ignored_until() == 6.0
    hand.hear(packet(b"\x20"))
    hand.link.send_message(b"\0", hand.now, wants_reply=False)
    hand.out()
    hand.hear(ACK)
    began = hand.now
    while (events := hand.wait()) == []:
        pass
    assert events == [TrafficTimeout()]
    assert hand.now == pytest.approx(began + 6.0)
    assert hand.link.deadline() is None


def test_wait_stretches_channel_traffic_once() -> None:
    hand = Hand()
    hand.link.watch_traffic(hand.now, 60)
    hand.hear(ACK)
    assert hand.link.tick(hand.now + 1) == []
    assert hand.ignored_until() > 59
    hand.hear(packet(b"\x20"))
    hand.out()
    assert hand.ignored_until() < 6.1


def test_channel_traffic_does_not_expire_inside_a_packet() -> None:
    hand = Hand()
    hand.link.watch_traffic(hand.now)
    raw = packet(bytes(50))
    for octet in raw[:-1]:
        hand.now += 0.2
        assert hand.hear(bytes((octet,))) == []
        assert hand.link.tick(hand.now) == []
    assert hand.hear(raw[-1:]) == [Message(bytes(50), 1)]


# -- in pairs


@pytest.mark.parametrize("size", [64, 128, 1024, 8192])
@pytest.mark.parametrize("octets_", [1, 55, 56, 57, 1000, 14000])
def test_a_pair_exchanges_messages_of_any_length(size: int, octets_: int) -> None:
    pair = Pair(lambda request: request[::-1] + b"\0", size=size, baud=57600)
    request = bytes(n % 251 for n in range(octets_))
    for _ in range(2):
        end = pair.ask(request)
        assert isinstance(end, Message)
        assert end.data == request[::-1] + b"\0"
    assert pair.requests == [request] * 2
    assert pair.client.link.statistics.retries == pair.meter.link.statistics.retries == 0
