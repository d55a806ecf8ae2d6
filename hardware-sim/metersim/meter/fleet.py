"""Many meters in one process, each on a line of its own: what a reader of many meters at once is tested with."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from metersim.meter.serving import RunningMeter, Serving, serve_meter

_NUMBER = re.compile(r"\d*$")


@asynccontextmanager
async def serve_meters(serving: Serving, count: int) -> AsyncIterator[tuple[RunningMeter, ...]]:
    """Serve `count` meters while the context lasts: seeds, meter ids and TCP ports count up from those of `serving`.

    TCP port 0 stays any free one. Raises as `serve_meter` does.
    """
    async with AsyncExitStack() as stack:
        yield tuple([await stack.enter_async_context(serve_meter(nth(serving, number))) for number in range(count)])


def nth(serving: Serving, number: int) -> Serving:
    """The settings of one meter of the fleet; the first is as it would be alone."""
    mishaps = serving.faults.mishaps
    meter_id = _counted_up(mishaps.meter_id or serving.scenario.identity.meter_id, number)
    faults = replace(serving.faults, mishaps=replace(mishaps, meter_id=meter_id))
    port = serving.tcp + number if serving.tcp else serving.tcp
    return replace(serving, seed=serving.seed + number, tcp=port, faults=faults) if number else serving


def _counted_up(meter_id: str, number: int) -> str:
    """Return the id so many further on, in as many digits."""
    digits = _NUMBER.search(meter_id)[0]  # type: ignore[index]
    width = max(1, len(digits))
    return meter_id[: len(meter_id) - len(digits)] + f"{int(digits or 0) + number:0{width}}"
