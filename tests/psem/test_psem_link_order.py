"""The order of packets (C12.18 §6): duplicates, toggles, and messages with a packet missing."""

from __future__ import annotations

import pytest

from drivers.psem.assembly import Discarded, Message, Part
from drivers.psem.link_events import Acknowledged, Failed, LinkEvent
from drivers.psem.options import PsemOptions
from drivers.psem.packet import ACK
from tests.psem.hand import ROBUST, Hand, octets, packet

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
