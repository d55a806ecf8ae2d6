"""A simulated telephone network in virtual time, and a terminal that speaks AT."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from drivers.psem.client import PsemClient
from drivers.psem.options import C12_21_TIMING, PsemOptions
from drivers.psem.wiring import LineKind, Wiring
from drivers.secret import Secret
from metersim.meter.scenario import Password
from metersim.meter.serving import Serving
from metersim.modem import SitePlan, Terminal
from tests.soak.virtual_loop import VirtualLoop, rest
from tests.young_meters import young

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)
PASSWORD = b"00000000"
WRITING = b"WRITE-IT"
NUMBER = "5550100"
BETWEEN_COMMANDS_S = 0.2  # a modem that has just answered is left alone so long
SETTLES_S = 1.0  # a line whose carrier or DTR has just changed
T = TypeVar("T")


def run(main: Callable[[], Awaitable[T]], *, most_s: float = 100_000.0) -> T:
    """Run on a loop of virtual time; nothing may be left over."""
    loop = VirtualLoop()
    loop.allow(most_s)

    async def watched() -> T:
        found = await main()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return found

    try:
        return loop.run_until_complete(watched())
    finally:
        loop.abandon()


def serving(
    name: str = "minimal", identity: int = 0, seed: int = 1, now: datetime = NOW, *, writes: bool = False
) -> Serving:
    """Return a C12.21 meter; `writes`: its only password is `WRITING`, which lets write."""
    scenario = young(name, now)
    psem = msgspec.structs.replace(scenario.psem, identity=identity, standard=2)
    if writes:
        psem = msgspec.structs.replace(psem, passwords=(Password(password=WRITING.decode(), level=2),))
    return Serving(msgspec.structs.replace(scenario, psem=psem), now, seed)


def site(number: str = NUMBER, **options: object) -> SitePlan:
    return SitePlan(number, (serving(),), **options)  # type: ignore[arg-type]


async def until(terminal: Terminal, *words: str, wait_s: float = 90.0) -> str:
    """Read until one of the words is there; what came if none did in time."""
    said = b""
    try:
        async with asyncio.timeout(wait_s):
            while not any(word.encode() in said for word in words):
                said += await terminal.read()
    except TimeoutError:
        pass
    return said.decode("latin-1").replace("\r\n", " ").strip()


async def command(terminal: Terminal, text: str, wait_s: float = 5.0) -> str:
    """Send a command and return its result."""
    return await told(terminal, text, "OK", "ERROR", wait_s=wait_s)


async def told(terminal: Terminal, text: str, *words: str, wait_s: float = 90.0) -> str:
    """Send a command and return what comes up to one of the words."""
    await rest(BETWEEN_COMMANDS_S)
    terminal.discard_input()
    await terminal.write(text.encode() + b"\r")
    return await until(terminal, *words, wait_s=wait_s)


async def dial(terminal: Terminal, number: str = NUMBER, wait_s: float = 90.0) -> str:
    """Set the modem up, dial, and return the result."""
    for text in ("AT", "ATE0", "AT\\N0"):
        assert "OK" in await command(terminal, text)
    ends = ("CONNECT", "BUSY", "NO ", "DELAYED", "BLACK", "ERROR")
    said = await told(terminal, f"ATDT{number}", *ends, wait_s=wait_s)
    await rest(SETTLES_S)
    return said


def client(terminal: Terminal, identity: int = 0, *, stay: bool = False) -> PsemClient:
    return PsemClient(
        terminal,
        PsemOptions(timing=C12_21_TIMING, identity=identity),
        wiring=Wiring(LineKind.MODEM, addressed=identity > 0, stay=stay),
        clock=asyncio.get_running_loop().time,
    )


async def read_id(terminal: Terminal, identity: int = 0, *, stay: bool = False) -> str:
    """Read the meter's id in a session."""
    async with client(terminal, identity, stay=stay).session(Secret(PASSWORD)) as session:
        return (await session.read_table(5)).decode("latin-1").strip()


async def hang_up(terminal: Terminal) -> None:
    await terminal.set_dtr(on=False)
    await rest(SETTLES_S)
    await terminal.set_dtr(on=True)
    await rest(SETTLES_S)
