"""An agent that is started and killed again and again, and everything that became known of it meanwhile."""

from __future__ import annotations

import argparse
import fcntl
import gc
import importlib
import logging
import os
import random
import select
import signal
import sys
import time
import traceback
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.cli import run as mrsp_run
from agent.config import load_config
from agent.scheduling.asking import order_out_of_cycle, request_for
from agent.scheduling.store import SCHEDULE_FILE, ScheduleStore
from agent.spool_store import SpoolStore
from drivers.registry import driver_for
from tests.crash.hooks import Hooks
from tests.crash.phases import Pace, Phase
from tests.crash.place import Place

LONGEST_LIFE_S = 3.0  # of one that does not come to the step at which it was to die
LOADED_ON_USE = ("cryptography.hazmat.backends.openssl.backend", "encodings.idna", "importlib.readers", "stringprep")
MOMENT, WHOLE = 0.35, 0.85  # below: at any moment; from there on: when all is done; between them: at a step
LOOK_S = 0.1
QUIET_LOOKS = 4  # without a step: it has nothing left to do
OUTSTANDING = 4  # reads that are asked for and not done, at any time

_F_SETPIPE_SZ = 1031


@dataclass
class Known:
    """What the agents of all lives told, and what was asked of them."""

    asked: list[str] = field(default_factory=list)
    finished: set[str] = field(default_factory=set)
    built: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    stored: list[str] = field(default_factory=list)
    kills: Counter[Phase] = field(default_factory=Counter)
    ended_by_itself: list[str] = field(default_factory=list)

    def hear(self, line: str) -> None:
        match line.split():
            case ["finished", reading_id]:
                self.finished.add(reading_id)
            case ["built", document_id, digest]:
                self.built[document_id].add(digest)
            case ["stored", document_id]:
                self.stored.append(document_id)
            case _:
                raise ValueError(line)


class Lives:
    """Forks one agent after the other. To be made in a process without threads and without an event loop."""

    def __init__(self, place: Place, dice: random.Random) -> None:
        self.known = Known()
        self.pace = Pace()
        self._place = place
        self._dice = dice
        self._config = load_config(place.config)
        self._config.state_directory.mkdir(mode=0o700, exist_ok=True)
        self._typical: dict[Phase, float] = dict.fromkeys(Phase, 4.0)
        self._lasts_s = 0.5
        self._rest = b""
        self._heard, witness = os.pipe()
        fcntl.fcntl(witness, _F_SETPIPE_SZ, 1_048_576)
        os.set_blocking(self._heard, False)
        self.hooks = Hooks(self.pace, witness)
        self.hooks.install()
        for name in LOADED_ON_USE:
            importlib.import_module(name)
        for meter in self._config.settings.meters:
            driver_for(meter.url)
        gc.freeze()

    @property
    def schedule(self) -> Path:
        return self._config.state_directory / SCHEDULE_FILE

    def live_and_die(self) -> Phase:
        """One life, ended by `kill -9`: at any moment, at a step of a phase, or when all is done; return the phase.

        The last kind keeps things going, and tells how long the others may be.
        """
        self._ask(OUTSTANDING)
        self.pace.begin()
        limit_s, kind = LONGEST_LIFE_S, self._dice.random() if self.known.kills else 1.0
        if kind < MOMENT:
            limit_s = self._dice.random() * self._lasts_s
        elif kind < WHOLE:
            phase = self._dice.choice(list(Phase))
            self.pace.begin(phase, self._dice.randint(1, max(1, round(self._typical[phase]))))
        began = time.monotonic()
        process = self._fork()
        self._watch(process, limit_s)
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if not os.WIFSIGNALED(status):
            self.known.ended_by_itself.append(f"status {status}")
        if kind >= WHOLE:
            self._lasts_s += (time.monotonic() - began - self._lasts_s) / 4
            for phase in Phase:
                self._typical[phase] += (self.pace.ticks(phase) - self._typical[phase]) / 4
        self._listen()
        died_in = self.pace.last
        self.known.kills[died_in] += 1
        self.pace.begin()  # what this process does itself to the files is not to be its end
        return died_in

    def live_to_the_end(self, limit_s: float) -> bool:
        """A last life, until nothing is left to do; return whether it came to that, and stopped when it was told to."""
        self.pace.begin()
        process = self._fork()
        try:
            for _ in range(round(limit_s)):
                if self._wait(process, 1.0):
                    return False
                self._listen()
                if not self._open_requests() and self._spool_is_empty():
                    os.kill(process, signal.SIGTERM)
                    return self._wait(process, 20.0)
            return False
        finally:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)

    def _spool_is_empty(self) -> bool:
        store = SpoolStore(
            self._config.spool_file, agent_id=None, sealer=None, budget_octets=1, now=lambda: datetime.now(UTC)
        )
        try:
            return store.is_empty()
        finally:
            store.close()

    def _fork(self) -> int:
        process = os.fork()
        if process:
            return process
        status = 1
        try:
            log = os.open(self._place.directory / "agent.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 2)
            logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s", force=True)
            status = mrsp_run.run(argparse.Namespace(config=self._place.config, log="text"))
        except BaseException:  # noqa: BLE001 - it is told, and the process ends
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _watch(self, process: int, limit_s: float) -> None:
        """Wait until `process` has ended, at most so long, and no longer than it does something."""
        ends, seen, quiet = time.monotonic() + limit_s, 0, 0
        while (left_s := ends - time.monotonic()) > 0 and quiet < QUIET_LOOKS:
            if self._wait(process, min(LOOK_S, left_s)):
                return
            steps = self.pace.total
            quiet = quiet + 1 if steps == seen and steps else 0
            seen = steps

    def _wait(self, process: int, limit_s: float) -> bool:
        """Wait until `process` has ended, at most so long; return whether it has. It is not reaped."""
        descriptor = os.pidfd_open(process)
        try:
            ended, _, _ = select.select([descriptor], [], [], limit_s)
            return bool(ended)
        finally:
            os.close(descriptor)

    def _listen(self) -> None:
        self._place.drain()
        while True:
            try:
                chunk = os.read(self._heard, 1_048_576)
            except BlockingIOError:
                break
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self.known.hear(line.decode())

    def _ask(self, outstanding: int) -> None:
        store = ScheduleStore(self.schedule, create=True)
        try:
            for _ in range(outstanding - len(store.requests())):
                request_id = f"q{len(self.known.asked) + 1}"
                meter = self._dice.choice(self._place.meters)
                now = datetime.now(UTC)
                order = order_out_of_cycle(self._config, meter, "special", request_id)
                store.ask(request_for(order, meter, by="crash", now=now, deadline=now + timedelta(days=5)))
                self.known.asked.append(request_id)
        finally:
            store.close()

    def _open_requests(self) -> int:
        store = ScheduleStore(self.schedule, create=False)
        try:
            return len(store.requests())
        finally:
            store.close()
