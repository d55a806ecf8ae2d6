"""How often something may be tried: a bucket of tries for each key, refilled in time. Pure; times are given."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

MOST_KEYS = 2_048


class Buckets:
    """`tries` at once, then one every `refill_s` seconds. Keys that nobody used for longest are forgotten first."""

    def __init__(self, tries: int, refill_s: float, *, most_keys: int = MOST_KEYS) -> None:
        self._tries = tries
        self._refill_s = refill_s
        self._most_keys = most_keys
        self._full_at: OrderedDict[object, float] = OrderedDict()  # when each bucket will be full again

    def wait_s(self, key: object, now_s: float) -> float:
        """Return how long to wait for the next try; 0: now."""
        missing_s = max(0.0, self._full_at.get(key, now_s) - now_s)
        return max(0.0, missing_s - (self._tries - 1) * self._refill_s)

    def spend(self, key: object, now_s: float) -> None:
        """Take one try out of the bucket."""
        self._full_at[key] = max(now_s, self._full_at.get(key, now_s)) + self._refill_s
        self._full_at.move_to_end(key)
        while len(self._full_at) > self._most_keys:
            self._full_at.popitem(last=False)

    def give_back(self, key: object) -> None:
        """Put one try back: it was a good one."""
        if key in self._full_at:
            self._full_at[key] -= self._refill_s


def network_of(address: str) -> str:
    """Return what counts as one address: itself, and for IPv6 its /64, which one host has all of."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    if mapped is not None:
        return str(mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)
