"""The box: its status, its clock, and the support bundle."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from agent.box_status import BoxStatus, ClockGlance
from agent.clock.proof import ProofSource
from agent.console.api.endpoint import Endpoint, Given
from agent.console.api.shapes import shaped
from agent.console.pages.bundle import bundle
from agent.console.problem import Moment
from agent.console.request import world_of


class ClockNow(Given, frozen=True):
    """The clock proof: `proven`: interval reads are permitted; `registers only`; `unknown`. `said`: a sentence."""

    state: Literal["proven", "registers only", "unknown"]
    said: str
    at: Moment
    source: ProofSource
    offset_s: Decimal | None
    uncertainty_s: Decimal | None
    synchronized_at: Moment | None


class SpoolNow(Given, frozen=True):
    """What waits for the MDSP: `depth` documents, the oldest since `oldest`."""

    depth: int
    oldest: Moment | None
    octets: int
    budget_octets: int
    percent: int
    level: Literal["ok", "warn", "full"]


class LinkNow(Given, frozen=True):
    """The way to the MDSP; `state` is `none` where nothing is forwarded."""

    state: str
    trouble: str
    advice: str


class CertificateNow(Given, frozen=True):
    """The certificate that the box shows the MDSP."""

    subject: str
    not_after: Moment
    days_left: int


class KeysNow(Given, frozen=True):
    """The identity of the box."""

    kid: str
    certificate: CertificateNow | None
    warnings: tuple[str, ...]


class DiskNow(Given, frozen=True):
    """The disk with what is kept, in octets."""

    free: int
    total: int
    percent_free: int
    low: bool


class TroubleNow(Given, frozen=True):
    """A warning or an error of the log."""

    at: Moment
    level: str
    text: str


class StatusNow(Given, frozen=True):
    """The box at one moment. `keys` null: `keys_trouble` says why. `troubles`: newest first."""

    at: Moment
    agent_id: str
    version: str
    clock: ClockNow
    spool: SpoolNow
    link: LinkNow
    keys: KeysNow | None
    keys_trouble: str
    disk: DiskNow
    troubles: tuple[TroubleNow, ...]


async def show_status(request: Request) -> StatusNow:
    """Return how the box is: clock, queue, link, certificate, disk, and what went wrong last."""
    return status_now(await world_of(request).status())


async def show_clock(request: Request) -> ClockNow:
    """Return the clock proof alone."""
    return clock_now(world_of(request).clock())


async def make_bundle(request: Request) -> Response:
    """Return the support bundle: what somebody who helps needs to know, without secrets."""
    return await bundle(request)


def status_now(status: BoxStatus) -> StatusNow:
    """Return the status as programs see it."""
    return shaped(StatusNow, status)


def clock_now(clock: ClockGlance) -> ClockNow:
    """Return the clock proof as programs see it."""
    return shaped(ClockNow, clock)


ENDPOINTS = (
    Endpoint(method="GET", path="/status", function=show_status, tag="box", background=True),
    Endpoint(method="GET", path="/clock", function=show_clock, tag="box", background=True),
    Endpoint(
        method="POST",
        path="/support-bundle",
        function=make_bundle,
        tag="box",
        role="operator",
        gives=("application/zip",),
    ),
)
