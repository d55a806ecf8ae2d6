"""The link layer's exchange of packets (C12.18 §5, §6): sent, acknowledged, sent again, answered, given up."""

from __future__ import annotations

import pytest

from drivers.errors import LocalProtocolError
from drivers.psem.assembly import Discarded, Message, Part
from drivers.psem.link_events import Acknowledged, Failed, LinkEvent, Manner
from drivers.psem.options import PsemOptions, Timing
from drivers.psem.packet import ACK, NAK, Packet, split_message
from tests.psem.hand import ANSWER, ROBUST, VECTORS, Hand, octets, packet
from tests.psem.pairs import Pair

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
