"""The scenarios and the pieces of scenarios that ship, by name."""

from __future__ import annotations

from importlib import resources

from drivers.errors import UsageError

_PLACES = {"meter": "scenarios", "laboratory": "lab/scenarios", "piece": "lab/pieces"}


def names_of(kind: str) -> list[str]:
    """Return the names of the `meter` scenarios, of those of the `laboratory`, or of the pieces (`piece`)."""
    folder = resources.files("metersim").joinpath(_PLACES[kind])
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def shipped(name: str, *kinds: str) -> str:
    """Return the text of what ships by this name, if it is of one of these kinds. Raises `UsageError`."""
    for kind in kinds or _PLACES:
        if name in names_of(kind):
            return resources.files("metersim").joinpath(_PLACES[kind], f"{name}.toml").read_text("utf-8")
    known = [one for kind in kinds or _PLACES for one in names_of(kind)]
    what = "scenario" if kinds else "scenario or piece"
    raise UsageError(f"no {what} is called {name}", advice=f"there are {', '.join(known)}; a file needs its .toml")
