"""Layer 2: CRC, packets, and the framer that finds them in a stream."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import LocalProtocolError, MeterProtocolError
from drivers.psem.crc import crc16
from drivers.psem.packet import Bad, Control, Fault, FrameEvent, Framer, Noise, Packet, Received, split_message

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text())
ROBUST: dict[str, Any] = {vector["name"]: vector for vector in VECTORS["robustness"]}

packets = st.builds(
    Packet,
    st.binary(min_size=1, max_size=300),
    seq=st.integers(0, 255),
    multi=st.booleans(),
    first=st.booleans(),
    toggle=st.booleans(),
    identity=st.integers(0, 255),
    reserved=st.integers(0, 31),
)


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def bitwise_crc(data: bytes) -> int:
    """The definition, one bit at a time."""
    crc = 0xFFFF
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc ^ 0xFFFF


def test_crc_check_value() -> None:
    assert crc16(b"123456789") == 0x906E


@given(st.binary(max_size=400))
def test_crc_is_the_definition(data: bytes) -> None:
    assert crc16(data) == bitwise_crc(data)


@pytest.mark.parametrize("frame", VECTORS["frames"], ids=lambda frame: frame["name"])
def test_frames_of_the_vectors(frame: dict[str, Any]) -> None:
    raw = octets(frame["hex"])
    packet = Packet.parse(raw)
    assert packet.to_bytes() == raw
    assert packet.ctrl == int(frame["ctrl"], 16)
    assert (packet.toggle, packet.multi, packet.first, packet.seq) == (
        bool(frame["toggle"]),
        frame["multi"],
        frame["first"],
        frame["seq"],
    )
    assert len(packet.data) == frame["length"]
    assert packet.data == octets(frame["data_hex"])
    assert Framer().feed(raw) == [Received(packet, raw)]


@pytest.mark.parametrize("message", VECTORS["multi_packet"], ids=lambda message: message["name"])
def test_messages_of_several_packets(message: dict[str, Any]) -> None:
    raws = [octets(text) for text in message["packets"]]
    parsed = [Packet.parse(raw) for raw in raws]
    assert [packet.ctrl for packet in parsed] == [int(ctrl, 16) for ctrl in message["controls"]]
    whole = b"".join(packet.data for packet in parsed)
    made = split_message(whole, message["packet_size"] - 8, toggle=parsed[0].toggle)
    assert [packet.to_bytes() for packet in made] == raws


@given(packets)
def test_round_trip(packet: Packet) -> None:
    assert Packet.parse(packet.to_bytes()) == packet


@given(packets, st.integers(0, 7), st.data())
def test_a_flipped_bit_is_found(packet: Packet, bit: int, data: st.DataObject) -> None:
    raw = bytearray(packet.to_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << bit
    with pytest.raises(MeterProtocolError):
        Packet.parse(bytes(raw))


@pytest.mark.parametrize("size", [0, 8185])
def test_data_that_no_packet_carries(size: int) -> None:
    with pytest.raises(LocalProtocolError):
        Packet(bytes(size)).to_bytes()


@pytest.mark.parametrize(("size", "most"), [(0, 56), (257, 1)])
def test_messages_that_no_packets_carry(size: int, most: int) -> None:
    with pytest.raises(LocalProtocolError):
        split_message(bytes(size), most, toggle=False)


@given(st.binary(min_size=1, max_size=2000), st.integers(8, 200), st.booleans())
def test_split_messages_join_again(data: bytes, most: int, toggle: bool) -> None:
    made = split_message(data, most, toggle=toggle)
    assert b"".join(packet.data for packet in made) == data
    assert [packet.seq for packet in made] == list(reversed(range(len(made))))
    assert [packet.first for packet in made] == [len(made) > 1] + [False] * (len(made) - 1)
    assert all(packet.multi == (len(made) > 1) for packet in made)
    assert [packet.toggle for packet in made] == [toggle ^ bool(n % 2) for n in range(len(made))]


# -- the framer


def merged(events: list[FrameEvent]) -> list[FrameEvent]:
    """Noise counted in pieces is the same noise."""
    out: list[FrameEvent] = []
    for event in events:
        if isinstance(event, Noise) and out and isinstance(out[-1], Noise):
            out[-1] = Noise(out[-1].count + event.count)
        else:
            out.append(event)
    return out


def feed_in_pieces(stream: bytes, cuts: list[int]) -> list[FrameEvent]:
    framer = Framer(300)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    events: list[FrameEvent] = []
    for start, end in itertools.pairwise(edges):
        events += framer.feed(stream[start:end])
    return merged(events)


streams = st.lists(
    st.one_of(
        packets.map(Packet.to_bytes), st.sampled_from([b"\x06", b"\x15", b"\xee", b"\0\xff"]), st.binary(max_size=9)
    ),
    max_size=6,
).map(b"".join)


@given(streams, st.lists(st.integers(0, 4000), max_size=8))
def test_however_the_stream_is_cut_the_events_are_the_same(stream: bytes, cuts: list[int]) -> None:
    assert feed_in_pieces(stream, cuts) == merged(Framer(300).feed(stream))


@given(st.lists(packets, max_size=5), st.lists(st.integers(0, 4000), max_size=8))
def test_packets_in_a_row_are_all_found(sent: list[Packet], cuts: list[int]) -> None:
    events = feed_in_pieces(b"".join(b"\x06" + packet.to_bytes() for packet in sent), cuts)
    assert [event.packet for event in events if isinstance(event, Received)] == sent
    assert [event for event in events if isinstance(event, Control)] == [Control.ACK] * len(sent)


@given(st.binary(max_size=3000), st.lists(st.integers(0, 4000), max_size=8))
def test_any_noise_is_survived_in_bounded_memory(noise: bytes, cuts: list[int]) -> None:
    framer = Framer()
    for at in range(0, len(noise), 100):
        framer.feed(noise[at : at + 100])
        assert len(framer._buffer) <= 64 + 100
    framer.quiet()
    raw = Packet(b"\x20").to_bytes()
    assert framer.feed(raw) == [Received(Packet(b"\x20"), raw)]


def test_acks_and_start_bytes_inside_data_are_data() -> None:
    raw = octets(ROBUST["ee_inside_payload"]["hex"])
    (event,) = Framer().feed(raw)
    assert isinstance(event, Received)
    assert event.packet.data == octets("00 00 05 EE 06 15 EE 00 09")


def test_noise_before_the_start_is_skipped() -> None:
    *before, last = Framer().feed(octets(ROBUST["noise_before_start"]["hex"]))
    assert before == [Noise(2), Control.ACK]
    assert isinstance(last, Received)


def test_an_ack_and_the_answer_in_one_chunk() -> None:
    ack, answer = Framer().feed(octets(ROBUST["ack_then_packet"]["hex"]))
    assert ack is Control.ACK
    assert isinstance(answer, Received)


@pytest.mark.parametrize(
    ("name", "fault"),
    [("bad_crc", Fault.CRC), ("length_zero", Fault.LENGTH), ("length_over_negotiated", Fault.LENGTH)],
)
def test_damage_is_reported_once_and_the_rest_drained(name: str, fault: Fault) -> None:
    framer = Framer()
    raw = octets(ROBUST[name]["hex"])
    events = framer.feed(raw) + framer.feed(raw)
    assert [event for event in events if not isinstance(event, Noise)] == [Bad(fault)]
    assert framer.quiet() is None
    (event,) = framer.feed(octets("EE 00 00 00 00 01 20 13 10"))
    assert isinstance(event, Received)


def test_silence_inside_a_packet_ends_it() -> None:
    framer = Framer()
    assert framer.feed(octets("EE 00 00 00 00 30 01 02")) == []
    assert framer.quiet() == Bad(Fault.GAP)
    assert framer.quiet() is None


def test_a_packet_without_its_start_is_recognised_as_one() -> None:
    framer = Framer()
    framer.feed(octets("00 00 00 00 01 20 13 10"))
    assert framer.quiet() == Bad(Fault.NO_START)


def test_a_frame_inside_a_packet_that_lost_its_start_is_not_believed() -> None:
    inner = Packet(b"\0\0\4\1\2\3\xfe\xfc").to_bytes()
    events = Framer().feed(Packet(inner * 2, toggle=True).to_bytes()[1:])
    assert not any(isinstance(event, Received) for event in events)
    assert Bad(Fault.NO_START) in events


def test_a_few_stray_octets_do_not_hide_a_packet() -> None:
    raw = Packet(b"\x20").to_bytes()
    assert Framer().feed(b"\xff\0\xfe\0" + raw)[-1] == Received(Packet(b"\x20"), raw)
