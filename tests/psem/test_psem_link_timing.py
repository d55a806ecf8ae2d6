"""When the link may speak and when it gives up (C12.18 §5, §8): half duplex and channel traffic."""

from __future__ import annotations

import pytest

from drivers.psem.assembly import Message
from drivers.psem.link_events import Failed, TrafficTimeout
from drivers.psem.options import PsemOptions, Timing
from drivers.psem.packet import ACK
from tests.psem.hand import ANSWER, Hand, packet

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
