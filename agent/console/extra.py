"""The libraries of the extra `console`, which most gateways do not have.

with the_extra():
    import uvicorn
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agent.errors import UsageError

LIBRARIES = frozenset({"argon2", "jinja2", "markupsafe", "multipart", "python_multipart", "starlette", "uvicorn"})


@contextmanager
def the_extra() -> Iterator[None]:
    """Import what needs the extra in this block. Raises `UsageError` where it is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in LIBRARIES:
            raise
        raise UsageError(
            f"the console needs the library {error.name}", advice="pip install 'mrsp-agent[console]'"
        ) from error
