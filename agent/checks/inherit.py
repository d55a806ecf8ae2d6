"""A rule set that is based on another: what its file leaves out is as in that one."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from agent.checks.rules import RuleSet

S = TypeVar("S", bound=msgspec.Struct)

OWN = frozenset({"name", "title", "based_on"})  # what no rule set has from another


def based_on(base: RuleSet) -> type[RuleSet]:
    """Return the type of a rule set whose sections, and keys in them, may be left out: they are then those of `base`.

    Whatever is there is validated as in any rule set, together with what is taken from `base`.
    """
    return _defaulting(RuleSet, base)


def standing_alone(rules: RuleSet) -> RuleSet:
    """Return a rule set of its own type, all of it written out."""
    return msgspec.convert(msgspec.to_builtins(rules), RuleSet)


def _defaulting(kind: type[S], base: S) -> type[S]:
    fields: list[tuple[str, object, object]] = []
    for field in msgspec.structs.fields(kind):
        value = getattr(base, field.name)
        if isinstance(value, msgspec.Struct):
            fields.append((field.name, _defaulting(type(value), value), value))
        elif field.name not in OWN:
            fields.append((field.name, field.type, value))
    made: type[S] = msgspec.defstruct(  # type: ignore[assignment]  # a struct of the given base
        kind.__name__, fields, bases=(kind,), frozen=True, forbid_unknown_fields=True, kw_only=True
    )
    return made
