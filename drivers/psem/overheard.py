"""Listen to a recorded session as a third party: which requests were made, and what exactly answered each.

Independent of the order and the reasons of the client's requests: only what C12.18 says of the line counts. Packets are
found by their CRC, and what the meter sent is taken if it was acknowledged; duplicates, echoes, repeats after a NAK
and damaged packets fall away. Bounded by the size of the recording; no input or output in here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby, zip_longest
from typing import Literal

from drivers.errors import MeterProtocolError, ProtocolError
from drivers.psem.assembly import Assembler, Message
from drivers.psem.packet import ACK, HEADER, NAK, OVERHEAD, START
from drivers.psem.replies import decode_table_data
from drivers.psem.services import FullRead, OffsetRead, Request, decode_request
from drivers.psem.sightings import Carrier, Sighting, Turn, packet_at, packets_in
from drivers.transport.recording_file import Octets, Record

_CODE_AND_COUNT = 3  # octets of a read's answer before its table data: response code, count (C12.18 §9.5)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, and the answer that the client acknowledged; an empty `answer` is none that could be put together.

    `request` is None where its octets are masked or no service of C12.18. `doubtful`: the toggle bit of the answer did
    not change, so that it may answer the request before.
    """

    request: Request | None
    asked: tuple[Sighting, ...]
    answer: bytes = b""
    packets: tuple[Sighting, ...] = ()
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """Octets of a table as one answer brought them, its checksum verified. `whole`: a full read, not one by offset."""

    table: int
    offset: int
    octets: bytes
    whole: bool
    exchange: Exchange

    @property
    def end(self) -> int:
        """Offset after the last octet."""
        return self.offset + len(self.octets)

    @property
    def t_ns(self) -> int:
        """When the answer was in."""
        return self.exchange.packets[-1].t_ns

    def carriers(self, offset: int, length: int) -> tuple[Carrier, ...]:
        """Return where the octets of the table from `offset` are on the wire; those of other reads are left out."""
        first = max(offset, self.offset) - self.offset + _CODE_AND_COUNT
        last = min(offset + length, self.end) - self.offset + _CODE_AND_COUNT
        found, at = [], 0
        for sighting in self.exchange.packets:
            start, end = max(first, at), min(last, at + len(sighting.packet.data))
            if start < end:
                found.append(Carrier(sighting, HEADER + start - at, HEADER + end - at))
            at += len(sighting.packet.data)
        return tuple(found)


@dataclass(slots=True)
class Overheard:
    """What one recorded session shows. `reads` in order of time; `refused`: requests that the meter answered with no.

    Counted: packets of the meter with a wrong CRC or cut short (`damaged`), repeated ones, and echoes of the client.
    """

    exchanges: list[Exchange] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    refused: list[tuple[Request, int]] = field(default_factory=list)
    damaged: int = 0
    repeated: int = 0
    echoes: int = 0
    bad_checksums: int = 0


def overhear(records: Iterable[Record]) -> Overheard:
    """Return what the records of one session show. Never raises for what was on the line."""
    listener = _Listener()
    octets = (record for record in records if isinstance(record, Octets))
    for direction, turn in groupby(octets, key=lambda record: record.direction):
        listener.turn(direction, Turn(list(turn)))
    return listener.end()


class _Listener:
    """Keeps the two directions together, as they take turns."""

    def __init__(self) -> None:
        self._overheard = Overheard()
        self._requests = Assembler()
        self._asked: list[Sighting] = []
        self._sent = b""  # the client's last packet
        self._heard: Turn | None = None  # of the meter; its fate is said by what the client sends next
        self._open: tuple[Request | None, tuple[Sighting, ...]] | None = None
        self._answers: list[Sighting] = []  # acknowledged, since the request
        self._mark: tuple[bool, bytes] | None = None  # toggle and CRC of the meter's last packet before the request

    def turn(self, direction: Literal[">", "<"], turn: Turn) -> None:
        if direction == "<":
            self._heard = turn
        elif turn.masked:
            self._take_answers()
            self._begin(None, ())
        else:
            self._from_client(turn)

    def end(self) -> Overheard:
        self._close()
        overheard = self._overheard
        for exchange, after in zip_longest(overheard.exchanges, overheard.exchanges[1:]):
            again = after is not None and exchange.request == after.request
            if not (exchange.doubtful and again):  # the client did not trust it, and asked again
                self._read(exchange)
        return overheard

    def _from_client(self, turn: Turn) -> None:
        octets, at, acknowledged = turn.octets, 0, False
        while at < len(octets):
            if octets[at] != START:
                acknowledged = acknowledged or octets[at : at + 1] == ACK
                if octets[at : at + 1] in {ACK, NAK}:
                    if acknowledged:
                        self._take_answers()
                    self._pass_over()
                at += 1
                continue
            found = packet_at(octets, at)
            if found is None:
                at += 1
                continue
            end = at + len(found.data) + OVERHEAD
            self._pass_over()
            self._sent_packet(turn.sighting(found, at, end))
            at = end

    def _sent_packet(self, sighting: Sighting) -> None:
        """Take a packet of the client, unless it is a repeat of the one before."""
        if sighting.raw == self._sent:
            return
        self._sent = sighting.raw
        if sighting.packet.first or not sighting.packet.multi:
            self._asked.clear()
        self._asked.append(sighting)
        outcome = self._requests.accept(sighting.packet, fresh_allowed=True)
        if isinstance(outcome, Message):
            try:
                request: Request | None = decode_request(outcome.data)
            except ProtocolError:
                request = None
            self._begin(request, tuple(self._asked))

    def _begin(self, request: Request | None, asked: tuple[Sighting, ...]) -> None:
        self._close()
        self._open = request, asked

    def _take_answers(self) -> None:
        """The client acknowledged what the meter sent last."""
        turn, self._heard = self._heard, None
        if turn is None or turn.masked:
            return
        packets, damaged = packets_in(turn.octets)
        self._overheard.damaged += damaged
        for start, packet in packets:
            sighting = turn.sighting(packet, start, start + len(packet.data) + OVERHEAD)
            if sighting.raw == self._sent:
                self._overheard.echoes += 1
            else:
                self._answers.append(sighting)

    def _pass_over(self) -> None:
        """The client did not take what the meter sent last."""
        turn, self._heard = self._heard, None
        if turn is not None and not turn.masked:
            self._overheard.damaged += packets_in(turn.octets)[1]

    def _close(self) -> None:
        """Put the answer to the present request together, if there is one."""
        opened, answers, mark = self._open, self._answers, self._mark
        self._open, self._answers = None, []
        if answers:
            self._mark = _mark(answers[-1])
        if opened is None:
            return
        request, asked = opened
        answer, packets, repeated = _assembled(answers, mark)
        if not answer:  # what repeats the packet before the request is late, unless it is all there is
            answer, packets, repeated = _assembled(answers, None)
        self._overheard.repeated += repeated
        doubtful = bool(packets) and mark is not None and mark[0] == packets[0].packet.toggle
        self._overheard.exchanges.append(Exchange(request, asked, answer, packets, doubtful))

    def _read(self, exchange: Exchange) -> None:
        """Note the octets of a table, or the refusal, that an exchange brought."""
        request, answer = exchange.request, exchange.answer
        if request is None or not answer:
            return
        if answer[0]:
            self._overheard.refused.append((request, answer[0]))
        elif isinstance(request, FullRead | OffsetRead):
            try:
                octets = decode_table_data(answer[1:], request.what)
            except MeterProtocolError:
                self._overheard.bad_checksums += 1
                return
            if isinstance(request, FullRead):
                self._overheard.reads.append(Read(request.table, 0, octets, whole=True, exchange=exchange))
            elif len(octets) <= request.count:
                self._overheard.reads.append(
                    Read(request.table, request.offset, octets, whole=False, exchange=exchange)
                )


def _mark(sighting: Sighting) -> tuple[bool, bytes]:
    return sighting.packet.toggle, sighting.raw[-2:]


def _assembled(packets: list[Sighting], before: tuple[bool, bytes] | None) -> tuple[bytes, tuple[Sighting, ...], int]:
    """Return the first whole message, the packets that it came in, and how many were repeats."""
    assembler, parts, repeated = Assembler(), list[Sighting](), 0
    answer, used = b"", tuple[Sighting, ...]()
    for sighting in packets:
        if _mark(sighting) == before:
            repeated += 1
            continue
        before = _mark(sighting)
        if answer:
            continue
        if sighting.packet.first or not sighting.packet.multi:
            parts.clear()
        parts.append(sighting)
        outcome = assembler.accept(sighting.packet, fresh_allowed=True)
        if isinstance(outcome, Message):
            answer, used = outcome.data, tuple(parts)
    return answer, used, repeated


__all__ = ["Carrier", "Exchange", "Overheard", "Read", "Sighting", "overhear"]
