"""One value of a reading explained from the bytes of its recording: what `mrsp explain` says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from agent.errors import UsageError
from agent.rederive import Rederived
from agent.side_by_side import Difference, Twin, brief
from agent.utc_text import utc_text
from drivers.c1219.described import MANUFACTURER_TABLES_FROM
from drivers.c1219.exact import to_decimal
from drivers.c1219.explain import Chain, Derivation, Step
from drivers.c1219.explain_described import explain_described
from drivers.c1219.explain_interval import explain_interval, explain_interval_end
from drivers.c1219.explain_register import explain_occurrence, explain_register
from drivers.c1219.explain_times import explain_clock
from drivers.c1219.explain_words import explain_block_register, explain_event, explain_identity, explain_status
from drivers.data import Event, IntervalBlock, Register
from drivers.decimal_text import plain
from drivers.errors import DataError
from drivers.psem.retold import Retold

_PATH = re.compile(r"(?P<part>[a-z_]+)(?:\[(?P<index>\d{1,6})\])?(?:\.(?P<key>[a-z_]+)(?:\[(?P<item>\d{1,6})\])?)?")
_EXAMPLES = "registers[3].value, interval_blocks[0].values[17], clock.meter_time, meter.meter_id, events[4]"
_MOST_NAMED = 8
_PARTS = frozenset({"registers", "interval_blocks", "events", "clock", "meter", "meter_status"})


@dataclass(frozen=True, slots=True)
class Explained:
    """One value: how it came from the octets, and in what the document differs. `document`: what that says of it."""

    path: str
    document: str
    derived: str
    derivation: Derivation
    differences: tuple[Difference, ...] = ()
    shown_by: Retold | None = None  # where the octets are on the wire, if not where they were read last

    @property
    def agrees(self) -> bool:
        return not self.differences


def explain(made: Rederived, selection: str) -> list[Explained]:
    """Return the explanation of what `selection` names: a path, or words such as `kWh delivered total`.

    Raises `UsageError` when it names nothing, or too much.
    """
    found = _PATH.fullmatch(selection)
    if found is None or found["part"] not in {
        "registers",
        "interval_blocks",
        "events",
        "clock",
        "meter",
        "meter_status",
    }:
        twin = _by_words(made, selection)
        return explain_one_register(made, twin, None)
    twin = _twin(made, found["part"], found["index"], selection)
    key, item = found["key"], int(found["item"]) if found["item"] is not None else None
    if key is not None and key not in twin.document and key not in (twin.derived or {}):
        keys = ", ".join(twin.document)
        raise UsageError(f"{selection}: {twin.path} has no {key}", advice=f"it has {keys}")
    match found["part"]:
        case "registers":
            return explain_one_register(made, twin, key)
        case "interval_blocks":
            return _block(made, twin, key, item)
        case "clock":
            return [_clock(made, twin, key)]
        case _:
            return [_other(made, twin, key, found["part"])]


def _twin(made: Rederived, part: str, index: str | None, selection: str) -> Twin:
    lists = {"registers": made.sides.registers, "interval_blocks": made.sides.blocks, "events": made.sides.events}
    if part in lists:
        twins = lists[part]
        if index is None or int(index) >= len(twins):
            last = f"[0] to [{len(twins) - 1}]" if twins else "none"
            raise UsageError(f"{selection}: the document has {last} of {part}")
        return twins[int(index)]
    twin = next((twin for twin in made.sides.others if twin.path == part), None)
    if twin is None or index is not None:
        raise UsageError(f"{selection} is not in the document", advice=f"for example {_EXAMPLES}")
    return twin


def _by_words(made: Rederived, selection: str) -> Twin:
    """Return the register that all the words fit; of several the present one of the present season."""
    words = set(selection.lower().split())
    fitting = [twin for twin in made.sides.registers if words and words <= _words(twin)]
    preferred = [
        twin for twin in fitting if twin.document["period"] == "present" and twin.document["season"] == "current"
    ]
    if len(preferred or fitting) != 1:
        if not fitting:
            raise UsageError(f"{selection!r} names no value of the document", advice=f"for example {_EXAMPLES}")
        names = ", ".join(twin.path for twin in (preferred or fitting)[:_MOST_NAMED])
        raise UsageError(f"{selection!r} fits {len(preferred or fitting)} registers: {names}", advice="say which")
    return (preferred or fitting)[0]


def _words(twin: Twin) -> set[str]:
    """Return the words that a person may call a register by."""
    entry = twin.document
    tier = entry["tier"]
    said = [str(entry.get(key, "")) for key in ("quantity", "unit", "direction", "kind", "period", "season", "phase")]
    said += ["total"] if tier == 0 else [f"tier {tier}", f"tier{tier}", f"rate {chr(ord('A') + tier - 1)}"]
    return {word for text in said for word in (text.lower(), *text.lower().replace("_", " ").split())}


def explain_one_register(made: Rederived, twin: Twin, key: str | None) -> list[Explained]:
    """Explain a register: its value, and the times that go with it."""
    register = twin.origin
    if not isinstance(register, Register):
        return [_missing(twin)]
    context, times = made.retold.context, made.times
    if key in {"occurred_at", "period_end"}:
        return [_explained(twin, (key,), lambda: explain_occurrence(context, register, times, end=key == "period_end"))]
    explained = [_checked(twin, key, lambda: _derive(made, register))]
    if key is None:
        explained += [
            _explained(twin, (time,), lambda end=end: explain_occurrence(context, register, times, end=end))  # type: ignore[misc]
            for time, end in (("occurred_at", False), ("period_end", True))
            if time in twin.document or time in (twin.derived or {})
        ]
    return explained


def _derive(made: Rederived, register: Register) -> Derivation:
    """Return the steps to a register's value: in a standard table, or in one that the profile describes."""
    context, source = made.retold.context, register.source
    if source is None or not source.table.startswith("MT"):
        return explain_register(context, register)
    number = MANUFACTURER_TABLES_FROM + int(source.table[2:])
    table, versions = made.profile.described_tables().get(number), made.retold.versions.get(number)
    if table is None or not versions:
        raise DataError(f"the profile {made.profile.name} describes no {source.table}")
    return explain_described(context, table, versions[-1].octets, register)


def _checked(twin: Twin, key: str | None, derive: Callable[[], Derivation]) -> Explained:
    """Explain the value of a register, and hold the document's number against the arithmetic of the steps."""
    explained = _explained(twin, () if key in {None, "value"} else (key,), derive)
    if explained.agrees and (key in {None, "value"}):
        said = twin.document.get("value")
        if _text(explained.derivation) != said:
            odd = Difference(f"{twin.path}.value", brief(said), explained.derived)
            explained = replace(explained, differences=(odd,))
    derivation, shown = explained.derivation, twin.document
    if "dials" in shown:
        step = Step(f"raw {shown['raw']}", f"the number on the meter, shown with {shown['dials']} digits (dials)")
        derivation = replace(derivation, steps=(*derivation.steps, step))
    said = brief(shown.get(key or "value"))
    return replace(explained, path=f"{twin.path}.{key or 'value'}", document=said, derivation=derivation)


def _block(made: Rederived, twin: Twin, key: str | None, item: int | None) -> list[Explained]:
    """Explain one interval of a block with its end time; without an index the first one."""
    block, context, octets = twin.origin, made.retold.context, made.retold.octets
    if not isinstance(block, IntervalBlock):
        return [_missing(twin)]
    if key == "stop_register":
        return [_explained(twin, (key,), lambda: explain_block_register(context, block, octets))]
    if key == "start_register":
        before = _before(made, block)
        return [_explained(twin, (key,), lambda: explain_block_register(context, before, octets))]
    if key in {"first_interval_end", "interval_s"}:
        return [_explained(twin, (key,), lambda: explain_interval_end(context, block, 0, made.times, octets))]
    k = item or 0
    if k >= len(block.counts):
        raise UsageError(f"{twin.path} has the intervals 0 to {len(block.counts) - 1}")

    def derive() -> Derivation:
        end = explain_interval_end(context, block, k, made.times, octets)
        value = explain_interval(context, block, k, octets)
        return replace(value, steps=(*end.steps, *value.steps))

    explained = _explained(twin, () if item is None else _interval_keys(k), derive)
    if explained.agrees and (odd := list(interval_arithmetic(twin, k, explained.derivation))):
        explained = replace(explained, differences=tuple(odd))
    said = brief(_item(twin.document, "values", k))
    return [replace(explained, path=f"{twin.path}.{key if item is not None else 'values'}[{k}]", document=said)]


def _interval_keys(k: int) -> tuple[str, ...]:
    """Return what of a block decides about its interval `k`."""
    own = (f"values[{k}]", f"pulses[{k}]", f"status[{k}]")
    return (*own, "values", "pulses", "status", "unit", "multiplier", "interval_s", "first_interval_end", "offset")


def _before(made: Rederived, block: IntervalBlock) -> IntervalBlock:
    """Return the block before one, of the same channel."""
    earlier = [
        other
        for other in made.retold.data.blocks
        if other.channel == block.channel and other.first_interval_end < block.first_interval_end
    ]
    return max(earlier, key=lambda other: other.first_interval_end, default=block)


def _other(made: Rederived, twin: Twin, key: str | None, part: str) -> Explained:
    """Explain what is no number."""
    context, data = made.retold.context, made.retold.data
    keys = (key,) if key is not None else ()

    def derive() -> Derivation:
        if part == "meter":
            return explain_identity(context, data.identity, key or "meter_id")
        if isinstance(twin.origin, Event):
            return explain_event(context, data.events, data.events.index(twin.origin), made.times)
        return explain_status(context)

    return _explained(twin, keys, derive)


def _clock(made: Rederived, twin: Twin, key: str | None) -> Explained:
    """Explain the look at the meter's clock that a key of the document means."""
    shown = (twin.derived or {}).get(key or "meter_time")
    look = next((look for look in made.retold.looks if utc_text(look.utc) == shown), None)
    if look is None:
        return _missing(twin)
    at = made.retold.at(look)
    explained = _explained(
        twin, (key,) if key is not None else (), lambda: explain_clock(Chain(at.context), made.times, look.utc)
    )
    return replace(explained, shown_by=at)


def _explained(twin: Twin, keys: tuple[str, ...], derive: Callable[[], Derivation]) -> Explained:
    """Explain an entry, and say in which of `keys` (in all, if none are named) the document differs from it."""
    path = f"{twin.path}.{keys[0]}" if keys else twin.path
    wanted = tuple(f"{twin.path}.{key}" for key in keys)
    differences = [odd for odd in twin.differences() if not keys or odd.path in {*wanted, twin.path}]
    try:
        derivation = derive()
    except DataError as error:
        derivation = Derivation(())
        differences.append(Difference(path, brief(twin.document), f"cannot be derived: {error.message}"))
    document = twin.document.get(keys[0]) if keys else twin.document
    derived = (twin.derived or {}).get(keys[0]) if keys else twin.derived
    text = _text(derivation) if derivation.value is not None else brief(derived)
    return Explained(path, brief(document), text or "", derivation, tuple(differences))


def _missing(twin: Twin) -> Explained:
    return Explained(twin.path, brief(twin.document), "", Derivation(()), tuple(twin.differences()))


def _text(derivation: Derivation) -> str | None:
    """Write the value of a derivation as a document does."""
    return None if derivation.value is None else plain(to_decimal(derivation.value))


def interval_arithmetic(twin: Twin, k: int, derivation: Derivation) -> Iterator[Difference]:
    """Do with the document's own count what the steps say, and compare."""
    count, value = _item(twin.document, "pulses", k), _item(twin.document, "values", k)
    if count is None or value is None:
        if value is not None:
            yield Difference(f"{twin.path}.values[{k}]", brief(value), "nothing")
        return
    expected = plain(to_decimal(derivation.of(Fraction(str(count)))))
    if expected != value:
        yield Difference(f"{twin.path}.values[{k}]", brief(value), expected)


def _item(document: object, key: str, k: int) -> object:
    values = document.get(key) if isinstance(document, dict) else None
    return values[k] if isinstance(values, list | tuple) and k < len(values) else None
