"""Meter families as data: one TOML file each says how a family differs from the standard, and who says so.

The files lie in `firmware_profiles/`; its README.md explains every key. A meter without a profile is read with
`generic-c1219`, the standard as written plus our defaults.
"""

from __future__ import annotations

from drivers.profiles.check import CheckReport, check_profile
from drivers.profiles.describe import as_dict, describe, summary
from drivers.profiles.library import GENERIC, Profiles, load_profile, load_profiles, profile_of_text
from drivers.profiles.schema import Fact, Profile, Proof

__all__ = [
    "GENERIC",
    "CheckReport",
    "Fact",
    "Profile",
    "Profiles",
    "Proof",
    "as_dict",
    "check_profile",
    "describe",
    "load_profile",
    "load_profiles",
    "profile_of_text",
    "summary",
]
