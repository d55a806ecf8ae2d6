"""A visit again from its recording: the same questions, answered by what the meter answered then. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drivers.errors import DataError, MeterRefused
from drivers.modbus.address import Framing
from drivers.modbus.failures import GATEWAY_PATH, GATEWAY_SILENT, LATER, refused
from drivers.modbus.frames import Request, Response, request_of, responses
from drivers.modbus.image import Answer, Span
from drivers.modbus.schema import RegisterMap
from drivers.modbus.survey import Steps, Survey
from drivers.transport.recording_file import Octets, Record, Session

_AGAIN = LATER | {GATEWAY_PATH, GATEWAY_SILENT}  # answers after which the client asks once more


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what answered it, between two stamps of the recording; `response` None: nothing did."""

    request: Request
    response: Response | None
    before_ns: int
    after_ns: int


def framing_of(session: Session) -> Framing:
    """Return how the frames of a recorded visit are framed: its line tells."""
    return "tcp" if session.header.line.startswith(("modbus+tcp://", "modbus+tls://")) else "rtu"


def exchanges(records: Iterable[Record], framing: Framing) -> list[Exchange]:
    """Return the requests of a recording with their answers, oldest first."""
    found: list[Exchange] = []
    for request, sent_ns, came, last_ns in _turns(records, framing):
        answer = next((one for one in responses(came, framing) if one.answers(request)), None)
        found.append(Exchange(request, answer, sent_ns, last_ns))
    return found


def _turns(records: Iterable[Record], framing: Framing) -> Iterator[tuple[Request, int, bytes, int]]:
    asked: Request | None = None
    sent_ns = last_ns = 0
    came = b""
    for record in records:
        if not isinstance(record, Octets) or record.octets is None:
            continue
        if record.direction == "<":
            came, last_ns = came + record.octets, record.t
            continue
        if asked is not None:
            yield asked, sent_ns, came, last_ns
        asked, sent_ns, last_ns, came = request_of(record.octets, framing), record.t, record.t, b""
    if asked is not None:
        yield asked, sent_ns, came, last_ns


def retell(session: Session, one: RegisterMap) -> Survey:
    """Carry out a visit with this map once more, on a recording; it ends early where the recording has no answer.

    Raises `DataError` when the recording holds no Modbus visit, or the meter is none of the map.
    """
    told = exchanges(session.records, framing_of(session))
    if not told:
        raise DataError("the recording holds no Modbus request")
    survey = Survey(one)
    replay(survey.steps(), told, session.header.line)
    return survey


def replay(steps: Steps, told: list[Exchange], line: str) -> int:
    """Answer steps from what was told on a line, in its order; return how many exchanges were used."""
    used = 0
    try:
        span = next(steps)
        while True:
            for at in range(used, len(told)):
                if _is_answer(told[at], span):
                    break
            else:
                steps.close()
                return used
            used = at + 1
            exchange, response = told[at], told[at].response
            if response is None:
                continue
            if response.code:
                error = refused(response.code, span, f"{line}, unit {response.unit}")
                if not isinstance(error, MeterRefused):
                    steps.close()
                    return used
                span = steps.throw(error)
            else:
                span = steps.send(Answer(response.octets, exchange.before_ns, exchange.after_ns))
    except StopIteration:
        return used


def _is_answer(exchange: Exchange, span: Span) -> bool:
    asked, response = exchange.request, exchange.response
    if response is None or response.code in _AGAIN:
        return False
    return (asked.function, asked.first, asked.count) == (span.code, span.first, span.count)
