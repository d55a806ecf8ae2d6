"""`metersim radio`: ERT meters on the air, as I/Q samples (cu8) that a real rtl_433 decodes."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from drivers.errors import UsageError
from metersim.radio.rtl_tcp import RtlTcp, TcpFaults
from metersim.radio.samples import Air, Ether
from metersim.radio.scene import Faults, Meter, Scene, compose, load_meters


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `metersim radio`."""
    parser.add_argument(
        "--meters", type=Path, metavar="FILE", help="CSV: meter_id,message[,count]; a read plan will do"
    )
    parser.add_argument("--seconds", type=float, default=10.0, metavar="N", help="of air (default: 10)")
    parser.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="between a meter's messages")
    parser.add_argument("--rise", type=int, default=0, metavar="N", help="counts from one message to the next")
    parser.add_argument("--rate", type=int, default=1_024_000, choices=(1_024_000, 2_359_296), help="samples a second")
    parser.add_argument("--snr", type=float, default=20.0, metavar="DB", help="carrier over noise (default: 20)")
    parser.add_argument("--amplitude", type=float, default=0.6, metavar="SHARE", help="of full scale (default: 0.6)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same samples")
    faults = parser.add_argument_group("what goes wrong on the air")
    faults.add_argument("--foreign", type=int, default=0, metavar="N", help="messages of other meters")
    faults.add_argument("--bad-checks", type=int, default=0, metavar="N", help="frames with a wrong check word")
    faults.add_argument("--collisions", type=int, default=0, metavar="N", help="pairs of frames at the same time")
    faults.add_argument("--clone", type=int, action="append", default=[], metavar="ID", help="two senders use this id")
    faults.add_argument(
        "--wrap", type=int, action="append", default=[], metavar="ID", help="this register wraps around"
    )
    where = parser.add_argument_group("where to")
    where.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: standard output")
    where.add_argument("--truth", type=Path, metavar="FILE", help="one JSON line for each good frame that is sent")
    where.add_argument("--rtl-tcp", type=int, metavar="PORT", help="serve as a dongle at line rate; 0: any port")
    where.add_argument("--stall-after", type=float, metavar="SECONDS", help="no samples any more")
    where.add_argument("--close-after", type=float, metavar="SECONDS", help="hang up")
    where.add_argument("--bad-header", action="store_true", help="greet like something else")


async def serve(args: argparse.Namespace) -> None:
    """Write the samples, or serve them until stopped, the address as the first line of standard output."""
    if not (0 < args.seconds <= 86_400 and args.every > 0 and 0 < args.amplitude <= 1 and -20 <= args.snr <= 60):
        raise UsageError("--seconds and --every must be above 0, --amplitude up to 1, --snr from -20 to 60 dB")
    ether = Ether(Air(args.rate, args.snr, args.amplitude, args.seed))
    scene = compose(ether, _meters(args), args.seconds, args.every, faults_of(args))
    if args.truth is not None:
        await asyncio.to_thread(args.truth.write_text, "".join(truth_lines(scene)))
    if args.rtl_tcp is None:
        await asyncio.to_thread(_write, ether.stream(scene.sent, scene.length), args.output)
        return
    faults = TcpFaults(args.bad_header, args.stall_after, args.close_after)
    server = RtlTcp(args.rate, lambda: ether.stream(scene.sent, scene.length), faults)
    port = await server.start(port=args.rtl_tcp)
    sys.stdout.write(f"rtl_tcp:127.0.0.1:{port}\n")
    sys.stdout.flush()
    await server.serve()


def faults_of(args: argparse.Namespace) -> Faults:
    """Read what goes wrong out of parsed options."""
    return Faults(args.foreign, args.bad_checks, args.collisions, tuple(args.clone), tuple(args.wrap))


def truth_lines(scene: Scene) -> Iterable[str]:
    """Give what a perfect receiver hears, one JSON line a frame."""
    for frame in scene.truth:
        yield json.dumps({"message": frame.kind, "meter_id": frame.meter_id, "count": frame.count}) + "\n"


def _meters(args: argparse.Namespace) -> list[Meter]:
    if args.meters is None:
        return [Meter("scm", 54585868, 562456, args.rise, 12), Meter("idm", 11278109, 339972, args.rise)]
    return load_meters(args.meters, args.seed, args.rise)


def _write(blocks: Iterable[bytes], path: Path | None) -> None:
    if path is None:
        for block in blocks:
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
        return
    with path.open("wb") as file:
        for block in blocks:
            file.write(block)
