"""How much may be asked for: buckets that fill with time, one for each key of the MDSP and one for each meter. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from agent.requests.settings import RequestSettings

HOUR_S = 3_600.0
DAY_S = 86_400.0
METER_BURST = 3


@dataclass(slots=True)
class _Bucket:
    size: float
    per_s: float
    level: float
    at: float
    told: bool = False  # that it is empty

    def take(self, now_s: float) -> int:
        """Take one; return 0, or in how many seconds there will be one."""
        self.level = min(self.size, self.level + max(0.0, now_s - self.at) * self.per_s)
        self.at = now_s
        if self.level >= 1.0:
            self.level -= 1.0
            self.told = False
            return 0
        return max(1, ceil((1.0 - self.level) / self.per_s))


class Rates:
    """What the keys and meters have left. `now_s` is any steadily rising number of seconds.

    Bounded: a key is one of the MDSP's set, a meter one of the configuration.
    """

    def __init__(self, settings: RequestSettings) -> None:
        self._settings = settings
        self._keys: dict[str, _Bucket] = {}
        self._meters: dict[str, _Bucket] = {}

    def of_key(self, kid: str, now_s: float) -> tuple[int, bool]:
        """Take one of a key's; return the seconds to wait (0: go on), and whether that was told already."""
        size = float(self._settings.burst)
        bucket = self._keys.setdefault(kid, _Bucket(size, self._settings.per_hour / HOUR_S, size, now_s))
        wait_s = bucket.take(now_s)
        told = bucket.told
        bucket.told = wait_s > 0
        return wait_s, told

    def of_meter(self, meter: str, now_s: float) -> int:
        """Take one of a meter's; return the seconds to wait (0: go on)."""
        size = float(min(METER_BURST, self._settings.meter_per_day))
        bucket = self._meters.setdefault(meter, _Bucket(size, self._settings.meter_per_day / DAY_S, size, now_s))
        return bucket.take(now_s)

    def keep_only(self, kids: frozenset[str]) -> None:
        """Forget keys that the MDSP has taken out of its set."""
        for kid in self._keys.keys() - kids:
            del self._keys[kid]
