"""One of the agent's modems: the Hayes core between a terminal's port and the telephone network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Protocol

from metersim.modem.events import Answered, Dialled, ModemEvent, OffHook, OnHook, Transmit
from metersim.modem.exchange import Exchange, Speeds
from metersim.modem.hayes import Modem
from metersim.modem.results import Carrier
from metersim.modem.settings import ModemModel

_TONE_COMES_S = 0.2


class TerminalPort(Protocol):
    """The modem's end of the cable to its terminal."""

    @property
    def address(self) -> str:
        """What the terminal opens."""
        ...

    def put(self, octets: bytes) -> None:
        """Hand over octets; those that nobody takes are lost."""
        ...

    def heard_wrongly(self, chunk: bytes, *, line_rate: int) -> bytes:
        """Return what arrives of octets on a line passed straight through, if the terminal has another speed.

        As they are where `line_rate` is 0, or nobody can tell.
        """
        ...

    def show_carrier(self, *, up: bool) -> None:
        """Move the pin DCD, where there is one."""
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


class Wires(Protocol):
    """What a port tells its modem."""

    def received(self, chunk: bytes) -> None:
        """Octets came from the terminal."""
        ...

    def dtr(self, *, on: bool) -> None:
        """The pin DTR moved."""
        ...


class Station:
    """A subscriber of the exchange with a terminal. `now` is the event loop's time."""

    def __init__(self, number: str, exchange: Exchange, model: ModemModel | None = None) -> None:
        self.number = number
        self.modem = Modem(asyncio.get_running_loop().time(), model)
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self._random = Random(f"{exchange.network.seed}/modem {number}")
        self._port: TerminalPort | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._shown = False
        self._will_reject()

    @property
    def address(self) -> str:
        """What the agent opens: `/dev/pts/7` or `tcp://127.0.0.1:4001`."""
        return self._port.address if self._port is not None else ""

    def attach(self, port: TerminalPort) -> None:
        """Plug the cable in."""
        self._port = port

    # -- from the terminal

    def received(self, chunk: bytes) -> None:
        if self._port is not None:
            chunk = self._port.heard_wrongly(chunk, line_rate=self._direct_rate())
        self._happened(self.modem.feed(chunk, self._loop.time()))

    def dtr(self, *, on: bool) -> None:
        self._happened(self.modem.dtr(on=on, now=self._loop.time()))

    # -- a subscriber of the exchange

    @property
    def engaged(self) -> bool:
        return self.modem.off_hook

    def speeds(self) -> Speeds:
        settings = self.modem.settings
        return Speeds(settings.most, settings.least, settings.corrects)

    def ring(self) -> None:
        self._happened(self.modem.ring(self._loop.time()))

    def ringback(self) -> None:
        self.modem.ringback()

    def picked_up(self) -> None:
        self.modem.picked_up()

    def busy(self) -> None:
        self._happened(self.modem.busy(self._loop.time()))

    def carrier(self, carrier: Carrier) -> None:
        self._happened(self.modem.carrier(carrier, self._loop.time()))

    def hear(self, octets: bytes) -> None:
        self.modem.receive(octets, self._loop.time())
        self._happened([])

    def carrier_lost(self) -> None:
        self._happened(self.modem.carrier_lost(self._loop.time()))

    # -- the modem's own doing

    def _happened(self, events: list[ModemEvent]) -> None:
        for event in events:
            match event:
                case OffHook():
                    self._take_line()
                case Dialled(number):
                    self._exchange.dial(self, number)
                case Answered():
                    self._exchange.answer(self)
                case Transmit(octets):
                    self._exchange.send(self, octets)
                case OnHook(why):
                    self._exchange.release(self, why)
        output = self.modem.take_output()
        if self._port is not None:
            if output:
                self._port.put(output)
            if self._shown != self.modem.dcd:
                self._shown = self.modem.dcd
                self._port.show_carrier(up=self._shown)
        self._set_timer()

    def _take_line(self) -> None:
        """Let the dial tone come, unless the line is dead or somebody is just ringing."""
        self._will_reject()
        if self._random.random() < self._exchange.network.faults.no_dialtone:
            return
        if not self.modem.ringing:
            self._later(_TONE_COMES_S, lambda: self.modem.dial_tone(self._loop.time()))
        else:
            self._exchange.answer(self)  # whoever rings is through, to a modem that is about to dial

    def _will_reject(self) -> None:
        if text := self._exchange.network.faults.rejected(self._random):
            self.modem.answer_next_dial(text)

    def _later(self, seconds: float, then: Callable[[], list[ModemEvent]]) -> None:
        self._loop.call_later(seconds, lambda: self._happened(then()))

    def _direct_rate(self) -> int:
        """The line's speed where the modem passes octets straight through and the terminal must have it; else 0."""
        call = self._exchange.call_of(self)
        return 0 if call is None or not call.up or self.modem.settings.letters["&Q"] else self.speeds().most

    def _set_timer(self) -> None:
        due = self.modem.deadline()
        if self._timer is not None:
            if due is not None and self._timer.when() <= due and not self._timer.cancelled():
                return  # it will look again
            self._timer.cancel()
        self._timer = None if due is None else self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._happened(self.modem.tick(self._loop.time()))

    async def close(self) -> None:
        """Hang up and give the port back."""
        if self._timer is not None:
            self._timer.cancel()
        self._exchange.release(self, "was switched off")
        port, self._port = self._port, None
        if port is not None:
            await port.close()
