"""Without the extra nothing of the console loads, and what needs it says what to install."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from agent.errors import UsageError

LIBRARIES = ("argon2", "jinja2", "multipart", "starlette", "uvicorn")


def test_the_core_service_loads_no_library_of_the_console() -> None:
    code = (
        "import sys, agent.service, agent.console.settings, agent.cli.console, agent.box_status;"
        f"print(sorted(set({LIBRARIES!r}) & set(sys.modules)), 'agent.console.app' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["[]", "False"]


@pytest.mark.parametrize(
    ("module", "library"), [("server", "uvicorn"), ("server", "starlette"), ("accounts", "argon2")]
)
def test_what_is_missing_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, module: str, library: str) -> None:
    for name in list(sys.modules):
        if name.startswith("agent.console.") or name.partition(".")[0] == library:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=library) as refused:
        importlib.import_module(f"agent.console.{module}")
    assert refused.value.advice == "pip install 'mrsp-agent[console]'"
