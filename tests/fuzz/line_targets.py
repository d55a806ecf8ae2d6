"""Targets of the line: packets in a stream, the client's link, and the messages that the packets carry."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from drivers.errors import MeterRefused, MrspError
from drivers.psem.assembly import Assembler, Discarded, Message, Part
from drivers.psem.codes import ResponseCode, split_response
from drivers.psem.link import Link
from drivers.psem.link_events import Failed
from drivers.psem.meter import MeterSession, Served
from drivers.psem.options import PsemOptions
from drivers.psem.packet import ACK, LARGEST_SIZE, NAK, OVERHEAD, Bad, Control, Framer, Noise, Packet, Received
from drivers.psem.replies import (
    IdentifyReply,
    NegotiateReply,
    TimingReply,
    decode_authentication,
    decode_table_data,
    encode_authentication,
    encode_table_data,
)
from drivers.psem.services import BadRequest, decode_request
from drivers.psem.states import State
from tests.fuzz.chance import Chance, piece
from tests.fuzz.target import Target, plain
from tests.psem.lines import Tables

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text())
FRAMES = [bytes.fromhex(frame["hex"]) for frame in VECTORS["frames"]]
_SILENCE_S = 3600.0


def check_stream(octets: bytes) -> None:
    """Every octet is accounted for, packets are what was on the line, and a cut between octets changes nothing."""
    chance = Chance(octets)
    size = chance.pick((OVERHEAD + 1, 64, 128, 1024, LARGEST_SIZE))
    stream = chance.rest()
    whole = list(_events(Framer(size - OVERHEAD), [stream]))
    single = list(_events(Framer(size - OVERHEAD), [stream[at : at + 1] for at in range(len(stream))]))
    assert [event for event in whole if not isinstance(event, Noise)] == [
        event for event in single if not isinstance(event, Noise)
    ]
    assert _noise(whole) == _noise(single)
    assembler, packets = Assembler(), 0
    for event in whole:
        if isinstance(event, Received):
            assert event.raw in stream
            assert Packet.parse(event.raw) == event.packet
            assert Packet.parse(event.packet.to_bytes()) == event.packet
            assert len(event.packet.data) <= size - OVERHEAD
            outcome = assembler.accept(event.packet, fresh_allowed=False)
            packets = packets + 1 if isinstance(outcome, Part | Message) else 0
            if isinstance(outcome, Message):
                assert outcome.packets == packets <= 256
                packets = 0
            elif isinstance(outcome, Discarded):
                assert not assembler.collecting


def _events(framer: Framer, chunks: Iterable[bytes]) -> Iterator[Received | Bad | Noise | Control]:
    for chunk in chunks:
        yield from framer.feed(chunk)


def _noise(events: Iterable[object]) -> int:
    return sum(event.count for event in events if isinstance(event, Noise))


def stream_seeds() -> Iterator[bytes]:
    for frame in FRAMES:
        yield b"\1" + frame
    for message in VECTORS["multi_packet"]:
        yield b"\1" + b"".join(bytes.fromhex(packet) for packet in message["packets"])
    yield b"\2" + b"\x06".join(FRAMES[:8])


def check_link(octets: bytes) -> None:
    """A client whose peer says anything at any time comes to an end, and sends nothing but packets, ACK and NAK."""
    chance = Chance(octets)
    options = PsemOptions(toggles=chance.flag())
    now = 100.0
    link = Link(options, now, baud=chance.pick((0, 300, 9600, 115200)))
    link.configure(packet_size=chance.pick((64, 128, 8192)), packets=chance.pick((1, 4, 255)))
    link.send_message(b"\x30\0\1", now, wants_reply=True)
    sent, ended = 0, False
    while chance:
        now += chance.pick((0.0, 0.0, 0.001, 0.02, 0.2, 0.6, 2.5))
        sent += _service(link, now)
        deadline = link.deadline()
        if deadline is not None and now >= deadline:
            ended |= _ends(link.tick(now))
        ended |= _ends(link.feed(chance.piece(), now))
        if ended and chance.flag():
            link.send_message(b"\x30\0\1", now, wants_reply=True)
            ended = False
    until, turns = now + _SILENCE_S, 0
    while not ended and now < until:
        sent += _service(link, now)
        deadline = link.deadline()
        if deadline is None:
            break
        assert deadline < until, "it waits for ever"
        now = max(now, deadline)
        ended |= _ends(link.tick(now))
        turns += 1
        assert turns < 200, "it is busy for ever"
    assert link.statistics.bytes_sent == sent


def _ends(events: Iterable[object]) -> bool:
    found = [event for event in events if isinstance(event, Message | Discarded | Failed)]
    for event in found:
        if isinstance(event, Message):
            assert event.data
            assert event.packets <= 256
    return bool(found)


def _service(link: Link, now: float) -> int:
    sent = 0
    while output := link.take_output(now):
        sent += len(output)
        body = output[1:] if output[:1] in (ACK, NAK) else output
        assert not body or Packet.parse(body).data == b"\x30\0\1"
    return sent


def link_seeds() -> Iterator[bytes]:
    answer = Packet(b"\0\0\4\1\2\3\xfe\xfc").to_bytes()
    yield b"\1\2\0\0" + b"\3" + piece(ACK) + b"\4" + piece(answer)
    yield b"\1\2\0\0" + b"\3" + piece(NAK) + b"\4" + piece(ACK + answer[:9]) + b"\5" + piece(answer[9:])
    for message in VECTORS["multi_packet"]:
        chunks = [bytes.fromhex(packet) for packet in message["packets"]]
        yield b"\1\2\0\1" + b"\3" + piece(ACK) + b"".join(b"\4" + piece(chunk) for chunk in chunks)


class _Memory(Tables):
    """A meter's memory whose reads by index end with what an octet can say."""

    def read_index(self, table: int, indices: tuple[int, ...], count: int) -> bytes | ResponseCode:
        small = max(*indices, count) < 256
        return super().read_index(table, indices, count) if small else ResponseCode.IAR


def check_meter_session(octets: bytes) -> None:
    """A simulated meter whose client says anything serves whole requests only, and falls back to Base by itself."""
    chance = Chance(octets)
    now = 100.0
    handler = _Memory({1: b"first", 64: bytes(range(256)) * 4}, password=b"PASSWORD01" if chance.flag() else None)
    meter = MeterSession(handler, now, baud=9600)
    toggle = False
    while chance:
        now += chance.pick((0.0, 0.01, 0.1, 0.6, 7.0))
        while meter.take_output(now):
            pass
        deadline = meter.deadline()
        if deadline is not None and now >= deadline:
            meter.tick(now)
        said = chance.piece()
        if chance.flag() and said:  # as a good packet, after an ACK to whatever the meter said
            toggle = not toggle
            said = ACK + Packet(said[:56], toggle=toggle).to_bytes()
        for event in meter.feed(said, now):
            if isinstance(event, Served) and event.request is not None:
                assert decode_request(event.request.encode()) == event.request
    for _ in range(200):
        while meter.take_output(now):
            pass
        deadline = meter.deadline()
        if deadline is None:
            break
        now = max(now, deadline)
        meter.tick(now)
    assert meter.state is State.BASE


def meter_session_seeds() -> Iterator[bytes]:
    requests = [bytes.fromhex(frame["data_hex"]) for frame in VECTORS["frames"] if frame["dir"] == "client->meter"]
    for request in requests:
        yield b"\0\1" + piece(b"\x20") + b"\1\1" + piece(request) + b"\1"
    opening = (
        b"\x20",
        b"\x61\4\0\x80\6",
        b"\x50\0\2READER    ",
        b"\x51" + b"PASSWORD01".ljust(20, b"\0"),
        b"\x30\0\1",
        b"\x21",
    )
    yield b"\1" + b"".join(b"\1" + piece(request) + b"\1" for request in opening)


def check_replies(octets: bytes) -> None:
    """What can be decoded encodes to itself; the rest is refused by an error of ours."""
    chance = Chance(octets)
    kind, body = chance.below(6), chance.rest()
    try:
        match kind:
            case 0:
                _same_reply(IdentifyReply, body)
            case 1:
                _same_reply(NegotiateReply, body)
            case 2:
                _same_reply(TimingReply, body)
            case 3:
                assert encode_authentication(decode_authentication(body)) == body
            case 4:
                assert encode_table_data(decode_table_data(body, "test")) == body
            case _:
                _split(body)
    except MrspError as error:
        plain(error)


def _same_reply(kind: type[IdentifyReply | NegotiateReply | TimingReply], body: bytes) -> None:
    reply = kind.decode(body)
    try:
        written = reply.encode()
    except ValueError:  # a length octet cannot say 256, which the other reading of feature 07 makes of 255
        assert b"\x07\xff" in body
        return
    assert kind.decode(written) == reply


def _split(body: bytes) -> None:
    """A message as an answer, and as a request to a meter."""
    try:
        assert split_response(body, "test") == body[1:]
        code = 0
    except MeterRefused as refused:
        code = refused.code
    assert body[0] == code
    try:
        request = decode_request(body)
    except BadRequest as refused:
        plain(refused)
    else:
        assert decode_request(request.encode()) == request


def reply_seeds() -> Iterator[bytes]:
    for frame in FRAMES:
        data = frame[6:-2]
        yield b"\5" + data
        if data[:1] == b"\0":
            for kind in range(5):
                yield bytes([kind]) + data[1:]


TARGETS = (
    Target("stream", check_stream, stream_seeds),
    Target("link", check_link, link_seeds),
    Target("meter-session", check_meter_session, meter_session_seeds, longest=1024),
    Target("replies", check_replies, reply_seeds, longest=512),
)
