"""Simulated meters that were installed not long ago: one is made at once, for it lives through all of its history."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache
from importlib import resources

from msgspec import structs

from metersim.meter.scenario import Scenario
from metersim.meter.scenario_file import load_scenario

ENOUGH = 60  # days in which every profile and list has been filled, and demands were reset twice
_INSTALLED = re.compile(r"(?m)^installed = .*$")


@cache
def young(name: str, now: datetime, *, days: int = ENOUGH, blocks: int | None = None) -> Scenario:
    """Return the scenario of a meter that was installed so many `days` ago, with at most so many `blocks` of profile.

    In autumn the default leaves it a change of the season behind it, so that all tables have something to say.
    """
    scenario = load_scenario(name)
    profile = scenario.profile
    if profile is not None and blocks is not None:
        sets = tuple(structs.replace(one, blocks=min(one.blocks, blocks)) for one in profile.sets)
        profile = structs.replace(profile, sets=sets)
    return structs.replace(scenario, installed=(now - timedelta(days=days)).date(), profile=profile)


def young_file(name: str, now: datetime, *, days: int = ENOUGH) -> str:
    """Return the scenario's file, for a meter that was installed so many `days` ago."""
    text = (resources.files("metersim") / "scenarios" / f"{name}.toml").read_text("utf-8")
    changed, times = _INSTALLED.subn(f"installed = {now - timedelta(days=days):%Y-%m-%d}", text)
    assert times == 1, name
    return changed
