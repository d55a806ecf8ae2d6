"""What the line shows of a family: negotiation, refusals, answer times, the toggle bit, the password's padding."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from drivers.errors import MeterProtocolError
from drivers.learn.lesson import Lesson
from drivers.psem.bauds import BAUD_OF_CODE
from drivers.psem.codes import TOO_MUCH, ResponseCode, describe
from drivers.psem.options import Timing
from drivers.psem.overheard import Exchange, Overheard
from drivers.psem.replies import NegotiateReply
from drivers.psem.services import FullRead, Negotiate, OffsetRead, table_name

_SLOW_MS = 1_500  # answers later than that come near the response time-out
_LEAST_EXCHANGES = 8  # to conclude anything from the toggle bit
_MANY = 0.5


def of_line(overheard: Overheard) -> list[Lesson]:
    """Return what the exchanges of one session show."""
    return [
        *_negotiation(overheard.exchanges),
        *_password(overheard.exchanges),
        *_toggling(overheard),
        *_timing(overheard),
        *_reads(overheard),
    ]


def _negotiation(exchanges: list[Exchange]) -> Iterator[Lesson]:
    tried = [exchange for exchange in exchanges if isinstance(exchange.request, Negotiate) and exchange.answer]
    if not tried:
        yield Lesson("psem.negotiate", "Negotiate was not tried, or not answered", "open")
        return
    codes = {exchange.answer[0] for exchange in tried}
    if codes == {ResponseCode.SNS}:
        yield Lesson("psem.negotiate", "the meter answers SNS to Negotiate: it does not know it", "sure", value=False)
        return
    if ResponseCode.OK not in codes:
        words = ", ".join(describe(code) for code in sorted(codes))
        yield Lesson("psem.negotiate", f"Negotiate was refused: {words}", "open")
        return
    agreed = next(exchange for exchange in reversed(tried) if not exchange.answer[0])
    yield Lesson("psem.packet_size", _agreement(agreed), "sure")


def _agreement(exchange: Exchange) -> str:
    asked = exchange.request
    assert isinstance(asked, Negotiate)  # noqa: S101 - chosen so
    try:
        reply = NegotiateReply.decode(exchange.answer[1:])
    except MeterProtocolError:
        return f"Negotiate was answered with {exchange.answer.hex()}, which is no agreement"
    speed = f", {BAUD_OF_CODE[reply.baud_code]} baud" if reply.baud_code in BAUD_OF_CODE else ""
    offered = [str(BAUD_OF_CODE[code]) for code in asked.baud_codes if code in BAUD_OF_CODE]
    wish = f" and {', '.join(offered)} baud" if offered else ""
    return (
        f"offered {asked.packets} packets of {asked.packet_size} octets{wish}; agreed on {reply.packets} of "
        f"{reply.packet_size}{speed}: negotiated anew at each visit, nothing to set"
    )


def _password(exchanges: list[Exchange]) -> Iterator[Lesson]:
    shown = [exchange for exchange in exchanges if exchange.request is None and exchange.answer and not exchange.asked]
    if not shown:
        seen = "no password was given: whether its padding matters is not known"
    elif shown[-1].answer[0] == ResponseCode.OK:
        seen = "the password was accepted as it was padded"
        yield Lesson("psem.password_padding", seen)
        return
    else:
        seen = f"the password was refused ({describe(shown[-1].answer[0])}); no other padding was tried"
    yield Lesson("psem.password_padding", seen, "open")


def _toggling(overheard: Overheard) -> Iterator[Lesson]:
    answered = [exchange for exchange in overheard.exchanges if exchange.packets]
    doubtful = sum(exchange.doubtful for exchange in answered)
    if len(answered) >= _LEAST_EXCHANGES and doubtful > _MANY * len(answered):
        seen = f"the toggle bit did not change in {doubtful} of {len(answered)} answers"
        yield Lesson("psem.toggles", seen, "likely", value=False)
    else:
        yield Lesson("psem.toggles", f"the toggle bit changed in all but {doubtful} of {len(answered)} answers")


def _timing(overheard: Overheard) -> Iterator[Lesson]:
    spans = [
        (exchange.packets[0].t_ns - exchange.asked[-1].t_ns) // 1_000_000
        for exchange in overheard.exchanges
        if exchange.packets and exchange.asked
    ]
    if not spans:
        return
    trouble = f"{overheard.damaged} packets came damaged, {overheard.repeated} twice"
    seen = f"the first packet of an answer was in after {min(spans)} to {max(spans)} ms, {median(spans):.0f} as a rule"
    if max(spans) > _SLOW_MS:
        wanted = -(-2 * max(spans) // 500) * 500
        yield Lesson("psem.response_ms", seen, "likely", value=min(wanted, 120_000))
    else:
        yield Lesson("psem.response_ms", f"{seen}; well within {Timing().response_s * 1000:.0f} ms")
    quiet = not overheard.damaged and not overheard.repeated
    seen = f"{trouble} at the default pause of {Timing().turnaround_s * 1000:.0f} ms"
    yield Lesson("psem.turnaround_ms", seen, "sure" if quiet else "open")


def _reads(overheard: Overheard) -> Iterator[Lesson]:
    """Say what reads by offset were served, and how long ones were refused where shorter ones were not."""
    refused: dict[int, int] = {}
    for request, code in overheard.refused:
        if isinstance(request, OffsetRead) and code in TOO_MUCH:
            refused[request.table] = min(refused.get(request.table, request.count), request.count)
    partial = [read for read in overheard.reads if not read.whole]
    limits = {}
    for table, count in refused.items():
        served = [len(read.octets) for read in partial if read.table == table and len(read.octets) < count]
        if served:
            limits[table] = (max(served), count)
    if limits:
        table, (most, count) = min(limits.items(), key=lambda item: item[1])
        seen = f"{table_name(table)}: {most} octets were served at once, {count} refused"
        yield Lesson("c1219.max_read", seen, "likely", value=most)
    elif partial:
        most = max(len(read.octets) for read in partial)
        yield Lesson("c1219.max_read", f"reads by offset are served, up to {most} octets at once were asked for")
    unknown = [request for request, code in overheard.refused if code == ResponseCode.SNS]
    if any(isinstance(request, OffsetRead) for request in unknown) and not partial:
        yield Lesson("c1219.max_read", "reads by offset are not supported (SNS): every table is read whole")


def refusals(overheard: Overheard) -> dict[int, int]:
    """Return the response code by table id, of the tables that were refused and never served."""
    served = {read.table for read in overheard.reads}
    return {
        request.table: code
        for request, code in overheard.refused
        if isinstance(request, FullRead | OffsetRead) and request.table not in served
    }
