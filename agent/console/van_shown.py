"""The van's list as it is shown: rows for the page, and the same for the script that keeps them up to date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import get_args

import msgspec

from agent.console.shown_figures import span
from agent.console.text import Texts
from agent.listening.van_view import EarView, Show, VanChange, VanMeter, VanView, away
from drivers.data import Position

SHOWS: tuple[Show, ...] = get_args(Show)
ROWS = 40  # of one page
MOST_BY_SCRIPT = 10_000  # meters that a browser is given; a longer plan is searched on the box
HERE_M = 20  # nearer than that, a direction says nothing
BARS = 4
#: From so many decibels on: one bar more. Above the noise; else below the full scale of the receiver.
_BY_SNR = (Decimal(8), Decimal(14), Decimal(20))
_BY_RSSI = (Decimal(-16), Decimal(-10), Decimal(-5))


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One meter for the script. Degrees and decibels are exact text; `at` is Unix seconds."""

    number: int
    message: str
    meter: str
    state: str
    place: str = ""
    point: str = ""  # service delivery point
    heard: int = 0
    at: int | None = None
    rssi: str = ""
    snr: str = ""
    bars: int | None = None
    latitude: str = ""
    longitude: str = ""
    about: bool = False  # not where it is, but where it was heard best
    odd: bool = False
    by: str = ""  # who gave it up


class Ear(msgspec.Struct, frozen=True):
    """One receiver. `trouble`: empty while it listens."""

    name: str
    trouble: str
    advice: str


class Now(msgspec.Struct, frozen=True):
    """How it stands, with the rows that changed; or with all of them."""

    epoch: str
    version: int
    at: int | None
    counts: dict[str, int]
    beyond: bool
    ears: tuple[Ear, ...]
    position: tuple[str, str] | None
    meters: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One meter for a page that works without a script."""

    row: Row
    title: str
    ago: str
    far: str
    signal: str


BLANK = Line(Row(0, "", "", "unheard"), "", "", "", "")  # for the script to fill


def now_of(view: VanView, version: int, meters: Iterable[VanMeter]) -> Now:
    """Return how it stands for the script; `meters` are up to `version`."""
    counts = {name: getattr(view.counts, name) for name in ("receptions", "foreign", "delivered", "unconfirmed")}
    return Now(
        epoch=view.epoch,
        version=version,
        at=None if view.at is None else int(view.at.timestamp()),
        counts=counts | {show: view.counts.of(show) for show in SHOWS},
        beyond=view.counts.foreign_beyond,
        ears=tuple(_ear(ear) for ear in view.ears),
        position=None if view.position is None else (f"{view.position.latitude:f}", f"{view.position.longitude:f}"),
        meters=tuple(map(row_of, meters)),
    )


def change_of(change: VanChange) -> Now:
    """Return a change for the script."""
    return now_of(change.view, change.version, change.meters)


def row_of(meter: VanMeter) -> Row:
    """Return a meter for the script."""
    planned, spot = meter.planned, meter.spot
    return Row(
        number=meter.number,
        message=planned.message,
        meter=planned.meter_id,
        state=meter.state,
        place=planned.place or "",
        point=planned.service_delivery_point_id or "",
        heard=meter.heard,
        at=None if meter.heard_at is None else int(meter.heard_at.timestamp()),
        rssi=_text(meter.rssi_db),
        snr=_text(meter.snr_db),
        bars=bars_of(meter.rssi_db, meter.snr_db),
        latitude="" if spot is None else f"{spot.latitude:f}",
        longitude="" if spot is None else f"{spot.longitude:f}",
        about=spot is not None and not spot.surveyed,
        odd=meter.suspicious,
        by=meter.mark.by if meter.mark is not None and meter.state == "unreachable" else "",
    )


def bars_of(rssi_db: Decimal | None, snr_db: Decimal | None) -> int | None:
    """Return how good the best reception was, from 1 to `BARS`; None where the receiver does not say."""
    if snr_db is not None:
        return 1 + sum(snr_db >= least for least in _BY_SNR)
    return None if rssi_db is None else 1 + sum(rssi_db >= least for least in _BY_RSSI)


def line_of(meter: VanMeter, at: datetime | None, van: Position | None, texts: Texts) -> Line:
    """Return a meter for the page. `at`: now, of the box."""
    row = row_of(meter)
    age = None if meter.heard_at is None or at is None else max(at - meter.heard_at, timedelta())
    return Line(
        row=row,
        title=row.place or row.meter,
        ago="" if age is None else texts("van.ago", span=span(age), count=meter.heard),
        far="" if van is None or meter.spot is None else _far(*away(van, meter.spot), texts, about=row.about),
        signal=texts("van.signal_snr", snr=row.snr, rssi=row.rssi) if row.snr else _decibel(row.rssi, texts),
    )


def _far(metres: int, point: str, texts: Texts, *, about: bool) -> str:
    points = dict(zip(("N", "NE", "E", "SE", "S", "SW", "W", "NW"), texts("van.points").split(), strict=True))
    if metres < 1_000:
        distance = f"{metres // 10 * 10} m"
    else:
        distance = f"{metres / 1_000:.1f} km" if metres < 100_000 else f"{metres // 1_000} km"
    towards = points[point] if metres >= HERE_M else ""
    return texts("van.far_about" if about else "van.far", distance=distance, point=towards).strip()


def _decibel(rssi: str, texts: Texts) -> str:
    return texts("van.signal_rssi", rssi=rssi) if rssi else ""


def _ear(ear: EarView) -> Ear:
    return Ear(ear.name, ear.trouble, ear.advice)


def _text(decibel: Decimal | None) -> str:
    return "" if decibel is None else f"{decibel:.1f}".replace("-", "\N{MINUS SIGN}")
