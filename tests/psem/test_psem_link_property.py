"""Whatever a line does to the octets: exact messages, each request at most once, or an error. Never wrong bytes."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from drivers.errors import MeterProtocolError
from drivers.psem.assembly import Discarded, Message
from drivers.psem.packet import HEADER, OVERHEAD, START, Packet
from tests.psem.pairs import Pair

WHOLE_FRAME = Packet(b"\0\0\4\1\2\3\xfe\xfc").to_bytes()  # an answer to a read, as the data of another packet


@dataclass
class Damage:
    """What happens to one chunk."""

    kind: str
    at: int = 0
    much: int = 0
    delay: float = 0.0

    def apply(self, chunk: bytes) -> list[tuple[float, bytes]]:
        at = self.at % len(chunk)
        match self.kind:
            case "drop":
                chunk = b""
            case "double":
                chunk *= 2
            case "flip":  # two bits
                mask = 1 << self.at % (8 * len(chunk)) | 1 << self.much % (8 * len(chunk))
                chunk = (int.from_bytes(chunk, "big") ^ mask).to_bytes(len(chunk), "big")
            case "burst":  # up to 16 bits in a row
                mask = self.much << max(0, self.at % (8 * len(chunk)) - 16) & (1 << 8 * len(chunk)) - 1
                chunk = (int.from_bytes(chunk, "big") ^ mask).to_bytes(len(chunk), "big")
            case "lose":
                chunk = chunk[:at] + chunk[at + 1 :]
            case "insert":
                chunk = chunk[:at] + bytes((self.much & 0xFF,)) * (1 + self.much % 3) + chunk[at:]
            case "cut":
                chunk = chunk[:at]
            case "late":
                return [(self.delay, chunk)]
            case "pieces":
                return [(0.0, chunk[:at]), (self.delay / 125, chunk[at:])]
            case _:
                pass
        return [(0.0, chunk)]


damages = st.builds(
    Damage,
    st.sampled_from(["none", "drop", "double", "flip", "burst", "lose", "insert", "cut", "late", "pieces"]),
    st.integers(0, 4000),
    st.integers(1, 0xFFFF),
    st.floats(0, 5),
)
payloads = st.one_of(
    st.binary(min_size=1, max_size=200),
    st.lists(st.sampled_from([WHOLE_FRAME, b"\xee", b"\x06", b"\x15", b"ab"]), min_size=1, max_size=12).map(b"".join),
)


class Channel:
    """Damages one chunk after the other as told, then no more; remembers what it delivered."""

    def __init__(self, damages: list[Damage]) -> None:
        self.todo = iter(damages)
        self.delivered = b""

    def __call__(self, chunk: bytes) -> list[tuple[float, bytes]]:
        damage = next(self.todo, None)
        pieces = damage.apply(chunk) if damage else [(0.0, chunk)]
        self.delivered += b"".join(piece for _, piece in pieces)
        return pieces


def forged(delivered: bytes, sent: list[bytes]) -> bool:
    """Whether chance made a good CRC: then no receiver can know. Frames that are data of a packet do not count."""
    known = b"".join(sent)
    for at in range(len(delivered) - OVERHEAD):
        if delivered[at] == START:
            end = at + OVERHEAD + int.from_bytes(delivered[at + 4 : at + HEADER], "big")
            try:
                Packet.parse(delivered[at:end])
            except MeterProtocolError:
                continue
            if delivered[at:end] not in known:
                return True
    return False


@settings(max_examples=400, deadline=None)
@given(
    st.lists(payloads, min_size=1, max_size=4),
    st.lists(damages, max_size=12),
    st.lists(damages, max_size=12),
)
@example([WHOLE_FRAME * 4], [], [Damage("none"), Damage("lose", 0)])
@example([b"x"], [], [Damage("none"), Damage("lose", 1)])
def test_exact_bytes_or_an_error(contents: list[bytes], there: list[Damage], back: list[Damage]) -> None:
    channels = Channel(there), Channel(back)
    answers = {
        bytes((0x20, number)) + content: bytes((number,)) + content[::-1] for number, content in enumerate(contents)
    }
    pair = Pair(answers.__getitem__, there=channels[0], back=channels[1])
    asked: list[bytes] = []
    got: list[tuple[bytes, bytes]] = []
    try:
        for request in answers:
            asked.append(request)
            outcome = pair.ask(request)
            while isinstance(outcome, Discarded) and asked.count(request) < 3:
                pair.settle()
                asked.append(request)
                outcome = pair.ask(request)
            if not isinstance(outcome, Message):
                break
            got.append((request, outcome.data))
        assert [answer for _, answer in got] == [answers[request] for request, _ in got]
        assert is_subsequence(pair.requests, asked)
    except (AssertionError, KeyError):
        assume(not forged(channels[0].delivered, pair.client.sent))
        assume(not forged(channels[1].delivered, pair.meter.sent))
        raise


def is_subsequence(these: list[bytes], those: list[bytes]) -> bool:
    rest = iter(those)
    return all(any(this == that for that in rest) for this in these)


@settings(max_examples=200, deadline=None)
@given(st.lists(payloads, min_size=1, max_size=4), st.lists(damages, max_size=3), st.lists(damages, max_size=3))
def test_the_line_is_usable_again_after_damage(contents: list[bytes], there: list[Damage], back: list[Damage]) -> None:
    """However a request ended, a request some seconds later on a clean line is answered."""
    channels = Channel(there), Channel(back)
    pair = Pair(lambda request: b"\0" + request[::-1], there=channels[0], back=channels[1])
    for content in contents:
        pair.ask(content)
    channels[0].todo = channels[1].todo = iter(())
    pair.settle()
    pair.meter.link.new_session()
    pair.client.link.new_session()
    outcome = pair.ask(b"\x20")
    assume(not forged(channels[0].delivered, pair.client.sent) and not forged(channels[1].delivered, pair.meter.sent))
    assert outcome == Message(b"\0\x20", 1)
