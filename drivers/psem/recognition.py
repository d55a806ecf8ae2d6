"""Which family a meter belongs to, by what its tables say of itself."""

from __future__ import annotations

from drivers.c1219 import Context
from drivers.c1219.decade0 import ManufacturerIdentification
from drivers.c1219.identity import identity_of
from drivers.profiles import Profile, Profiles


def recognised(profiles: Profiles, context: Context) -> Profile:
    """Return the profile that means this meter, by ST00 and ST01; generic where ST01 could not be read."""
    if context.find(ManufacturerIdentification) is None:
        return profiles.generic
    who = identity_of(context)
    return profiles.recognise(
        manufacturer=who.manufacturer,
        model=who.model,
        hardware_version=who.hardware_version,
        firmware_version=who.firmware_version,
        device_class=who.device_class,
    )
