"""Read simulated meters for real, end to end, on this box alone: no configuration, no root, no network.

Starts simulated meters on real ptys, time servers, an MQTT broker that requires client certificates, and an MDSP, each
a process of its own; then proves the clock, reads every meter over C12.18, runs the at-read checks, seals the readings
into a spool, forwards them, and ends when the MDSP's signed acknowledgements are in.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from agent.attending import order_of
from agent.box import configured_box, recordings_of, records_of, sessions_of
from agent.checks import describe
from agent.cli.explain_show import show_explained
from agent.cli.interrupt import run_until_interrupted
from agent.cli.progress import ProgressLine
from agent.cli.show import show_reading
from agent.clock.explain import clock_text
from agent.clock.instant import read_instant
from agent.clock.measure import prove
from agent.clock.system import SystemClock
from agent.config import Config, load_config
from agent.errors import LocalTrouble, UsageError
from agent.explained import explain
from agent.forward.forwarder import Forwarder
from agent.keeping import keep, open_spool
from agent.reading import Reading
from agent.recheck import recheck
from agent.rederive import rederive, verified
from agent.service import forwarder_of
from agent.spool import Spool
from agent.visit import visit
from drivers.profiles import load_profiles

AGENT_ID = "demo-gateway"
# Scenario of `metersim meter`; what is on record of that meter: its id, and the password that reads it.
SCENARIOS = (
    ("residential-tou", "87654321", "00000000"),
    ("commercial-4ch", "COM-4401", "READ-ONLY"),
    ("big-endian-float-bcd", "4711008150", "00000000"),
    ("minimal", "M-1", "00000000"),
)
START_S = 30.0
DRAIN_S = 60.0
STOP_S = 5.0
CONFIG = """\
[agent]
agent_id = "{agent_id}"
state_directory = "state"

[clock]
sources = ["ntp"]
ntp = [{ntp}]

[keys]
directory = "pki/devices/{agent_id}"
mdsp = "pki/mdsp.jwks"
encrypt = true

[forward]
host = "localhost"
port = {port}
protocol = "3.1.1"
ca = "pki/ca.crt"
certificate = "pki/devices/{agent_id}/device-cert.pem"
key = "pki/devices/{agent_id}/device-key.pem"
"""
METER = """
[[meters]]
name = "meter {number} ({scenario})"
url = "{url}"
expected_meter_id = "{meter_id}"
password_file = "meter-{number}.password"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--meters", metavar="N", type=int, default=3, help="how many meters (default: 3, at most 50)")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="leave configuration, keys and spool in DIR")


def run(arguments: argparse.Namespace) -> int:
    if not 1 <= arguments.meters <= 50:
        raise UsageError("--meters takes a number from 1 to 50")
    if find_spec("metersim") is None or find_spec("amqtt") is None:
        raise UsageError("the simulators are not installed", advice="install the extra `sim`, or run scripts/demo")
    if arguments.keep is not None:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        return asyncio.run(run_until_interrupted(_demo(arguments.keep.resolve(), arguments.meters)))
    with tempfile.TemporaryDirectory(prefix="mrsp-demo-") as directory:
        return asyncio.run(run_until_interrupted(_demo(Path(directory), arguments.meters)))


async def _demo(directory: Path, meters: int) -> int:
    async with AsyncExitStack() as stack:
        config = load_config(await _build_world(directory, meters, stack))
        _tell("\n— The clock of this box, against three simulated time servers\n")
        clock = SystemClock()
        proof = await prove(config.settings.clock, clock)
        sys.stdout.write(clock_text(proof, read_instant(clock)) + "\n")
        spool, keys = await stack.enter_async_context(open_spool(config))
        failed: list[str] = []
        readings: list[Reading] = []
        for meter in config.settings.meters:
            _tell(f"\n— {meter.name} on {meter.url}\n")
            progress = ProgressLine(label=meter.name)
            records, sessions = records_of(config), sessions_of(config, "mrsp demo")
            box = configured_box(config, clock, records=records, sessions=sessions, progress=progress)
            outcome = await visit(order_of(config, meter), box)
            progress.close()
            entry = await keep(spool, outcome.reading)
            sys.stdout.write(show_reading(outcome.reading, brief=True))
            sys.stdout.write(f"sealed as number {entry.sequence} of {AGENT_ID}: {entry.document_id}\n")
            failed += _failures(meter.name, outcome.reading)
            readings.append(outcome.reading)
        if keys is None:
            raise LocalTrouble("the demo's configuration names no MDSP keys")
        await _deliver(spool, forwarder_of(config, spool, keys, dict))
        await _explain(config, readings[0])
    if failed:
        sys.stdout.write("\nwhat the checks found; such a reading is delivered too, with what was found\n")
        sys.stdout.write("".join(f"  {failure}\n" for failure in failed))
    else:
        sys.stdout.write("\nevery check passed\n")
    return 0


async def _deliver(spool: Spool, forwarder: Forwarder) -> None:
    waiting = (await spool.status()).depth
    _tell(f"\n— Forwarding {waiting} readings over mutual TLS\n")
    await forwarder.drain(DRAIN_S)
    report = await spool.verify()
    for entry in await spool.entries(delivered=True):
        sys.stdout.write(f"{entry.document_id} acknowledged by the MDSP, signature verified\n")
    chain = "every signature and the chain hold" if report.sound else "; ".join(report.problems)
    sys.stdout.write(f"{report.links} documents sealed, {(await spool.status()).depth} left in the spool; {chain}\n")


async def _explain(config: Config, reading: Reading) -> None:
    """Show where one value comes from, and that all of them come from the octets that the meter sent."""
    if reading.recording is None:
        raise LocalTrouble("the demo's visit was not recorded", advice="see the problems of the reading above")
    content = await recordings_of(config).open(reading.recording.sha256)
    made = rederive(reading, verified(content, reading, "the visit's recording"), load_profiles())
    _tell("\n— Where the first register comes from: mrsp explain\n")
    sys.stdout.write("\n".join(show_explained(made, one) for one in explain(made, "registers[0].value")))
    found = recheck(made)
    sys.stdout.write(f"\n{found.agree:,} of {found.values:,} values of this reading were made again from the octets\n")


def _failures(name: str, reading: Reading) -> list[str]:
    return [f"{name}: {describe(check)}" for check in reading.checks if check.outcome == "fail"]


async def _build_world(directory: Path, meters: int, stack: AsyncExitStack) -> Path:
    """Start everything around the agent and write its configuration; return its path."""
    pki = directory / "pki"
    async with _simulator("pki", str(pki), "--agent", AGENT_ID):
        pass
    broker = await stack.enter_async_context(_simulator("broker", str(pki), "--port", "0"))
    port = broker.split()[0].rpartition(":")[2]
    _tell(f"broker listens on {broker.split()[0]}, client certificates required")
    store = str(directory / "mdsp.sqlite")
    await stack.enter_async_context(
        _simulator("mdsp", str(pki), "--broker", f"localhost:{port}", "--mqtt", "3.1.1", "--store", store)
    )
    _tell("the MDSP is connected")
    servers = [(await stack.enter_async_context(_simulator("ntp"))).split()[0] for _ in range(3)]
    text = CONFIG.format(agent_id=AGENT_ID, ntp=", ".join(f'"{server}"' for server in servers), port=port)
    for number in range(meters):
        scenario, meter_id, password = SCENARIOS[number % len(SCENARIOS)]
        address = await stack.enter_async_context(
            _simulator("meter", "--pty", "--scenario", scenario, "--seed", str(number + 1))
        )
        _tell(f"meter {number + 1}: {scenario} on {address}")
        secret = directory / f"meter-{number + 1}.password"
        secret.touch(mode=0o600)
        secret.write_text(password)
        text += METER.format(number=number + 1, scenario=scenario, url=address, meter_id=meter_id)
    file = directory / "mrsp.toml"
    file.write_text(text, encoding="utf-8")
    return file


@asynccontextmanager
async def _simulator(*arguments: str) -> AsyncIterator[str]:
    """Run `metersim …` as a process of its own; yield the first line it prints. `LocalTrouble` if it prints none."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "metersim", *arguments, stdout=asyncio.subprocess.PIPE, env=os.environ
    )
    try:
        if process.stdout is None:
            raise LocalTrouble(f"metersim {arguments[0]} has no output")
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
        if not line:
            raise LocalTrouble(f"metersim {arguments[0]} ended before it was ready; see above")
        yield line.decode().strip()
    except TimeoutError as error:
        raise LocalTrouble(f"metersim {arguments[0]} was not ready within {START_S:g} s") from error
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Stop a simulator; one that does not heed is killed, so that the demo always ends."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _tell(line: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
