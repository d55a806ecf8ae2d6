"""What a line of the log is about, beside its words: the meter, the reading. Known to every line of a visit by itself.

with about(meter="main"):
    …                        # whatever is logged in here, by drivers too, has the field MRSP_METER=main
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_about: ContextVar[Mapping[str, str]] = ContextVar("log_fields", default=MappingProxyType({}))


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Say in this block, and in the tasks and threads that it begins, what the lines are about."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def log_fields() -> Mapping[str, str]:
    """Return what a line that is logged now is about."""
    return _about.get()
