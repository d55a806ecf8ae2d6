"""ReadingType: what a number means, as the eighteen numbers of IEC 61968-9 edition 2, annex C.

    macro period . aggregate . measuring period . accumulation . flow . commodity . kind . interharmonic (2) .
    argument (2) . tou . cpp . consumption tier . phases . multiplier . unit . currency

`0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0` is the kWh delivered in a quarter of an hour.
"""

from __future__ import annotations

from agent.reading import BlockPart, RegisterPart

_MEASURING = {60: 3, 120: 10, 180: 14, 300: 6, 600: 1, 900: 2, 1200: 31, 1800: 5, 3600: 7, 86400: 4}  # by seconds
_FLOW = {"delivered": 1, "received": 19, "net": 4, "total": 20}
_BILLING, _MAXIMUM, _MINIMUM = 8, 8, 9
_BULK, _CONTINUOUS, _CUMULATIVE, _DELTA, _INDICATING, _SUMMATION, _INSTANTANEOUS = 1, 2, 3, 4, 6, 9, 12
_ELECTRICITY = 1  # secondary metered: what the meter itself measures
_CURRENT, _DEMAND, _ENERGY, _FREQUENCY, _POWER, _POWER_FACTOR, _VOLTAGE = 4, 8, 12, 15, 37, 38, 54
_UNITS = {"Wh": 72, "varh": 73, "VAh": 71, "W": 38, "var": 63, "VA": 61, "V": 29, "A": 5, "Hz": 33, "PF": 65}
_KINDS = {"V": _VOLTAGE, "A": _CURRENT, "Hz": _FREQUENCY, "PF": _POWER_FACTOR, "W": _POWER, "var": _POWER, "VA": _POWER}
_MULTIPLIERS = {"": 0, "k": 3, "M": 6, "G": 9}
_PHASES = {"": 0, "A": 128, "B": 64, "C": 32, "N": 16, "A-B": 132, "B-C": 66, "C-A": 40}


class Unknown(ValueError):
    """There is no reading type for this; the message says why."""


def register_type(register: RegisterPart) -> str:
    """Return the reading type of a register. Raises `Unknown`."""
    multiplier, unit, name = _unit(register.unit)
    macro = aggregate = 0
    match register.kind:
        case "cumulative" if name.endswith("h"):
            accumulation, kind = (_SUMMATION if register.tier else _BULK), _ENERGY
        case "demand" if name in {"W", "var", "VA"}:
            macro, aggregate = _BILLING, _MINIMUM if register.extreme == "minimum" else _MAXIMUM
            accumulation, kind = _INDICATING, _DEMAND
        case "cumulative_demand" if name in {"W", "var", "VA"}:
            accumulation, kind = (_CONTINUOUS if register.continuous else _CUMULATIVE), _DEMAND
        case "instantaneous" if name in _KINDS:
            accumulation, kind = _INSTANTANEOUS, _KINDS[name]
        case other:
            raise Unknown(f"no reading type for {other.replace('_', ' ')} {register.unit}")
    if register.occurrence:
        raise Unknown("no reading type for a further occurrence of a demand")
    flow = 0 if name in {"V", "Hz", "PF"} else _flow(register.direction)
    where = (register.tier, 0, 0, _phase(register.phase))
    return _joined(macro, aggregate, 0, accumulation, flow, _ELECTRICITY, kind, 0, 0, 0, 0, *where, multiplier, unit, 0)


def block_type(block: BlockPart) -> str:
    """Return the reading type of the intervals of a block. Raises `Unknown`."""
    multiplier, unit, name = _unit(block.unit)
    period = _MEASURING.get(block.interval_s)
    if period is None:
        raise Unknown(f"no reading type for intervals of {block.interval_s} s")
    if name.endswith("h"):
        accumulation, kind = _DELTA, _ENERGY
    elif name in _KINDS:
        accumulation, kind = _INDICATING, _KINDS[name]
    else:
        raise Unknown(f"no reading type for intervals of {block.unit}")
    flow = 0 if name in {"V", "Hz", "PF"} else _flow(block.direction)
    nothing = (0,) * 8
    return _joined(0, 0, period, accumulation, flow, _ELECTRICITY, kind, *nothing, multiplier, unit, 0)


def _unit(unit: str) -> tuple[int, int, str]:
    """Return multiplier and number of a unit, and its name without the prefix. Raises `Unknown`."""
    name = next((name for name in sorted(_UNITS, key=len, reverse=True) if unit.endswith(name)), None)
    if name is None or unit[: -len(name)] not in _MULTIPLIERS:
        raise Unknown(f"no reading type for the unit {unit}")
    return _MULTIPLIERS[unit[: -len(name)]], _UNITS[name], name


def _flow(direction: str) -> int:
    return _FLOW[direction]


def _phase(phase: str | None) -> int:
    if (phase or "") not in _PHASES:
        raise Unknown(f"no code for phase {phase}")
    return _PHASES[phase or ""]


def _joined(*numbers: int) -> str:
    return ".".join(map(str, numbers))
