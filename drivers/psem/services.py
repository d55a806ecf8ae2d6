"""Layer 7 requests (C12.18 §9, with the additions of C12.21), encoded and decoded: one value for each service.

Every multi-octet field is big-endian, whatever the byte order of the meter's tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from drivers.errors import LocalProtocolError, ProtocolError
from drivers.psem.codes import ResponseCode
from drivers.psem.replies import decode_table_data, encode_table_data
from drivers.secret import Secret

USER_LENGTH: Final = 10
PASSWORD_LENGTH: Final = 20
MOST_BAUDS: Final = 11
MOST_INDICES: Final = 9


class BadRequest(ProtocolError):
    """What a client sent is no request; `code` is what a meter answers to it."""

    def __init__(self, message: str, code: ResponseCode) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Bare:
    """Base of the requests that are only a code."""

    code: ClassVar[int]
    what: ClassVar[str]

    def encode(self) -> bytes:
        return bytes((self.code,))


class Identify(Bare):
    """20H: who are you; the first request of every session."""

    __slots__ = ()
    code = 0x20
    what = "Identify"


class Terminate(Bare):
    """21H: end the session; speed and packet size go back to their defaults."""

    __slots__ = ()
    code = 0x21
    what = "Terminate"


class Disconnect(Bare):
    """22H (C12.21): end the session and hang up."""

    __slots__ = ()
    code = 0x22
    what = "Disconnect"


class DefaultRead(Bare):
    """3EH: read the meter's default set of tables."""

    __slots__ = ()
    code = 0x3E
    what = "Read of the default set"


class Logoff(Bare):
    """52H: give up the access rights; what was negotiated stays."""

    __slots__ = ()
    code = 0x52
    what = "Logoff"


@dataclass(frozen=True, slots=True)
class FullRead:
    """30H: read a whole table."""

    table: int

    @property
    def what(self) -> str:
        return f"Read of {table_name(self.table)}"

    def encode(self) -> bytes:
        return b"\x30" + _uint(self.table, 2)


@dataclass(frozen=True, slots=True)
class IndexRead:
    """31H–39H: read `count` elements from the one that the path of 1 to 9 `indices` names."""

    table: int
    indices: tuple[int, ...]
    count: int

    @property
    def what(self) -> str:
        return f"Read of {table_name(self.table)} at {'.'.join(map(str, self.indices))}"

    def encode(self) -> bytes:
        return (
            bytes((_indexed(0x30, self.indices),)) + _uint(self.table, 2) + _path(self.indices) + _uint(self.count, 2)
        )


@dataclass(frozen=True, slots=True)
class OffsetRead:
    """3FH: read `count` octets from `offset`."""

    table: int
    offset: int
    count: int

    @property
    def what(self) -> str:
        return f"Read of {table_name(self.table)} octets {self.offset}–{self.offset + self.count - 1}"

    def encode(self) -> bytes:
        return b"\x3f" + _uint(self.table, 2) + _uint(self.offset, 3) + _uint(self.count, 2)


@dataclass(frozen=True, slots=True)
class FullWrite:
    """40H: write a whole table."""

    table: int
    data: bytes

    @property
    def what(self) -> str:
        return f"Write of {table_name(self.table)}"

    def encode(self) -> bytes:
        return b"\x40" + _uint(self.table, 2) + encode_table_data(self.data)


@dataclass(frozen=True, slots=True)
class IndexWrite:
    """41H–49H: write the element that the path of 1 to 9 `indices` names."""

    table: int
    indices: tuple[int, ...]
    data: bytes

    @property
    def what(self) -> str:
        return f"Write of {table_name(self.table)} at {'.'.join(map(str, self.indices))}"

    def encode(self) -> bytes:
        head = bytes((_indexed(0x40, self.indices),)) + _uint(self.table, 2)
        return head + _path(self.indices) + encode_table_data(self.data)


@dataclass(frozen=True, slots=True)
class OffsetWrite:
    """4FH: write octets from `offset`."""

    table: int
    offset: int
    data: bytes

    @property
    def what(self) -> str:
        return f"Write of {table_name(self.table)} from octet {self.offset}"

    def encode(self) -> bytes:
        return b"\x4f" + _uint(self.table, 2) + _uint(self.offset, 3) + encode_table_data(self.data)


@dataclass(frozen=True, slots=True)
class Logon:
    """50H: open a session as `user_id`; `user` is padded already, 10 octets."""

    user_id: int
    user: bytes
    what: ClassVar[str] = "Logon"

    def encode(self) -> bytes:
        return b"\x50" + _uint(self.user_id, 2) + _exactly(self.user, USER_LENGTH, "user name")


@dataclass(frozen=True, slots=True)
class Security:
    """51H: show the password, padded already, 20 octets."""

    password: Secret
    what: ClassVar[str] = "Security"

    def encode(self) -> bytes:
        return b"\x51" + _exactly(self.password.reveal(), PASSWORD_LENGTH, "password")


@dataclass(frozen=True, slots=True)
class Authenticate:
    """53H (C12.21): show knowledge of a key."""

    body: Secret
    what: ClassVar[str] = "Authenticate"

    def encode(self) -> bytes:
        body = self.body.reveal()
        return b"\x53" + _uint(len(body), 1) + body


@dataclass(frozen=True, slots=True)
class Negotiate:
    """60H–6BH: propose packet size, number of packets and up to 11 baud codes, preferred first."""

    packet_size: int
    packets: int
    baud_codes: tuple[int, ...] = ()
    what: ClassVar[str] = "Negotiate"

    def encode(self) -> bytes:
        if len(self.baud_codes) > MOST_BAUDS:
            msg = f"Negotiate with {len(self.baud_codes)} speeds: at most {MOST_BAUDS}"
            raise LocalProtocolError(msg)
        head = bytes((0x60 + len(self.baud_codes),))
        return head + _uint(self.packet_size, 2) + _uint(self.packets, 1) + bytes(self.baud_codes)


@dataclass(frozen=True, slots=True)
class Wait:
    """70H: keep the session for so many seconds although nothing is sent, once."""

    seconds: int
    what: ClassVar[str] = "Wait"

    def encode(self) -> bytes:
        return b"\x70" + _uint(self.seconds, 1)


@dataclass(frozen=True, slots=True)
class TimingSetup:
    """71H (C12.21): propose timers, in whole seconds, and a number of retries."""

    traffic: int
    inter_character: int
    response: int
    retries: int
    what: ClassVar[str] = "Timing setup"

    def encode(self) -> bytes:
        return bytes((0x71, self.traffic, self.inter_character, self.response, self.retries))


Request = (
    Identify
    | Terminate
    | Disconnect
    | DefaultRead
    | Logoff
    | FullRead
    | IndexRead
    | OffsetRead
    | FullWrite
    | IndexWrite
    | OffsetWrite
    | Logon
    | Security
    | Authenticate
    | Negotiate
    | Wait
    | TimingSetup
)


def table_name(table: int) -> str:
    """Return `ST05` or `MT2` for a table id as it goes over the line; a pending table is marked."""
    name = f"MT{table & 0x7FF}" if table & 0x800 else f"ST{table & 0x7FF:02}"
    return name if table < 0x1000 else f"{name} (id {table:04X}H)"


def decode_request(message: bytes) -> Request:
    """Take a request apart. Raises `BadRequest` with `SNS` for an unknown code, `ERR` for a wrong length or sum."""
    if not message:
        msg = "an empty request"
        raise BadRequest(msg, ResponseCode.ERR)
    decoder = _DECODERS.get(message[0])
    if decoder is None:
        msg = f"service {message[0]:02X}H is not known"
        raise BadRequest(msg, ResponseCode.SNS)
    try:
        return decoder(message[0], message[1:])
    except (ProtocolError, ValueError) as error:
        msg = f"request {message[0]:02X}H of {len(message)} octets cannot be read"
        raise BadRequest(msg, ResponseCode.ERR) from error


_BARE: Final[dict[int, Callable[[], Request]]] = {
    0x20: Identify,
    0x21: Terminate,
    0x22: Disconnect,
    0x3E: DefaultRead,
    0x52: Logoff,
}


def _bare(code: int, body: bytes) -> Request:
    _exactly(body, 0, "request")
    return _BARE[code]()


def _read(code: int, body: bytes) -> Request:
    indices = code & 0x0F
    if code == 0x3F:
        _exactly(body, 7, "request")
        return OffsetRead(_number(body[:2]), _number(body[2:5]), _number(body[5:]))
    if indices == 0:
        return FullRead(_number(_exactly(body, 2, "request")))
    _exactly(body, 4 + 2 * indices, "request")
    return IndexRead(_number(body[:2]), _indices(body[2:-2]), _number(body[-2:]))


def _write(code: int, body: bytes) -> Request:
    indices = code & 0x0F
    head = 5 if code == 0x4F else 2 + 2 * indices
    _exactly(body[:head], head, "request")
    table, data = _number(body[:2]), decode_table_data(body[head:], "request")
    if code == 0x4F:
        return OffsetWrite(table, _number(body[2:5]), data)
    return IndexWrite(table, _indices(body[2:head]), data) if indices else FullWrite(table, data)


def _logon(_code: int, body: bytes) -> Request:
    _exactly(body, 2 + USER_LENGTH, "request")
    return Logon(_number(body[:2]), body[2:])


def _security(_code: int, body: bytes) -> Request:
    return Security(Secret(_exactly(body, PASSWORD_LENGTH, "request")))


def _authenticate(_code: int, body: bytes) -> Request:
    _exactly(body, 1 + _number(body[:1]), "request")
    return Authenticate(Secret(body[1:]))


def _negotiate(code: int, body: bytes) -> Request:
    _exactly(body, 3 + code - 0x60, "request")
    return Negotiate(_number(body[:2]), body[2], tuple(body[3:]))


def _wait(_code: int, body: bytes) -> Request:
    return Wait(_number(_exactly(body, 1, "request")))


def _timing_setup(_code: int, body: bytes) -> Request:
    return TimingSetup(*_exactly(body, 4, "request"))


_DECODERS: Final[dict[int, Callable[[int, bytes], Request]]] = {
    **dict.fromkeys(_BARE, _bare),
    **dict.fromkeys((*range(0x30, 0x3A), 0x3F), _read),
    **dict.fromkeys((*range(0x40, 0x4A), 0x4F), _write),
    0x50: _logon,
    0x51: _security,
    0x53: _authenticate,
    **dict.fromkeys(range(0x60, 0x6C), _negotiate),
    0x70: _wait,
    0x71: _timing_setup,
}


def _uint(value: int, size: int) -> bytes:
    try:
        return value.to_bytes(size, "big")
    except OverflowError:
        msg = f"{value} does not fit {size} octets of a request"
        raise LocalProtocolError(msg) from None


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


def _indices(octets: bytes) -> tuple[int, ...]:
    return tuple(_number(octets[at : at + 2]) for at in range(0, len(octets), 2))


def _path(indices: tuple[int, ...]) -> bytes:
    return b"".join(_uint(index, 2) for index in indices)


def _indexed(base: int, indices: tuple[int, ...]) -> int:
    if not 1 <= len(indices) <= MOST_INDICES:
        msg = f"a path of {len(indices)} indices: 1 to {MOST_INDICES} are possible"
        raise LocalProtocolError(msg)
    return base + len(indices)


def _exactly(octets: bytes, size: int, what: str) -> bytes:
    if len(octets) != size:
        msg = f"a {what} of {len(octets)} octets instead of {size}"
        raise LocalProtocolError(msg)
    return octets
