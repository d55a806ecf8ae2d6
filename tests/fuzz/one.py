"""Fuzz one target, guided by the coverage of `drivers` and `agent`.

`python -m tests.fuzz.one TARGET [libFuzzer options]`; nothing of ours may be imported before atheris instruments it.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import Any

atheris: Any = import_module("atheris")  # by name: it is no dependency of anything else, and has no types

with atheris.instrument_imports(include=["drivers", "agent"], enable_loader_override=False):
    from tests.fuzz.registry import TARGETS


def main() -> None:
    """Run until libFuzzer's limits are reached, or an input is found."""
    logging.disable(logging.CRITICAL)
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
