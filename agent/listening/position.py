"""Where a receiver on wheels is, as gpsd says. Without a fresh fix there is no position: none is ever made up."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from agent.clock.instant import NS, Counters
from agent.clock.settings import Server
from drivers.data import Position

WATCH = b'?WATCH={"enable":true,"json":true};\n'
FRESH_NS = 5 * NS  # a receiver tells its position every second
AGAIN_S = 10.0
MAX_LINE = 65_536
_HUNDRED_NANODEGREES = Decimal("0.0000001")  # a centimetre

_log = logging.getLogger(__name__)


class _Report(msgspec.Struct, frozen=True, rename={"kind": "class"}):
    kind: str
    mode: int = 0  # TPV: 2 and 3 are fixes
    time: str = ""
    lat: Decimal | None = None
    lon: Decimal | None = None
    hdop: Decimal | None = None  # SKY


class Whereabouts:
    """Follows one gpsd; `position` is what it last said, if that was a moment ago."""

    def __init__(self, server: Server, clock: Counters) -> None:
        self._server = server
        self._clock = clock
        self._position: Position | None = None
        self._hdop: Decimal | None = None
        self._at_ns = 0

    def position(self) -> Position | None:
        """Return where the receiver is now; None without a fresh fix."""
        return self._position if self._clock.boottime_ns() - self._at_ns <= FRESH_NS else None

    async def follow(self) -> None:
        """Listen to gpsd until cancelled; connect again when it goes away."""
        told = False
        while True:
            try:
                reader, writer = await asyncio.open_connection(self._server.host, self._server.port, limit=MAX_LINE)
                try:
                    writer.write(WATCH)
                    while line := await reader.readline():
                        self.hear(line)
                finally:
                    writer.transport.abort()
            except (OSError, ValueError, UnicodeError) as error:
                if not told:
                    _log.warning("gpsd %s gives no positions: %s", self._server, error)
                    told = True
            await asyncio.sleep(AGAIN_S)

    def hear(self, line: bytes) -> None:
        """Take one line of gpsd."""
        try:
            report = msgspec.json.decode(line, type=_Report)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return
        if report.kind == "SKY":
            self._hdop = report.hdop if report.hdop is not None and 0 <= report.hdop < 100 else None
        elif report.kind == "TPV":
            self._position = self._fix(report)
            self._at_ns = self._clock.boottime_ns()

    def _fix(self, report: _Report) -> Position | None:
        latitude, longitude = report.lat, report.lon
        if report.mode not in {2, 3} or latitude is None or longitude is None:
            return None
        if not (latitude.is_finite() and longitude.is_finite() and abs(latitude) <= 90 and abs(longitude) <= 180):
            return None
        try:
            at = datetime.fromisoformat(report.time)
        except ValueError:
            return None
        if at.tzinfo is None:
            return None
        return Position(
            latitude.quantize(_HUNDRED_NANODEGREES),
            longitude.quantize(_HUNDRED_NANODEGREES),
            at=at.astimezone(UTC),
            hdop=self._hdop,
        )
