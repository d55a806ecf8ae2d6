"""Who listens to a recording gets the octets that the client got, from the line alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DataError, MeterRefused, MrspError
from drivers.psem import PsemClient, PsemOptions
from drivers.psem.meter import MeterLimits
from drivers.psem.overheard import overhear
from drivers.psem.pieces import Image
from drivers.psem.replies import encode_table_data
from drivers.psem.services import FullRead, FullWrite, Identify, IndexRead, OffsetRead
from drivers.secret import Secret
from drivers.transport.recording import start_recording
from drivers.transport.recording_file import Octets, read_sessions
from tests.provenance.conversation import ACK, NAK, Talk, as_packet, damaged
from tests.psem.lines import LONG, Damage, Direction, Line, Tables, clock, doubling, flipping, losing, run, untouched

DATA = bytes(range(40))


def heard(talk: Talk) -> list[tuple[int, int, bytes]]:
    return [(read.table, read.offset, read.octets) for read in overhear(talk.records).reads]


def test_a_read_and_where_its_octets_are() -> None:
    talk = Talk()
    talk.ask(FullRead(23))
    talk.table(DATA)
    (read,) = overhear(talk.records).reads
    assert (read.table, read.offset, read.octets, read.whole) == (23, 0, DATA, True)
    (carrier,) = read.carriers(7, 5)
    assert carrier.sighting.raw[carrier.start : carrier.end] == DATA[7:12]
    assert (carrier.sighting.first_line, carrier.sighting.last_line) == (4, 4)
    assert carrier.sighting.t_ns == 3_000_000


def test_octets_that_lie_in_several_packets() -> None:
    talk = Talk()
    talk.ask(OffsetRead(64, 1000, len(LONG)))
    talk.table(LONG, most=200)
    (read,) = overhear(talk.records).reads
    assert (read.offset, read.octets) == (1000, LONG)
    carriers = read.carriers(1150, 300)
    assert len(carriers) == 3
    assert b"".join(one.sighting.raw[one.start : one.end] for one in carriers) == LONG[150:450]
    assert read.carriers(0, 1000) == ()


def test_a_packet_cut_into_chunks_has_all_its_lines() -> None:
    talk = Talk()
    talk.ask(FullRead(1))
    (packet,) = talk.packets("<", b"\0" + encode_table_data(DATA))
    for octet in packet:
        talk.say("<", bytes([octet]))
    talk.say(">", ACK)
    (read,) = overhear(talk.records).reads
    sighting = read.exchange.packets[0]
    assert (sighting.first_line, sighting.last_line) == (4, 4 + len(packet) - 1)


def test_what_was_not_acknowledged_does_not_count() -> None:
    talk = Talk()
    talk.ask(FullRead(1))
    (packet,) = talk.packets("<", b"\0" + encode_table_data(DATA))
    talk.say("<", damaged(packet))
    talk.say(">", NAK)
    talk.say("<", packet)
    talk.say(">", ACK)
    overheard = overhear(talk.records)
    assert [read.octets for read in overheard.reads] == [DATA]
    assert overheard.damaged == 1
    unheard = Talk()
    unheard.ask(FullRead(1))
    unheard.say("<", unheard.packets("<", b"\0" + encode_table_data(DATA))[0])
    unheard.ask(Identify())
    assert heard(unheard) == []


def test_repeats_count_once() -> None:
    talk = Talk()
    talk.ask(FullRead(1))
    packets = talk.packets("<", b"\0" + encode_table_data(LONG[:150]))
    for packet in packets:
        talk.say("<", packet + packet)
        talk.say(">", ACK)
        talk.say("<", packet)
        talk.say(">", ACK)
    talk.ask(FullRead(2))
    talk.say("<", packets[-1])  # late
    talk.say(">", ACK)
    talk.table(DATA)
    overheard = overhear(talk.records)
    assert [(read.table, read.octets) for read in overheard.reads] == [(1, LONG[:150]), (2, DATA)]
    assert overheard.repeated == 2 * len(packets) + 1


def test_a_request_sent_again_is_one_request() -> None:
    talk = Talk()
    (request,) = talk.packets(">", FullRead(1).encode())
    talk.say(">", request)
    talk.say(">", request)
    talk.table(DATA)
    overheard = overhear(talk.records)
    assert len(overheard.exchanges) == 1
    assert heard(talk) == [(1, 0, DATA)]


def test_echoes_are_not_answers() -> None:
    talk = Talk()
    (request,) = talk.packets(">", FullRead(1).encode())
    talk.say(">", request)
    (answer,) = talk.packets("<", b"\0" + encode_table_data(DATA))
    talk.say("<", request + ACK + answer)
    talk.say(">", ACK)
    talk.say("<", ACK)
    overheard = overhear(talk.records)
    assert [read.octets for read in overheard.reads] == [DATA]
    assert overheard.echoes == 1


def test_a_packet_inside_a_damaged_one_is_data() -> None:
    talk = Talk()
    talk.ask(FullRead(1))
    false = as_packet(b"\0" + encode_table_data(b"false"))
    packets = talk.packets("<", b"\0" + encode_table_data(false), most=200)
    talk.say("<", damaged(packets[0], at=4 + 5) + packets[0])
    talk.say(">", ACK)
    assert heard(talk) == [(1, 0, false)]


def test_noise_around_a_packet_is_skipped() -> None:
    talk = Talk()
    talk.ask(FullRead(1))
    (packet,) = talk.packets("<", b"\0" + encode_table_data(DATA))
    talk.say("<", b"\xee\x55\x00" + packet + b"\x42")
    talk.say(">", ACK)
    assert heard(talk) == [(1, 0, DATA)]


def test_wrong_checksums_refusals_and_overlong_answers_are_no_octets() -> None:
    talk = Talk()
    talk.ask(FullRead(1))
    talk.answer(b"\0" + encode_table_data(DATA)[:-1] + b"\x99")
    talk.ask(FullRead(2))
    talk.answer(b"\x05")
    talk.ask(OffsetRead(3, 0, 4))
    talk.table(b"12345")
    talk.ask(IndexRead(4, (1,), 1))
    talk.table(b"1")
    talk.ask(FullWrite(7, b"x"))
    talk.answer(b"\0")
    overheard = overhear(talk.records)
    assert overheard.reads == []
    assert overheard.bad_checksums == 1
    assert overheard.refused == [(FullRead(2), 5)]


def test_a_doubtful_answer_gives_way_to_the_one_asked_for_again() -> None:
    talk = Talk()
    talk.ask(FullRead(1))
    talk.table(b"first")
    talk.ask(FullRead(2))
    talk._toggles["<"] = not talk._toggles["<"]  # a packet was lost: this answers something else
    talk.table(b"other")
    talk.ask(FullRead(2))
    talk.table(b"second")
    assert heard(talk) == [(1, 0, b"first"), (2, 0, b"second")]


def test_masked_octets_are_passed_over() -> None:
    talk = Talk()
    talk.ask(FullRead(1))
    talk.say("<", talk.packets("<", b"\0" + encode_table_data(DATA))[0])
    talk.say(">", None, 30)  # its ACK is in there
    talk.say("<", None, 10)
    talk.say(">", ACK)
    talk.ask(FullRead(2))
    talk.table(b"after")
    assert heard(talk) == [(1, 0, DATA), (2, 0, b"after")]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("<>"), st.one_of(st.none(), st.binary(max_size=60), st.just(as_packet(b"\x30\0\1")))),
        max_size=30,
    )
)
def test_nothing_on_the_line_can_break_it(said: list[tuple[str, bytes | None]]) -> None:
    talk = Talk()
    for direction, octets in said:
        talk.say(direction, octets, 5)
    for read in overhear(talk.records).reads:
        assert read.carriers(read.offset, len(read.octets)) or not read.octets


def test_a_hostile_recording_takes_no_time() -> None:
    talk = Talk()
    talk.ask(FullRead(1))
    for _ in range(200):
        talk.say("<", b"\xee\x00\x00\x00\x1f\xf8" * 700)
    talk.say(">", ACK)
    assert heard(talk) == []


STEPS = st.lists(
    st.one_of(
        st.builds(FullRead, st.sampled_from([1, 5])),
        st.builds(OffsetRead, st.just(64), st.integers(0, 4000), st.integers(1, 900)),
        st.builds(FullRead, st.just(9)),
    ),
    min_size=1,
    max_size=6,
)
DAMAGES: dict[str, Callable[[int], Damage]] = {
    "none": lambda _seed: untouched,
    "flips": lambda seed: flipping(0.002, seed),
    "losses": lambda seed: losing(0.002, seed),
    "doubles": lambda seed: doubling(0.2, seed),
}


@settings(max_examples=60, deadline=None)
@given(
    steps=STEPS,
    damage=st.sampled_from(sorted(DAMAGES)),
    seed=st.integers(0, 1000),
    size=st.sampled_from([64, 200, 1024]),
    baud=st.sampled_from([9600, 0]),
    bytewise=st.booleans(),
)
def test_the_listener_has_what_the_client_has(
    steps: list[FullRead | OffsetRead], damage: str, seed: int, size: int, baud: int, bytewise: bool
) -> None:
    got: list[tuple[int, int, bytes]] = []
    with TemporaryDirectory() as directory:
        path = Path(directory) / "visit.rec"

        async def story() -> None:
            back = Direction(damage=DAMAGES[damage](seed), bytewise=bytewise)
            there = Direction(damage=DAMAGES[damage](seed + 1))
            options = PsemOptions(packet_size=size)
            memory = Tables({1: bytes(32), 5: bytes(range(20)), 64: LONG}, password=b"PASSWORD01")
            line = Line(memory, options=options, limits=MeterLimits(), baud=baud, there=there, back=back)
            transport = start_recording(line, path, monotonic_ns=lambda: int(clock() * 1e9))
            client = PsemClient(transport, options, clock=clock)
            try:
                async with client.session(Secret(b"PASSWORD01")):
                    for step in steps:
                        try:
                            if isinstance(step, FullRead):
                                got.append((step.table, 0, await client.read_table(step.table)))
                            else:
                                octets = await client.read_offset(step.table, step.offset, step.count)
                                got.append((step.table, step.offset, octets))
                        except (MeterRefused, DataError):
                            continue
            except MrspError:
                pass
            await transport.close()

        run(story())
        (session,) = read_sessions(path)
        text = path.read_bytes()
    overheard = overhear(session.records)
    for table, offset, octets in got:
        image = Image.of(read for read in overheard.reads if read.table == table)
        assert image.octets(offset, len(octets)) == octets
        wire = b"".join(one.sighting.raw[one.start : one.end] for one in image.carriers(offset, len(octets)))
        assert wire == octets
    assert b"PASSWORD01".hex().encode() not in text
    assert not got or any(isinstance(record, Octets) and record.octets is None for record in session.records)


@settings(max_examples=200, deadline=None)
@given(
    writes=st.lists(st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=30)), min_size=1, max_size=12),
    start=st.integers(0, 90),
    length=st.integers(0, 40),
)
def test_the_last_read_of_each_octet_counts(writes: list[tuple[int, bytes]], start: int, length: int) -> None:
    talk, model = Talk(), dict[int, int]()
    for offset, octets in writes:
        talk.ask(OffsetRead(64, offset, len(octets)))
        talk.table(octets)
        model.update(enumerate(octets, offset))
    image = Image.of(overhear(talk.records).reads)
    wanted = [model.get(at) for at in range(start, start + length)]
    assert image.octets(start, length) == (None if None in wanted else bytes(at or 0 for at in wanted))
    assert image.filled(start, length) == bytes(at or 0 for at in wanted)
    assert all(before.end <= after.offset for before, after in zip(image.pieces, image.pieces[1:], strict=False))


@pytest.mark.parametrize("most", [56, 20])
def test_a_request_of_several_packets_is_put_together(most: int) -> None:
    talk = Talk()
    for packet in talk.packets(">", FullWrite(7, bytes(100)).encode(), most):
        talk.say(">", packet)
        talk.say("<", ACK)
    talk.answer(b"\0")
    assert overhear(talk.records).exchanges[-1].request == FullWrite(7, bytes(100))
