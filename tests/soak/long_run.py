"""Weeks of a gateway's life in virtual time: the whole service with its meters, its broker's absences and its disk.

Everything of the agent is real (schedule, driver, checks, seal, spool, forwarder, recordings, accounts, audit) but five
things: time passes only where everybody waits; what goes to a thread is done at once; nothing is synced to the disk; a
meter's line is a cable within this process; and the MDSP verifies and acknowledges without a network between.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from joserfc import jws

from agent.clock.instant import Clock as BoxClock
from agent.clock.samples import TimeSample
from agent.config import load_config
from agent.forward.forwarder import Forwarder
from agent.forward.trouble import Cause, ForwardTrouble
from agent.forward.uplink import Topics
from agent.forward.window import SendWindow
from agent.keys import MdspKeys
from agent.service import Service
from agent.spool import Spool
from drivers.psem import driver as driver_module
from drivers.psem.client import PsemClient
from metersim.mdsp_verify import Registry, open_sealed, read_keys
from metersim.meter.faults import parse_faults
from metersim.meter.fleet import nth
from metersim.meter.serving import Serving, serve_meter
from metersim.pki import add_agent, create_pki
from tests.provenance.visits import Wire
from tests.system.telephone_town import BEGINS, Clock, TownLoop
from tests.young_meters import young

AGENT = "gw-0001"
HOUR_S, DAY_S = 3_600, 86_400
FIRST_PORT = 10_001
SCENARIOS = ("residential-tou", "closure-1997", "minimal", "big-endian-float-bcd")
FAULTS: tuple[tuple[str, ...], ...] = (
    (),
    ("garble=0.0002",),
    (),
    ("lose=0.0002",),
    (),
    ("drop_ack=0.05",),
    (),
    ("busy=2",),
    (),
    ("burst=0.0001",),
)
_TELLS = ("audit", "ledger")  # grow with what happens; they are for ever
SILENT_EVERY = 25  # one meter in so many never answers

CONFIG = """\
[agent]
agent_id = "{agent}"
state_directory = "state"
[clock]
ntp = ["192.0.2.1"]
zone = "America/Denver"
[keys]
directory = "pki/devices/{agent}"
mdsp = "pki/mdsp.jwks"
encrypt = true
[recordings]
keep = "{keep}"
[schedule]
sessions = 8
[forward]
host = "localhost"
ca = "pki/ca.crt"
certificate = "pki/devices/{agent}/device-cert.pem"
key = "pki/devices/{agent}/device-key.pem"
"""
METER = """
[[meters]]
name = "meter{number}"
url = "tcp://192.0.2.2:{port}"
every = "{every_h}h"
password_file = "meter.password"
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how many, how often; `away`: from and to which hour of the run the broker cannot be reached."""

    days: int = 30
    meters: int = 100
    every_h: int = 6
    keep: str = "5d"  # the recordings
    away: tuple[tuple[int, int], ...] = ((30, 42), (130, 131), (400, 436))

    @property
    def hours(self) -> int:
        return self.days * 24


@dataclass(frozen=True, slots=True)
class Look:
    """What the program holds at one moment."""

    hour: int
    resident_mb: float
    objects: int  # of the agent and its drivers, that the garbage collector knows
    descriptors: int
    files: int
    octets: int  # of the files that do not tell what was, day by day
    tasks: int


@dataclass
class Life:
    """What happened."""

    looks: list[Look] = field(default_factory=list)
    delivered: Counter[str] = field(default_factory=Counter)  # documents by kind
    sequence: list[int] = field(default_factory=list)  # in order of their first delivery
    reads: Counter[str] = field(default_factory=Counter)  # good readings by meter id
    failures: list[str] = field(default_factory=list)
    cpu_s: float = 0.0


def live(plan: Plan, directory: Path, told: Callable[[Look], None] = lambda _look: None) -> Life:
    """Let the service live so long; return what happened."""
    loop = TownLoop()
    loop.allow((plan.hours + 100) * HOUR_S)
    life = Life()
    loop.set_exception_handler(lambda _loop, context: life.failures.append(str(context.get("exception", context))))
    with (
        patch.object(driver_module, "PsemClient", partial(PsemClient, clock=loop.time)),
        patch("os.fsync", lambda _descriptor: None),
        patch("os.fdatasync", lambda _descriptor: None),
        patch("agent.clock.measure._questions", _right),
    ):
        began = os.times()
        try:
            loop.run_until_complete(_live(plan, directory, Clock(loop.time, loop.time()), life, told))
        finally:
            loop.abandon()
        life.cpu_s = os.times().user - began.user
    return life


async def _live(plan: Plan, directory: Path, clock: Clock, life: Life, told: Callable[[Look], None]) -> None:
    mdsp = _Mdsp(plan, directory, clock, life)
    config = load_config(_founded(plan, directory))

    def forwarder_of(_config: object, spool: Spool, keys: MdspKeys, status: object, _requests: object) -> Forwarder:
        return Forwarder(spool, mdsp.dial, keys, window=SendWindow(200), status=status)  # type: ignore[arg-type]

    async with AsyncExitStack() as stack:
        cables = [await stack.enter_async_context(_meter(number)) for number in range(plan.meters)]

        async def opened(url: str, _options: object = None) -> Wire:
            return cables[int(url.rpartition(":")[2].partition("?")[0]) - FIRST_PORT]

        stack.enter_context(patch.object(driver_module, "open_transport", opened))
        stack.enter_context(patch("agent.service.forwarder_of", forwarder_of))
        running = asyncio.create_task(Service(config, clock).run())
        for hour in range(0, plan.hours, 12):
            await asyncio.wait({running}, timeout=12 * HOUR_S)
            assert not running.done(), running.exception()
            life.looks.append(_look(hour + 12, directory))
            told(life.looks[-1])
        running.cancel()
        await asyncio.wait({running})


@asynccontextmanager
async def _meter(number: int) -> AsyncIterator[Wire]:
    """Serve one meter on a cable; its clock runs with the loop's time."""
    faults = ("silence",) if number % SILENT_EVERY == SILENT_EVERY - 1 else FAULTS[number % len(FAULTS)]
    scenario = young(SCENARIOS[number % len(SCENARIOS)], BEGINS)
    serving = nth(Serving(scenario, BEGINS, seed=1, faults=parse_faults(faults), rate=1), number)
    cables: list[Wire] = []

    async def port(to_meter: Callable[[bytes], None]) -> Wire:
        cables.append(Wire(to_meter, 0))
        return cables[0]

    async with serve_meter(serving, port):
        yield cables[0]


def _founded(plan: Plan, directory: Path) -> Path:
    """Write what the agent needs; return its configuration."""
    secret = directory / "meter.password"
    secret.touch(mode=0o600)
    secret.write_text("00000000")
    pki = create_pki(directory / "pki", now=BEGINS)
    add_agent(pki, AGENT, now=BEGINS)
    text = CONFIG.format(agent=AGENT, keep=plan.keep)
    for number in range(plan.meters):
        text += METER.format(number=number + 1, port=FIRST_PORT + number, every_h=plan.every_h)
    path = directory / "mrsp.toml"
    path.write_text(text)
    return path


class _Mdsp:
    """Verifies and acknowledges, as long as the broker can be reached. Keeps numbers only."""

    def __init__(self, plan: Plan, directory: Path, clock: Clock, life: Life) -> None:
        self._plan, self._clock, self._life = plan, clock, life
        self._pki = directory / "pki"
        self._topics = Topics(AGENT)

    @property
    def _is_away(self) -> bool:
        hour = self._clock.boottime_ns() / 1e9 / HOUR_S
        return any(begins <= hour < ends for begins, ends in self._plan.away)

    @asynccontextmanager
    async def dial(self, will: bytes) -> AsyncIterator[_Mdsp]:  # noqa: ARG002 - part of `Dial`
        self._check()
        self._registry = Registry(self._pki / "agents")
        keys = read_keys(self._pki / "mdsp-private.jwks").keys
        self._signing = next(key for key in keys if key.get("use") == "sig")
        self._decryption = [key for key in keys if key.get("use") == "enc"]
        self._acks: asyncio.Queue[bytes] = asyncio.Queue()
        yield self

    async def publish(self, topic: str, body: bytes, *, retain: bool = False) -> None:
        self._check()
        if retain or topic == self._topics.status:
            return
        found = open_sealed(topic, body, self._registry, self._decryption)
        if found.seq > (self._life.sequence[-1] if self._life.sequence else 0):
            self._life.sequence.append(found.seq)
            self._life.delivered[found.kind] += 1
            document = json.loads(found.document)
            if found.kind == "readings" and document["registers"]:
                self._life.reads[document["meter"]["meter_id"]] += 1
        content = {"acknowledged": [found.document_id], "agent_id": AGENT}
        header = {"alg": "ES256", "kid": self._signing.kid, "typ": "mdsp-ack+jws"}
        token = jws.serialize_compact(header, json.dumps(content), self._signing, algorithms=["ES256"])
        self._acks.put_nowait(token.encode())

    async def received(self) -> list[bytes]:
        """Return what is there; the connection ends when the broker goes away."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(60):
                    return [await self._acks.get()]
            self._check()

    def _check(self) -> None:
        if self._is_away:
            raise ForwardTrouble("the broker is away", cause=Cause.UNREACHABLE)


def _look(hour: int, directory: Path) -> Look:
    gc.collect()
    ours = sum(str(type(one).__module__).startswith(("agent.", "drivers.")) for one in gc.get_objects())
    status = Path("/proc/self/status").read_text()
    (resident,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    state = directory / "state"
    files = [path for path in state.rglob("*") if path.is_file()]
    kept = [path for path in files if not path.relative_to(state).parts[0].startswith(_TELLS)]
    return Look(
        hour,
        int(resident) / 1024,
        ours,
        sum(1 for _ in Path("/proc/self/fd").iterdir()),
        len(files),
        sum(path.stat().st_size for path in kept),
        len(asyncio.all_tasks()),
    )


def _right(_settings: object, clock: BoxClock) -> list[Coroutine[Any, Any, TimeSample]]:
    """Two servers that both find this box's clock right."""

    async def asked(name: str) -> TimeSample:
        return TimeSample(Decimal(0), Decimal("0.005"), "ntp", name, "GPS", clock.boottime_ns(), peer=name, stratum=1)

    return [asked("192.0.2.1"), asked("192.0.2.3")]


def complaints(life: Life, plan: Plan) -> list[str]:
    """Return what should not be: documents that are missing, meters that were not read, anything that grew."""
    found = [*life.failures]
    if life.sequence != list(range(1, len(life.sequence) + 1)):
        found.append(f"of {life.sequence[-1]} documents {len(life.sequence)} came, or not in order")
    silent = plan.meters // SILENT_EVERY
    due = plan.hours // plan.every_h
    if len(life.reads) != plan.meters - silent:
        found.append(f"{len(life.reads)} of {plan.meters - silent} meters were read")
    found += [
        f"{name}: {count} of {due} reads" for name, count in life.reads.items() if not due - 1 <= count <= due + 1
    ]
    if silent and not life.delivered["anomalies"]:
        found.append("nobody was told of the silent meters")
    quarter = len(life.looks) // 4
    early, late = life.looks[quarter : 2 * quarter], life.looks[-quarter:]
    for name, share, more in _MAY_GROW:
        before = max(getattr(look, name) for look in early)
        after = max(getattr(look, name) for look in late)
        if after > before * (1 + share) + more:
            found.append(f"{name} grew from {before:g} to {after:g}")
    return found


# By how much of what it was, and how many more. Each day has a file of its own in the ledger, and a report.
_MAY_GROW = (
    ("resident_mb", 0.05, 4),
    ("objects", 0.02, 200),
    ("descriptors", 0.0, 0),
    ("tasks", 0.0, 8),  # visits under way
    ("files", 0.05, 40),
    ("octets", 0.05, 4_500_000),  # a write-ahead log
)
