"""What a command does not need stays unloaded: a gateway has little memory, and a technician waits for every start."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORWARDING = ("aiomqtt", "paho", "cryptography", "joserfc", "sqlite3")
EXTRAS = ("amqtt", "pymodbus", "pyvisa", "textual", "starlette", "uvicorn", "metersim")


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("agent.cli.main", ("agent.visit", "agent.service", "asyncio", "msgspec", "importlib.metadata")),
        ("agent.cli.read", (*FORWARDING, *EXTRAS, "serialx", "agent.spool", "drivers.c1219", "importlib.metadata")),
        ("agent.cli.read, drivers.psem.driver", (*FORWARDING, *EXTRAS, "serialx", "importlib.metadata")),
        ("agent.service", (*EXTRAS, "serialx", "agent.cli")),
    ],
)
def test_what_is_not_needed_is_not_loaded(modules: str, unwanted: tuple[str, ...]) -> None:
    code = f"import sys, {modules}; print([name for name in {unwanted!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
