"""A bench of simulated instruments around one meter, served in this process, and a configuration that names them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from agent.bench.settings import BenchSettings
from agent.keys import create_device_key
from metersim.instruments.element import Element, curve_of
from metersim.instruments.faults import parse_faults
from metersim.instruments.meter import DEFAULT, kh_microwatthours
from metersim.instruments.serving import BenchOptions, RunningBench, running_bench
from metersim.meter.scenario_file import load_scenario
from tests.bench.bench_kit import settings

KINDS = ("source", "standard", "counter")


@dataclass
class Simulated:
    """The running bench; `on` and `off` are set when the source's output is switched."""

    running: RunningBench
    on: asyncio.Event = field(default_factory=asyncio.Event)
    off: asyncio.Event = field(default_factory=asyncio.Event)
    energised: bool = False  # at any time

    @property
    def settings(self) -> BenchSettings:
        """The configuration of this bench."""
        sockets = self.running.sockets
        named = zip(settings().instruments, KINDS, strict=True)
        return settings(
            instruments=tuple(msgspec.structs.replace(one, resource=sockets[kind].resource) for one, kind in named)
        )

    def note(self, switch: Callable[..., None]) -> Callable[..., None]:
        def noted(*, on: bool) -> None:
            switch(on=on)
            self.energised = self.energised or self.running.world.output_on
            (self.on if self.running.world.output_on else self.off).set()

        return noted


@asynccontextmanager
async def simulated_bench(
    *faults: str,
    errors: tuple[tuple[str, float], ...] = (("30", 0.35), ("3", -0.8)),
    real_time: bool = False,
    seed: int = 1,
) -> AsyncIterator[Simulated]:
    """Serve a bench. Time passes when an instrument is asked how far it is, or as it does everywhere."""
    scenario = load_scenario(str(DEFAULT))
    curve = [(int(float(amps) * 1_000_000), round(percent * 10_000_000)) for amps, percent in errors]
    element = Element(curve_of(curve, 0), kh_microwatthours(scenario), creep=0, jitter_ppm=500, seed=seed)
    options = BenchOptions(
        scenario,
        datetime.now(UTC),
        element,
        seed,
        rate=1 if real_time else 0,
        step_us=0 if real_time else 200_000_000,
        faults=parse_faults(faults),
        meter_port=0,
    )
    async with running_bench(options) as running:
        found = Simulated(running)
        running.world.switch = found.note(running.world.switch)  # type: ignore[method-assign]
        yield found


def write_config(directory: Path, bench: BenchSettings) -> Path:
    """Write the configuration of an agent with a device key, at this bench."""
    create_device_key(directory / "state" / "keys")
    lines = [
        "[agent]",
        'agent_id = "gw-bench"',
        'state_directory = "state"',
        "[clock]",
        'sources = ["ntp"]',
        'ntp = ["127.0.0.1:1"]',
        "ntp_timeout_s = 0.2",
        "ntp_samples = 1",
        "[bench]",
        f'most_voltage = "{bench.most_voltage}"',
        f'most_current = "{bench.most_current}"',
        'msp_id = "MSP-7"',
    ]
    for one in bench.instruments:
        lines.append("[[bench.instruments]]")
        for key, value in msgspec.to_builtins(one).items():
            lines.append(f"{key} = {value}" if key.endswith("_on") else f'{key} = "{value}"')
    path = directory / "mrsp.toml"
    path.write_text("\n".join(lines) + "\n")
    return path
