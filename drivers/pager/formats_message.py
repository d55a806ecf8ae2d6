"""What the fields of a message mean: registers, the meter's id and times from a text, and the text of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Context, Decimal
from zoneinfo import ZoneInfo

from drivers.data import Register, Source
from drivers.errors import UsageError
from drivers.pager.formats_grammar import Grammar, Span
from drivers.pager.formats_schema import AnyField, DigitsField, HexField, OnAir, RegisterKeys, TimeField
from drivers.pager.formats_time import read_time, write_time

MESSAGE = "message"  # the `table` of a value's source: offsets count in the octets of the message
_EXACT = Context(prec=200)  # 64 digits times a multiplier of 40: nothing is rounded


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one message says. Numbers are exact; each register's `source` has its octets and place in `text`."""

    text: str
    meter_id: str
    registers: tuple[Register, ...]
    at: datetime | None = None  # when the meter took these values, aware UTC; None: the message does not say
    ambiguous: bool = False  # a time lies in the repeated hour, whose first pass is taken
    fields: dict[str, str] = field(default_factory=dict)  # every field by its name, as written
    spans: dict[str, Span] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReplyMeaning:
    """What the fields of a reply mean."""

    meter_id: str
    registers: tuple[RegisterKeys, ...]
    at: str | None = None


@dataclass(frozen=True, slots=True)
class RequestMeaning:
    """What the fields of a request take."""

    meter_id: str | None = None
    now: str | None = None


@dataclass(frozen=True, slots=True)
class MessageFormat:
    """One meter type's messages. Immutable and shared; made by `load_format`."""

    name: str
    title: str
    reply: Grammar = field(repr=False)
    reply_fields: Mapping[str, AnyField] = field(repr=False)
    reply_means: ReplyMeaning
    request: Grammar | None = field(default=None, repr=False)  # of a two-way meter: what it is sent
    request_fields: Mapping[str, AnyField] = field(default_factory=dict, repr=False)
    request_means: RequestMeaning = RequestMeaning()
    on_air: OnAir = field(default_factory=OnAir)

    @property
    def checked(self) -> bool:
        """Tell whether replies carry a check value; one-way reception does not go without."""
        return self.reply.check is not None

    @property
    def needs_zone(self) -> bool:
        """Tell whether a reply's times are in the zone of the site."""
        return any(isinstance(kind, TimeField) and kind.zone == "site" for kind in self.reply_fields.values())

    def parse(self, text: str, *, site_zone: tzinfo | None = None) -> Parsed:
        """Return what the text says, all of it or nothing.

        Raises `DataError` with the place and the reason: another length or character, a wrong check value, a time that
        does not exist; `UsageError` if a time is in the zone of the site and no zone is given.
        """
        spans = self.reply.scan(text)
        fields = {name: span.of(text) for name, span in spans.items()}
        times = {
            name: read_time(fields[name], kind.layout, self._zone(kind, site_zone))
            for name, kind in self.reply_fields.items()
            if isinstance(kind, TimeField)
        }
        means = self.reply_means
        return Parsed(
            text=text,
            meter_id=fields[means.meter_id],
            registers=tuple(self._register(keys, fields, spans, times) for keys in means.registers),
            at=times[means.at][0] if means.at else None,
            ambiguous=any(repeated for _, repeated in times.values()),
            fields=fields,
            spans=spans,
        )

    def ask(self, meter_id: str, *, now: datetime | None = None, site_zone: tzinfo | None = None) -> str:
        """Return the text that asks the meter for a reading. `now`: aware UTC, for formats that send the time.

        Raises `UsageError` if the format has no request (a one-way meter), or the meter id does not fit its field.
        """
        if self.request is None:
            raise UsageError(
                f"the message format {self.name} has no [request]: its meters are only listened to",
                advice="`mrsp listen pager` hears them",
            )
        means, values = self.request_means, {}
        if means.meter_id:
            values[means.meter_id] = meter_id
        if means.now:
            kind = self.request_fields[means.now]
            if now is None or not isinstance(kind, TimeField):
                raise UsageError(f"the request of the message format {self.name} sends the time, and none is known")
            values[means.now] = write_time(now, kind.layout, self._zone(kind, site_zone))
        try:
            return self.request.compose(values)
        except ValueError as error:
            raise UsageError(f"the request of the message format {self.name} cannot be written: {error}") from error

    def compose(self, values: Mapping[str, str]) -> str:
        """Return the reply with these fields as written, check value computed: what a meter would send.

        Raises `ValueError` for a field that is missing, or does not fit.
        """
        return self.reply.compose(values)

    def _register(
        self,
        keys: RegisterKeys,
        fields: Mapping[str, str],
        spans: Mapping[str, Span],
        times: Mapping[str, tuple[datetime, bool]],
    ) -> Register:
        text, span = fields[keys.field], spans[keys.field]
        raw, multiplier = _raw(text, self.reply_fields[keys.field]), Decimal(keys.multiplier)
        return Register(
            quantity=keys.quantity,
            direction=keys.direction,
            kind=keys.kind,
            tier=keys.tier,
            raw=raw,
            value=_EXACT.multiply(Decimal(raw), multiplier),
            multiplier=multiplier,
            unit=keys.unit or keys.quantity,
            occurred_at=times[keys.occurred][0] if keys.occurred else None,
            digits=keys.dials,
            source=Source(MESSAGE, span.start, span.end - span.start, text.encode("ascii")),
        )

    def _zone(self, kind: TimeField, site_zone: tzinfo | None) -> tzinfo:
        if kind.zone == "UTC":
            return UTC
        if kind.zone != "site":
            return ZoneInfo(kind.zone)
        if site_zone is None:
            raise UsageError(
                f"times of the message format {self.name} are in the zone of the site, and none is given",
                advice="add --site-zone, or `zone` to the site of the order or plan",
            )
        return site_zone


def _raw(text: str, kind: AnyField) -> str:
    """Return the number in a field as decimal text; its kind was checked when the format was loaded."""
    if isinstance(kind, HexField):
        return str(int(text, 16))
    if isinstance(kind, DigitsField) and kind.decimals:
        padded = text.zfill(kind.decimals + 1)
        return f"{padded[: -kind.decimals]}.{padded[-kind.decimals :]}"
    return text.replace(",", ".")
