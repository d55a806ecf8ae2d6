"""Targets of lines that are not a meter's own: modems, serial-port servers, Modbus devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from drivers.errors import MrspError
from drivers.modbus.frames import Request, crc16, request_of, responses
from drivers.transport.com_port import ComPort
from drivers.transport.dialling import Call
from drivers.transport.hayes import Desk, Dialogue, Script, Was
from drivers.transport.modem_scripts import await_call, dial, hang_up
from drivers.transport.modem_settings import ModemSettings
from drivers.transport.pins import Carrier
from drivers.transport.telnet import (
    MAX_SUBNEGOTIATION,
    Negotiation,
    Subnegotiation,
    TelnetDecoder,
    escape,
    subnegotiation,
)
from tests.fuzz.chance import Chance, piece
from tests.fuzz.target import Target, plain

_DAY_S = 86_400.0
_CARRIERS = (Carrier.UNKNOWN, Carrier.DOWN, Carrier.UP)
_RESULTS = (
    b"OK\r\n",
    b"\r\nCONNECT 2400\r\n",
    b"RING\r\n",
    b"NO CARRIER\r\n",
    b"BUSY\r",
    b"ERROR\r\n",
    b"NMBR = 5550100\r\n",
)


def check_modem(octets: bytes) -> None:
    """A dialogue with a modem that says anything comes to an end, and sends only what a modem takes."""
    chance = Chance(octets)
    scripts: tuple[Callable[[Desk], Script[Any]], ...] = (
        lambda desk: dial(desk, Call("555-0100")),
        lambda desk: hang_up(desk, Was.ONLINE, follows=False),
        lambda desk: hang_up(desk, Was.DIALLING, follows=True),
        lambda desk: await_call(desk, 1, 1.0),
    )
    kind = chance.below(len(scripts))
    now = 100.0
    dialogue = Dialogue(scripts[kind], Desk(ModemSettings(), now, chance.pick(_CARRIERS)))
    while chance and not dialogue.finished:
        now += chance.pick((0.0, 0.05, 1.0, 3.0, 30.0))
        said = chance.pick(_RESULTS) if chance.flag() else chance.piece()
        dialogue.feed(said, now, chance.pick(_CARRIERS))
        _sent_well(dialogue)
    until = now + _DAY_S
    while not dialogue.finished and dialogue.deadline < until:
        now = max(now, dialogue.deadline)
        dialogue.tick(now)
        _sent_well(dialogue)
    assert len(dialogue.desk.said) <= 200
    if not dialogue.finished:
        assert kind == 3, "only one who waits for a call waits for ever"
        return
    try:
        dialogue.result()
    except MrspError as error:
        plain(error)


def _sent_well(dialogue: Dialogue[Any]) -> None:
    assert len(dialogue.actions) < 500
    for action in dialogue.actions:
        octets = getattr(action, "octets", b"")
        assert b"\n" not in octets
        assert octets.isascii()
    dialogue.actions.clear()


def modem_seeds() -> Iterator[bytes]:
    for kind in range(4):
        yield bytes([kind, 0])
        yield bytes([kind, 1]) + b"".join(bytes([1, 1, k, 1]) for k in (0, 0, 0, 1, 3))
        yield bytes([kind, 2]) + b"\1\0" + piece(b"AT&F\r\r\nOK\r\n") + b"\1"


def check_telnet(octets: bytes) -> None:
    """Data and commands are the same however the stream is cut; what is escaped comes back."""
    whole, single = TelnetDecoder(), TelnetDecoder()
    data, commands = whole.feed(octets)
    parts = [single.feed(octets[at : at + 1]) for at in range(len(octets))]
    assert b"".join(part for part, _ in parts) == data
    assert [command for _, some in parts for command in some] == commands
    for command in commands:
        assert isinstance(command, Negotiation) or len(command.payload) < MAX_SUBNEGOTIATION
    assert TelnetDecoder().feed(escape(octets)) == (octets, [])
    if len(octets) < MAX_SUBNEGOTIATION:
        assert TelnetDecoder().feed(subnegotiation(44, octets)) == (b"", [Subnegotiation(44, octets)])
    port = ComPort()
    port.start()
    assert port.feed(octets) == data
    assert len(port.output) <= 3 * (len(octets) + 8)  # it answers no command with more than one


def telnet_seeds() -> Iterator[bytes]:
    yield b"\xff\xfd\x2c\xff\xfb\x00\xff\xfd\x00data\xff\xff"
    yield b"\xff\xfa\x2c\x65\x00\x00\x25\x80\xff\xf0"
    yield b"\xff\xfa\x2c" + b"x" * 1100 + b"\xff\xf0after"
    yield b"\xff\xfa\x2c\xff\xff\xff\xfe\x2c"


def check_modbus(octets: bytes) -> None:
    """Answers are in what came, at most one for each three octets, and a request is read as it was written."""
    for framing in ("rtu", "tcp"):
        found = responses(octets, framing)
        assert 3 * len(found) <= len(octets)
        for one in found:
            assert one.octets in octets
            assert len(one.octets) <= 255
            assert bool(one.code) <= bool(one.function & 0x80)
            one.answers(Request(one.unit, one.function & 0x7F, 0, len(one.octets) // 2, one.transaction))
        asked = request_of(octets, framing)
        assert asked is None or asked.function in {3, 4}
    if 4 <= len(octets) < 200:  # whatever came before it, a good answer at the end is found
        body = bytes((1, 3, len(octets) & 0xFE)) + octets[: len(octets) & 0xFE]
        frame = body + crc16(body).to_bytes(2, "little")
        assert [one.octets for one in responses(frame, "rtu")] == [body[3:]]


def modbus_seeds() -> Iterator[bytes]:
    for body in (b"\x01\x03\x04\x00\x01\x02\x03", b"\x01\x83\x02", b"\x01\x03\x00\x00\x00\x02"):
        yield body + crc16(body).to_bytes(2, "little")
        yield b"\x00\x07\x00\x00" + len(body).to_bytes(2, "big") + body
    yield b"\x00\x07\x00\x00\xff\xff\x01\x03\xff"


TARGETS = (
    Target("modem", check_modem, modem_seeds, longest=1024),
    Target("telnet", check_telnet, telnet_seeds, longest=2048),
    Target("modbus", check_modbus, modbus_seeds, longest=1024),
)
