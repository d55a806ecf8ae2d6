"""What a scenario may have at one of its keys, in words: asked when something else stood there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from msgspec import inspect

from metersim.meter.scenario import Scenario


@cache
def _scenario() -> inspect.Type:
    return inspect.type_info(Scenario)


def allowed_at(keys: Sequence[str | int]) -> str:
    """Return what may stand at these keys: the keys of a table, the words of a choice, the range of a number.

    Empty where nothing helpful can be said.
    """
    kinds = [_scenario()]
    for key in keys:
        kinds = [inner for kind in kinds for inner in _inside(kind, key)]
    return "; or ".join(dict.fromkeys(text for kind in kinds for text in _texts(kind)))


def _inside(kind: inspect.Type, key: str | int) -> list[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        return _inside(kind.type, key)
    if isinstance(kind, inspect.UnionType):
        return [inner for one in kind.types for inner in _inside(one, key)]
    if isinstance(kind, inspect.StructType):
        return [field.type for field in kind.fields if field.encode_name == key]
    if isinstance(kind, inspect.VarTupleType):
        return [kind.item_type]
    return []


def _texts(kind: inspect.Type) -> list[str]:
    if isinstance(kind, inspect.Metadata):
        described = (kind.extra_json_schema or {}).get("description")
        return [described] if described else _texts(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [text for one in kind.types for text in _texts(one)]
    text = _text(kind)
    return [text] if text else []


def _text(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.StructType):
        return ", ".join(field.encode_name for field in kind.fields)
    if isinstance(kind, inspect.LiteralType | inspect.BoolType):
        values = kind.values if isinstance(kind, inspect.LiteralType) else ("true", "false")
        return ", ".join(map(str, values))
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        what = "whole numbers" if isinstance(kind, inspect.IntType) else "numbers"
        low = kind.ge if kind.ge is not None else kind.gt
        return f"{what} from {low} to {kind.le}" if kind.le is not None else f"{what} from {low} on"
    if isinstance(kind, inspect.DecimalType):
        return "decimal numbers"
    if isinstance(kind, inspect.StrType):
        return f"text that matches {kind.pattern}" if kind.pattern else "text in quotes"
    return "a list in brackets" if isinstance(kind, inspect.VarTupleType) else ""
