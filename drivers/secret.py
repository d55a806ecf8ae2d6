"""Secrets as a type of their own: they print as `***` wherever they turn up."""

from __future__ import annotations

from typing import final


@final
class Secret:
    """Bytes that never show: not in `repr`, `str`, logs, tracebacks or JSON. `reveal()` is the only way to them."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        msg = "a Secret is not pickled"
        raise TypeError(msg)
