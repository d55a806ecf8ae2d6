"""Readings taken before the time was known: held back, unsealed, until it is, or until it can never be.

A box without a battery clock may read, where the order allows it, before it has heard of the time. The reading waits on
disk with the stamps of its boot. Once the clock is proven in the same boot its times are computed and filled in; if the
box was switched off before, it is delivered with the time unknown, never with an invented one.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import msgspec

from agent.clock.boot import BootStamp, same_boot
from agent.clock.document_part import agent_clock_part
from agent.clock.proof import ClockProof
from agent.clock.repair import resolve, uncertainty_of
from agent.durable_file import sync_directory, write_durably
from agent.errors import LocalTrouble
from agent.meter_clock import meter_offset
from agent.reading import ClockPart, Reading
from agent.utc_text import utc_text
from drivers.data import ClockSample
from drivers.decimal_text import plain

SCHEMA = "mrsp.untimed/1"
SUFFIX = ".untimed.json"

_log = logging.getLogger("agent.clock")


class UntimedReading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reading without times, and the stamps to compute them from. `look`: at the meter's clock, if it has one."""

    started: BootStamp
    finished: BootStamp
    reading: Reading
    look: ClockSample | None = None
    schema: Annotated[str, msgspec.Meta(pattern=f"^{SCHEMA}$")] = SCHEMA


def timed(untimed: UntimedReading, proof: ClockProof) -> Reading | None:
    """Return the reading with its times filled in by a proof of the same boot; None while that cannot be done.

    Boot id and CLOCK_BOOTTIME stay beside the UTC. The checks stay as they were judged at the meter: the clock was not
    proven then, whatever is known of it now. Pure.
    """
    started, finished = resolve(untimed.started, proof), resolve(untimed.finished, proof)
    uncertainty = uncertainty_of(untimed.finished, proof)
    if started is None or finished is None or uncertainty is None:
        return None
    now_known = agent_clock_part(proof, untimed.finished)
    ours = {name: getattr(now_known, name) for name in ClockPart.__struct_fields__ if name.startswith("agent_")}
    ours |= {
        "agent_uncertainty_s": plain(uncertainty),
        "agent_time_repaired": True,
        "agent_check": untimed.reading.clock.agent_check,
    }
    if untimed.look is not None:
        offset = meter_offset(untimed.look, proof)
        ours |= {"meter_offset_s": plain(offset.offset_s), "link_latency_s": plain(offset.latency_s)}
    clock = msgspec.structs.replace(untimed.reading.clock, **ours)
    return msgspec.structs.replace(
        untimed.reading, read_started_at=utc_text(started), read_finished_at=utc_text(finished), clock=clock
    )


class UntimedReadings:
    """A directory of them, one durable file each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def hold(self, untimed: UntimedReading) -> None:
        """Keep one until its time is known. Raises `LocalTrouble`."""
        write_durably(self._file(untimed.reading.reading_id), msgspec.json.encode(untimed))

    def waiting(self) -> list[UntimedReading]:
        """Return all that wait, oldest first. One that cannot be read stays where it is, and is logged."""
        found: list[UntimedReading] = []
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=UntimedReading))
            except (OSError, msgspec.DecodeError, RecursionError, UnicodeError) as error:
                _log.error("the reading in %s, which waits for its time, cannot be read: %s", path, error)
        return found

    def due(self, proof: ClockProof) -> list[Reading]:
        """Return those to be sealed now: with their times, or for good without, being of another boot."""
        ready: list[Reading] = []
        for untimed in self.waiting():
            reading = timed(untimed, proof)
            if reading is not None:
                ready.append(reading)
            elif proof.stamp is not None and not same_boot(untimed.finished, proof.stamp):
                ready.append(untimed.reading)
        return ready

    def release(self, reading_id: str) -> None:
        """Let go of one that is in the spool by now. Raises `LocalTrouble`."""
        try:
            self._file(reading_id).unlink(missing_ok=True)
            if self._directory.is_dir():
                sync_directory(self._directory)
        except OSError as error:
            raise LocalTrouble(f"cannot remove from {self._directory}: {error.strerror}") from error

    def _file(self, reading_id: str) -> Path:
        return self._directory / f"{reading_id}{SUFFIX}"
