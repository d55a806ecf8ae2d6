"""A reading for people: registers, checks and a small load-profile chart, as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from decimal import Decimal

from agent.reading import BlockPart, CheckResult, Reading, RegisterPart

BARS = "▁▂▃▄▅▆▇█"
CHART_WIDTH = 72
LAST_WIDTH = 64
HARMLESS = {"daylight_saving"}  # says how to read the time, nothing about the value
MARKS = {"pass": "ok", "fail": "FAIL", "verified": "verified", "skipped": "skipped"}


def show_reading(reading: Reading, *, brief: bool = False) -> str:
    """Return the reading as text of about 100 columns; `brief` leaves previous resets and seasons out."""
    parts = [_heading(reading)]
    shown = [register for register in reading.registers if _is_shown(register, brief=brief)]
    if shown:
        parts.append(table(("register", "tier", "value", "unit", "raw", "at"), map(_register_row, shown)))
    if len(shown) < len(reading.registers):
        left_out = "earlier resets, seasons and self reads" if brief else "self reads"
        parts.append(f"and {len(reading.registers) - len(shown)} values of {left_out} (--format json shows them)")
    parts += _charts(reading.interval_blocks)
    if reading.events:
        parts.append(_events(reading))
    parts.append(table(("check", "", "measured", "limit", "why"), map(_check_row, reading.checks)))
    if reading.problems:
        parts.append("\n".join(f"note: {p.what}: {p.reason}" for p in reading.problems))
    return "\n\n".join(parts) + "\n"


def _is_shown(register: RegisterPart, *, brief: bool) -> bool:
    if brief:
        return register.period == "present" and register.season == "current"
    return register.period != "self_read"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Align columns: numbers to the right, a long last column wrapped below itself."""
    body = [list(row) for row in rows]
    columns = list(zip(header, *body, strict=True)) if body else [(title,) for title in header]
    widths = [max(map(len, column)) for column in columns]
    widths[-1] = min(widths[-1], LAST_WIDTH)
    right = [bool(body) and all(_is_number(cell) for cell in column[1:]) for column in columns]
    indent = " " * (sum(widths[:-1]) + 2 * (len(widths) - 1))

    def line(cells: Sequence[str]) -> str:
        *most, last = cells
        padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(most, widths, right, strict=False)]
        ending = textwrap.wrap(last, LAST_WIDTH) or [""]
        if right[-1]:
            ending = [ending[0].rjust(widths[-1])]
        return "\n".join(
            text.rstrip() for text in ("  ".join([*padded, ending[0]]), *(indent + more for more in ending[1:]))
        )

    return "\n".join([line(header), line(["─" * width for width in widths]), *map(line, body)])


def _shorter(number: str) -> str:
    """Cut decimal places beyond the sixth, for the eye; documents keep them."""
    whole, point, places = number.partition(".")
    return f"{whole}.{places[:6]}" if point and places.isdigit() and len(places) > 6 else number


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("-").replace(".", "", 1).isdigit()


def _heading(reading: Reading) -> str:
    meter, clock = reading.meter, reading.clock
    who = " ".join(x for x in (meter.manufacturer, meter.model) if x)
    lines = [f"meter {meter.meter_id or 'unknown'}" + (f" ({who})" if who else "") + f", profile {meter.profile}"]
    if clock.meter_time:
        lines.append(f"meter clock {clock.meter_time}, off by {clock.meter_offset_s} s (link {clock.link_latency_s} s)")
    proof = f"agent clock proven by {clock.agent_source}" if clock.agent_source != "none" else "agent clock NOT proven"
    if clock.agent_uncertainty_s:
        proof += f", ± {_shorter(clock.agent_uncertainty_s)} s"
    lines.append(proof)
    if reading.meter_status:
        modes, flags = ", ".join(reading.meter_status.mode), ", ".join(reading.meter_status.flags)
        lines.append(f"mode {modes or 'none'}" + (f"; flags: {flags}" if flags else ""))
    return "\n".join(lines)


def _register_row(register: RegisterPart) -> tuple[str, ...]:
    name = f"{register.direction} {register.kind.replace('_', ' ')}"
    if register.continuous:
        name += ", running"
    if register.phase:
        name += f" {register.phase}"
    if register.period != "present":
        name += f", {register.period.replace('_', ' ')}"
    if register.season != "current":
        name += ", previous season"
    tier = "total" if register.tier == 0 else chr(ord("A") + register.tier - 1)
    value = register.value if register.value is not None else "–"
    return (name, tier, value, register.unit, register.raw, register.occurred_at or register.period_end or "")


def _check_row(check: CheckResult) -> tuple[str, ...]:
    unit = f" {check.unit}" if check.unit and check.measured is not None else ""
    channel = f" (channel {check.channel})" if check.channel is not None else ""
    measured = f"{_shorter(check.measured)}{unit}" if check.measured is not None else ""
    return (check.check + channel, MARKS[check.outcome], measured, check.limit or "", check.reason or "")


def _charts(blocks: Sequence[BlockPart]) -> list[str]:
    """One chart a channel: bars of the intervals' values, averaged into CHART_WIDTH columns; `·` = no value."""
    channels: dict[tuple[int, int], list[BlockPart]] = {}
    for block in blocks:
        channels.setdefault((block.data_set or 1, block.channel), []).append(block)
    return [_chart(channel, found) for (_, channel), found in channels.items()]


def _chart(channel: int, blocks: list[BlockPart]) -> str:
    values = [None if v is None else Decimal(v) for block in blocks for v in block.values]
    flagged = sum(1 for block in blocks for words in block.status if set(words) - HARMLESS)
    first = blocks[0]
    known = [v for v in values if v is not None]
    total = f"{sum(known, Decimal(0)):f}"
    step = max(1, -(-len(values) // CHART_WIDTH))
    groups = [[v for v in values[at : at + step] if v is not None] for at in range(0, len(values), step)]
    means = [sum(group, Decimal(0)) / len(group) if group else None for group in groups]
    top = max((mean for mean in means if mean is not None), default=Decimal(0))
    bars = "".join(_bar(mean, top) for mean in means)
    head = f"channel {channel}: {first.quantity} {first.direction}, {len(values)} intervals of {first.interval_s} s"
    tail = f"sum {total} {first.unit}" + (f", {flagged} flagged" if flagged else "")
    return f"{head}\n{bars}\nfrom {first.first_interval_end}; {tail}"


def _bar(mean: Decimal | None, top: Decimal) -> str:
    if mean is None:
        return "·"
    if top <= 0 or mean <= 0:
        return BARS[0]
    return BARS[min(len(BARS) - 1, int(mean / top * len(BARS)))]


def _events(reading: Reading) -> str:
    shown = reading.events[-5:]
    lines = [f"{len(reading.events)} events, the latest:"]
    lines += [f"  {event.at or 'no time':20} {event.name} {event.argument or ''}".rstrip() for event in shown]
    return "\n".join(lines)
