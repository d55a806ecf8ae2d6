"""What to do next about a clock that does not permit a read: for whoever stands at a meter at five in the morning.

Pure.
"""

from __future__ import annotations

from agent.clock.instant import Instant
from agent.clock.proof import ClockProof
from agent.clock.samples import Cause, NoTime, SourceKind, TimeSample

WITHOUT = "Without the proof: `mrsp read URL --registers-only` takes the cumulative registers, which need no clock."
REMEDIES: dict[tuple[SourceKind, Cause], str] = {
    ("chrony", "missing"): "chrony is not installed, or `[clock] chronyc` does not name it: `sudo apt install chrony`.",
    ("chrony", "down"): "chrony does not run: `sudo systemctl start chrony`; `systemctl status chrony` says why.",
    ("gnss", "down"): "gpsd does not run: `sudo systemctl start gpsd`; /etc/default/gpsd names the receiver's device.",
    ("gnss", "waiting"): "The receiver hears too few satellites: take its antenna under open sky; after a long time"
    " switched off it needs up to a quarter of an hour. `cgps` shows what it hears.",
}
OTHERWISE: dict[SourceKind, str] = {
    "chrony": "chrony runs and follows nobody: `chronyc sources` shows whom it asks; right after switching on or"
    " plugging in the network it needs half a minute.",
    "kernel": "No time service sets this clock: `timedatectl status` shows which one should.",
    "ntp": "The NTP servers gave no time, see above: check the network, and that UDP port 123 is let through.",
    "gnss": "The receiver tells no time to go by, see above: `cgps` shows what it says; replug it.",
}
AGAIN = "Then: `mrsp clock` again."


def advice(proof: ClockProof, now: Instant) -> list[str]:
    """Return the steps, most likely remedy first; none where interval reads are permitted."""
    if proof.permits("interval", now).allowed:
        return []
    return [*_steps(proof, now), AGAIN, WITHOUT]


def _steps(proof: ClockProof, now: Instant) -> list[str]:
    if not proof.believed:
        return [
            "Ask a second source, which decides whether the past or the present is wrong: `mrsp clock --ntp HOST`.",
            "If the present is right, readings of this box were stamped in the future: tell the MDSP.",
        ]
    if proof.stepped_s(now) and proof.offset_s is not None:
        return ["Find out who sets the system clock beside chrony (`journalctl -u chrony -u systemd-timesyncd`)."]
    if proof.offset_s is None:
        told = [outcome for outcome in proof.outcomes if isinstance(outcome, TimeSample)]
        return _disagreement(told) if told else _silence(proof)
    bound = proof.error_bound_at(now.boottime_ns)
    if bound is not None and bound > proof.policy.limit_s:
        return _beyond(proof)
    return [
        "Bring this box to its source of time once today (network, or receiver under open sky): a day is read only"
        " after the clock was synchronised on it."
    ]


def _disagreement(told: list[TimeSample]) -> list[str]:
    names = " and ".join(sample.name for sample in told) if len(told) < 4 else f"{len(told)} sources"
    if len(told) < 3:
        return [f"{names} cannot both be right: name a third source, so that two can outvote one: `--ntp HOST`."]
    return [f"{names}: look at the offsets above, and leave out those that are wrong."]


def _silence(proof: ClockProof) -> list[str]:
    """One remedy for each kind of source that was asked, in the order asked."""
    asked: dict[SourceKind, NoTime] = {}
    for outcome in proof.outcomes:
        if isinstance(outcome, NoTime):
            asked.setdefault(outcome.source, outcome)
    steps = [REMEDIES.get((one.source, one.cause)) or OTHERWISE[one.source] for one in asked.values()]
    if "ntp" not in asked:
        steps.append(
            "Or, with a network: ask servers directly: `mrsp clock --ntp HOST` (three, so that one may be wrong)."
        )
    if "gnss" not in asked:
        steps.append("Or, with a satellite receiver on gpsd: `mrsp clock --gpsd 127.0.0.1`.")
    return steps


def _beyond(proof: ClockProof) -> list[str]:
    if proof.offset_s is not None and abs(proof.offset_s) > proof.policy.limit_s / 2:
        return ["Set the system clock: `sudo chronyc makestep` (chrony does it; this program never sets it)."]
    return ["The time is known too vaguely: bring the box to a better source, or nearer to it."]
