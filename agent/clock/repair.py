"""Times that were not known when something happened, told once they are: for boxes without a battery clock. Pure.

A stamp says which boot it belongs to and what the kernel's counters showed. A proof of the same boot turns it into UTC,
whether the stamp was taken before the proof or after it; a proof of another boot says nothing about it.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from agent.clock.boot import BootStamp, same_boot, strayed_s
from agent.clock.proof import ClockProof


def uncertainty_of(stamp: BootStamp, proof: ClockProof) -> Decimal | None:
    """Bound of the error of `resolve(stamp, proof)`, in seconds; None where the proof tells nothing of this boot."""
    if proof.stamp is None or not same_boot(stamp, proof.stamp) or not proof.tells_time:
        return None
    held = proof.held_at(stamp.boottime_ns)
    return None if held is None else held + strayed_s(stamp, proof.stamp)


def resolve(stamp: BootStamp, proof: ClockProof) -> datetime | None:
    """Tell the UTC of a stamp by a proof of the same boot, to the microsecond.

    None, never a guess: the proof is of another boot, is no proof, or knows that moment worse than its limit (a minute)
    allows. `uncertainty_of` says how well it is known.
    """
    uncertainty = uncertainty_of(stamp, proof)
    if uncertainty is None or uncertainty > proof.policy.limit_s:
        return None
    return proof.utc_at(stamp.boottime_ns)
