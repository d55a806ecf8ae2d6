"""Pager meters: each has a PIN, hears a request that means it, and answers in its message format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from decimal import Decimal

from drivers.errors import MrspError
from drivers.pager.formats_message import MessageFormat
from drivers.pager.formats_schema import DecimalField, DigitsField, LettersField, TimeField
from drivers.pager.formats_time import write_time

FIRST_ENERGY = Decimal("45678.9")


@dataclass(slots=True)
class PagerMeter:
    """One meter. `zone` is where it stands; `energy` is what its registers show, in their unit."""

    pin: str
    meter_id: str
    form: MessageFormat
    zone: tzinfo
    energy: Decimal = FIRST_ENERGY
    pages: list[str] = field(default_factory=list)  # every text that it was sent
    deaf: bool = False

    def hear(self, text: str, now: datetime) -> str | None:
        """Take a page and return the reply; None for what is not a request to this meter, as a real one would."""
        self.pages.append(text)
        if self.deaf or not self._means_me(text, now):
            return None
        return self.form.compose(self.values(now))

    def values(self, now: datetime) -> dict[str, str]:
        """Return the fields of a reply, as written."""
        means, values = self.form.reply_means, {}
        shown = {register.field for register in means.registers}
        for name, kind in self.form.reply_fields.items():
            if name == means.meter_id:
                values[name] = self.meter_id
            elif isinstance(kind, TimeField):
                zone = self.zone if kind.zone == "site" else None
                values[name] = write_time(now, kind.layout, zone or self.zone)
            elif name in shown:
                values[name] = _number(self.energy, kind)
            elif isinstance(kind, LettersField):
                values[name] = "A" * _shortest(kind.length)
        return values

    def _means_me(self, text: str, now: datetime) -> bool:
        try:
            return text == self.form.ask(self.meter_id, now=now, site_zone=self.zone)
        except MrspError:
            return False


def fleet(
    form: MessageFormat, zone: tzinfo, *, count: int, first_pin: int, first_meter: int, width: int = 8
) -> Mapping[str, PagerMeter]:
    """Return so many meters by PIN; PINs and ids count up, the energy with them."""
    meters = (
        PagerMeter(str(first_pin + k), f"{first_meter + k:0{width}}", form, zone, FIRST_ENERGY + k)
        for k in range(count)
    )
    return {meter.pin: meter for meter in meters}


def _number(value: Decimal, kind: object) -> str:
    if isinstance(kind, DecimalField):
        text = f"{value:.{kind.decimals}f}"
        whole = _shortest(kind.whole)
        return text.zfill(whole + (kind.decimals + 1 if kind.decimals else 0)).replace(".", kind.point)
    if isinstance(kind, DigitsField):
        return str(int(value.scaleb(kind.decimals))).zfill(_shortest(kind.length))
    return f"{int(value):X}"


def _shortest(length: int | tuple[int, ...]) -> int:
    return length if isinstance(length, int) else length[0]
