"""Which meters a `[detect]` section means, how special it is, and whether two sections could mean the same meter."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache

from drivers.profiles.schema import Detect, Versions

HIGHEST = 255  # of a version and of a revision: one octet each in ST01
_VERSION = re.compile(r"\s*(\d{1,3})(?:\.(\d{1,3}))?\s*")

Specificity = tuple[int, int, int]


def specificity(
    detect: Detect,
    *,
    manufacturer: str,
    model: str = "",
    hardware_version: str = "",
    firmware_version: str = "",
    device_class: str = "",
) -> Specificity | None:
    """Return how special the match is, larger is more so, or None if the section does not mean this meter.

    First counts the characters that the patterns fix, then those that the model fixes, then the further conditions
    (versions, device class).
    """
    makers = [pattern for pattern in _patterns(detect.manufacturer) if matches(pattern, manufacturer)]
    models = [pattern for pattern in _patterns(detect.model) if matches(pattern, model)]
    others = (
        within(detect.hardware, hardware_version),
        within(detect.firmware, firmware_version),
        detect.device_class is None or matches(detect.device_class, device_class),
    )
    if not makers or not models or not all(others):
        return None
    maker, model_fixed = max(map(_fixed, makers)), max(map(_fixed, models))
    return maker + model_fixed, model_fixed, _conditions(detect)


def matches(pattern: str, text: str) -> bool:
    """Return whether a meter's text, its padding stripped, is what the pattern says; letter case is ignored."""
    return fnmatchcase(text.strip(" \0").casefold(), pattern.casefold())


def within(versions: Versions | None, text: str) -> bool:
    """Return whether `version.revision` lies in the range; a meter that does not say its version does not."""
    if versions is None:
        return True
    found = _VERSION.fullmatch(text)
    if found is None:
        return False
    version = (int(found[1]), int(found[2] or 0))
    low, high = bounds(versions)
    return low <= version <= high


def bounds(versions: Versions | None) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the least and the largest (version, revision) of a range; no range means all."""
    low, high = (versions.min, versions.max) if versions else (None, None)
    return _parse(low or "0", 0), _parse(high or str(HIGHEST), HIGHEST)


def may_collide(a: Detect, b: Detect) -> bool:
    """Return whether some meter would match both sections equally well, so that neither could win."""
    if _conditions(a) != _conditions(b) or not _ranges_meet(a, b):
        return False
    if a.device_class is not None and b.device_class is not None and not _overlap(a.device_class, b.device_class):
        return False
    return any(
        _overlap(maker_a, maker_b) and _overlap(model_a, model_b)
        for maker_a in _patterns(a.manufacturer)
        for maker_b in _patterns(b.manufacturer)
        for model_a in _patterns(a.model)
        for model_b in _patterns(b.model)
        if (_fixed(maker_a), _fixed(model_a)) == (_fixed(maker_b), _fixed(model_b))
    )


@lru_cache(maxsize=1024)
def overlap(a: str, b: str) -> bool:
    """Return whether some text matches both patterns of `*` (any text) and `?` (any one character)."""
    if not a or not b:
        return not (a + b).strip("*")
    if a[0] == "*":
        return overlap(a[1:], b) or overlap(a, b[1:])
    if b[0] == "*":
        return overlap(a, b[1:]) or overlap(a[1:], b)
    return (a[0] == b[0] or "?" in (a[0], b[0])) and overlap(a[1:], b[1:])


def _overlap(a: str, b: str) -> bool:
    return overlap(a.casefold(), b.casefold())


def _ranges_meet(a: Detect, b: Detect) -> bool:
    for one, other in ((a.hardware, b.hardware), (a.firmware, b.firmware)):
        (low, high), (other_low, other_high) = bounds(one), bounds(other)
        if high < other_low or other_high < low:
            return False
    return True


def _patterns(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _fixed(pattern: str) -> int:
    return sum(character not in "*?" for character in pattern)


def _conditions(detect: Detect) -> int:
    return sum(condition is not None for condition in (detect.hardware, detect.firmware, detect.device_class))


def _parse(version: str, revision: int) -> tuple[int, int]:
    """Read `3.1`; a revision left out is `revision`."""
    number, _, minor = version.partition(".")
    return int(number), int(minor) if minor else revision
