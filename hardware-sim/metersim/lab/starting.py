"""A new scenario file to begin from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from drivers.errors import UsageError
from metersim.meter.compose import File, composed
from metersim.meter.scenario_file import scenario_of


def start_file(path: Path, use: str) -> None:
    """Write a scenario that uses `use`, with what one may want to change. Raises `UsageError`; replaces nothing."""
    text = (resources.files("metersim") / "lab" / "starter.toml").read_text("utf-8")
    text = text.replace("@USE@", use).replace("@TITLE@", f"After {use}")
    scenario_of(composed(File(str(path), text, path.parent)))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", advice="name a file that is not there"
        ) from error
