"""Listen to meters that send by themselves, and print each accepted reading as one JSON line.

Without --iq, --replay or --audio it listens with a receiver, until --seconds are over or it is interrupted. A planned
meter is delivered once, with its newest value that two messages agree on, or that one message confirms against the last
reading of the plan. The planned meters that were not heard are listed on standard error at the end. Without --plan
nothing is delivered: what is on the air is counted and listed.

exit status: 0 it listened to the end, whatever was heard; 2 wrong arguments, read plan or configuration, or rtl_433 or
multimon-ng is not installed; 3 the receiver could not run, or failed again and again; 6 trouble on this box. What was
confirmed before is printed in any case.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

from agent.box import configured_box, recordings_of, records_of, untimed_of
from agent.cli.listen_show import ReadingPrinter, Watched
from agent.clock.settings import ClockSettings, parse_gpsd
from agent.clock.system import SystemClock
from agent.config import Config, load_config
from agent.errors import LocalTrouble, UsageError
from agent.listening.delivery import Deliverer, Terms
from agent.listening.plan import ReadPlan, load_plan
from agent.listening.position import Whereabouts
from agent.listening.reception import Ear
from agent.listening.report import summary
from agent.listening.run import Listening, Run
from agent.order import Order, Purpose
from agent.reading import Reading
from agent.visit import Box, Outcome
from drivers.ert.command import FILE_RATE, FREQUENCY, HIGHEST_RATE, LIVE_RATE, LOWEST_RATE, Tuning

HOLD_S = 30.0  # where the run has no end
LONGEST_HOLD_S = 300.0  # a van that loses its power must not lose a day
MOST_AT_START = 4  # failures of a receiver that never worked: some seconds, while somebody waits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=("radio", "pager"), help="ERT radio by rtl_433, or pages by multimon-ng")
    source = parser.add_argument_group("what to listen to").add_mutually_exclusive_group()
    source.add_argument("--iq", metavar="FILE", type=Path, help="cu8 samples, no receiver; - is standard input")
    source.add_argument("--replay", metavar="FILE", type=Path, help="lines of rtl_433, or a recording of --record")
    source.add_argument("--audio", metavar="FILE", type=Path, help="pager: s16le samples at 22050 Hz")
    receiver = parser.add_argument_group("receiver")
    receiver.add_argument(
        "--sample-rate", metavar="N", type=int, help=f"a second (default: {FILE_RATE} of --iq, else {LIVE_RATE})"
    )
    receiver.add_argument("--device", metavar="NAME", default="0", help="0, :SERIAL or rtl_tcp:HOST:PORT (default: 0)")
    receiver.add_argument("--frequency", metavar="MHZ", type=_megahertz, help="radio: default 912.600155")
    receiver.add_argument("--gain", metavar="DB", default="", help="default: automatic")
    what = parser.add_argument_group("what to deliver, and how it is judged")
    what.add_argument("--plan", metavar="FILE", type=Path, help="the read plan, CSV or JSON")
    what.add_argument("--seconds", metavar="N", type=_seconds, help="listen for so long")
    what.add_argument(
        "--hold",
        metavar="SECONDS",
        type=_seconds,
        help="how long a confirmed value waits for a newer one (default: the end, at most 300; 30 without an end)",
    )
    what.add_argument("--purpose", choices=get_args(Purpose), default="cycle", help="of the readings (default: cycle)")
    what.add_argument("--rule-set", metavar="NAME", default="ubp-2000", help="of the checks (default: ubp-2000)")
    what.add_argument("--gpsd", metavar="HOST[:PORT]", help="put the receiver's position into the readings")
    clock = parser.add_argument_group("clock proof")
    clock.add_argument("--ntp", metavar="HOST[:PORT]", action="append", default=[], help="ask this server; repeatable")
    clock.add_argument("--no-clock-check", action="store_true", help="bench only; recorded in the document")
    parser.add_argument("--format", choices=("json", "table"), help="default: table on a terminal, else json")
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="be this agent: its clock, and its spool, which keeps the readings"
    )
    parser.add_argument("--record", metavar="FILE", type=Path, help="write every line of the receiver to FILE")


def run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    plan = load_plan(arguments.plan) if arguments.plan else ReadPlan()
    config = load_config(arguments.config) if arguments.config else None
    box = _box(arguments, config)
    kind = arguments.format or ("table" if sys.stdout.isatty() else "json")
    asyncio.run(_listen(arguments, plan, config, box, ReadingPrinter(json=kind == "json")))
    return 0


@dataclass(slots=True)
class _Keeper:
    """Keeps each reading in the spool, if there is one, and prints it; whatever happens to the spool."""

    printer: ReadingPrinter
    keep: Callable[[Order, Outcome], Awaitable[Reading]] | None = None
    trouble: LocalTrouble | None = None

    async def __call__(self, order: Order, outcome: Outcome) -> None:
        reading = outcome.reading
        if self.keep is not None:
            try:
                reading = await self.keep(order, outcome)
            except LocalTrouble as error:
                self.trouble = error
        self.printer(reading)


async def _listen(
    arguments: argparse.Namespace, plan: ReadPlan, config: Config | None, box: Box, printer: ReadingPrinter
) -> None:
    watched = Watched(plan)
    async with AsyncExitStack() as stack:
        stop = _stopped_by_signals(stack)
        ear = _ear(arguments, plan, box, stack, watched.say)
        keeper = _Keeper(printer)
        if config is not None:
            keeper.keep = await stack.enter_async_context(_into_spool(config, box))
        how = Listening(hold=_hold(arguments), seconds=arguments.seconds, stop=stop, tick=watched.tick)
        if arguments.gpsd:
            whereabouts = Whereabouts(parse_gpsd(arguments.gpsd), box.clock)
            following = asyncio.create_task(whereabouts.follow())
            stack.callback(following.cancel)
            how = replace(how, position=whereabouts.position)
        terms = Terms(arguments.rule_set, arguments.purpose, clock_check=not arguments.no_clock_check)
        listening = Run(ear, plan, Deliverer(ear, box, terms), box.clock, how)
        try:
            await listening.listen(keeper)
        finally:
            watched.close()
            for line in summary(listening.board, plan):
                sys.stderr.write(f"{line}\n")
    if keeper.trouble is not None:
        raise keeper.trouble


def _stopped_by_signals(stack: AsyncExitStack) -> asyncio.Event:
    """Return what Ctrl-C, `kill` and a closed terminal set: they end the run the usual way."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
            stack.callback(loop.remove_signal_handler, number)
    return stop


def _ear(
    arguments: argparse.Namespace, plan: ReadPlan, box: Box, stack: AsyncExitStack, say: Callable[[str], None]
) -> Ear:
    if arguments.kind == "pager":
        return _pager_ear(arguments, plan, box)
    from agent.listening.radio import LiveReceiver, Printed, RadioEar, Samples, Source, kinds_of  # noqa: PLC0415
    from agent.listening.recorded import LineRecorder  # noqa: PLC0415
    from drivers.ert.receiver import Rtl433  # noqa: PLC0415
    from drivers.ert.supervision import Patience  # noqa: PLC0415

    rate = arguments.sample_rate or (FILE_RATE if arguments.iq else LIVE_RATE)
    tuning = Tuning(arguments.device, arguments.frequency or FREQUENCY, rate, arguments.gain)
    patience = Patience(most_at_start=MOST_AT_START)
    receiver = Rtl433(tuning, kinds_of(plan.messages), patience=patience, report=say)
    source: Source = LiveReceiver(receiver)
    if arguments.iq is not None:
        source = Samples(receiver, arguments.iq)
    elif arguments.replay is not None:
        source = Printed(arguments.replay)
    recorder = None
    if arguments.record is not None:
        recorder = LineRecorder(arguments.record, source.name, box.clock)
        stack.callback(recorder.close)
    return RadioEar(source, box.clock, told=recorder)


def _pager_ear(arguments: argparse.Namespace, plan: ReadPlan, box: Box) -> Ear:
    from agent.listening.pager import PagerEar  # noqa: PLC0415 - with its programs, only where pages are heard
    from drivers.pager.multimon_programs import AudioFile, Receiver  # noqa: PLC0415

    if arguments.audio is not None:
        source: AudioFile | Receiver = AudioFile(arguments.audio)
    elif arguments.frequency is not None:
        source = Receiver(arguments.frequency, arguments.device, arguments.gain or None)
    else:
        raise UsageError(
            "which paging channel to listen to is not said", advice="--frequency 929.6125, or --audio FILE"
        )
    zone = box.clock_settings.zone
    return PagerEar(plan, box.clock, source, profile_dirs=box.profile_dirs, zone=ZoneInfo(zone) if zone else None)


@asynccontextmanager
async def _into_spool(config: Config, box: Box) -> AsyncIterator[Callable[[Order, Outcome], Awaitable[Reading]]]:
    from agent.follow_up import FollowUp  # noqa: PLC0415 - 150 ms of cryptography, only where it is used
    from agent.keeping import open_spool  # noqa: PLC0415
    from agent.listening.into_spool import IntoSpool  # noqa: PLC0415

    records = box.records or records_of(config)
    async with open_spool(config) as (spool, _keys):
        follower = FollowUp(records, spool, config.settings.anomalies, zone=config.settings.clock.zone)
        yield IntoSpool(spool, follower, untimed_of(config), recordings_of(config), for_sure=False).keep


def _box(arguments: argparse.Namespace, config: Config | None) -> Box:
    try:
        asked = ClockSettings.asking(arguments.ntp)
    except ValueError as error:
        raise UsageError(f"--ntp: {error}") from error
    if config is None:
        return Box(agent_id=socket.gethostname(), clock=SystemClock(), clock_settings=asked)
    box = configured_box(config, SystemClock(), records=records_of(config))
    return replace(box, clock_settings=asked, keeper=None) if arguments.ntp else box


def _hold(arguments: argparse.Namespace) -> timedelta | None:
    if arguments.hold is not None:
        return timedelta(seconds=arguments.hold)
    if arguments.iq or arguments.replay or arguments.audio:
        return None
    return timedelta(seconds=HOLD_S if arguments.seconds is None else LONGEST_HOLD_S)


def _check(arguments: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    wrong = {"radio": ("audio",), "pager": ("iq", "replay", "sample_rate", "record")}[arguments.kind]
    for option in wrong:
        if getattr(arguments, option) is not None:
            raise UsageError(f"--{option.replace('_', '-')} is not for {arguments.kind}")
    rate = arguments.sample_rate
    if rate is not None and not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UsageError(f"--sample-rate {rate}: from {LOWEST_RATE} to {HIGHEST_RATE}; slower ones decode nothing")
    if arguments.gpsd:
        try:
            parse_gpsd(arguments.gpsd)
        except ValueError as error:
            raise UsageError(f"--gpsd: {error}") from error


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (seconds := float(text)) <= 366 * 86_400:
            return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")


def _megahertz(text: str) -> int:
    """Read MHz as Hz."""
    with suppress(InvalidOperation, ValueError):
        hertz = Decimal(text) * 1_000_000
        if 1_000_000 <= hertz <= 6_000_000_000 and hertz == int(hertz):
            return int(hertz)
    raise argparse.ArgumentTypeError(f"{text!r} is no frequency in MHz, such as 912.6")
