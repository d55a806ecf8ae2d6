"""Meter families as data: one TOML file each says how a family differs from the standard, and who says so.

The files lie in `firmware_profiles/`; its README.md explains every key. A meter without a profile is read with
`generic-c1219`, the standard as written plus our defaults.
"""

from __future__ import annotations

from drivers.profiles.describe import as_dict, describe, summary
from drivers.profiles.library import GENERIC, Profiles, load_profile, load_profiles
from drivers.profiles.schema import Fact, Profile, Proof

__all__ = [
    "GENERIC",
    "Fact",
    "Profile",
    "Profiles",
    "Proof",
    "as_dict",
    "describe",
    "load_profile",
    "load_profiles",
    "summary",
]
