"""Whether an instrument may be used on a day, by its certificate. Pure."""

from __future__ import annotations

import calendar
from datetime import date

from agent.bench.errors import BenchRefused
from agent.bench.rules import Calibration
from agent.bench.settings import InstrumentSection


def months_later(day: date, months: int) -> date:
    """Return the same day so many months later; the last of the month where there is none."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def due_on(one: InstrumentSection, rule: Calibration) -> date:
    """Return the last day on which the instrument may be used. Raises `BenchRefused` where nothing tells it."""
    if one.certificate is None or one.calibrated_on is None:
        missing = "`certificate`" if one.certificate is None else "`calibrated_on`"
        raise BenchRefused(
            f"the instrument {one.name} has no {missing} in the configuration: it is not known to be calibrated",
            advice=f"nothing was energised; {rule.clause}",
        )
    longest = months_later(one.calibrated_on, rule.months)
    return longest if one.due_on is None else min(one.due_on, longest)


def check_calibration(one: InstrumentSection, rule: Calibration, today: date) -> date:
    """Return until when the instrument may be used. Raises `BenchRefused` if that is over, or not begun."""
    last = due_on(one, rule)
    if one.calibrated_on is not None and one.calibrated_on > today:
        raise BenchRefused(
            f"the instrument {one.name} was calibrated on {one.calibrated_on}, which is not yet: it is {today} here",
            advice="correct the configuration, or this box's clock",
        )
    if today > last:
        raise BenchRefused(
            f"the calibration of the instrument {one.name} (certificate {one.certificate}) was due on {last}",
            advice=f"nothing was energised; have it calibrated; {rule.clause}",
        )
    return last
