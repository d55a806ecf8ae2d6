"""`metersim pages`: pages of meters as audio, for multimon-ng or `mrsp listen pager --audio FILE`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from drivers.errors import UsageError
from drivers.pager.formats import load_format
from metersim.pages.audio import Channel, samples
from metersim.pages.transmission import Coding, Page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--output", metavar="FILE", type=Path, help="s16le, 22050 Hz; default: standard output")
    what = parser.add_argument_group("pages, in this order; each is a transmission of its own, sent --times")
    what.add_argument(
        "--page", metavar="ADDRESS[/FUNCTION]:TEXT", action="append", default=[], help="a text; function 3 by default"
    )
    what.add_argument("--numeric", metavar="ADDRESS[/FUNCTION]:DIGITS", action="append", default=[], help="digits")
    what.add_argument("--tone", metavar="ADDRESS[/FUNCTION]", action="append", default=[], help="no message at all")
    what.add_argument(
        "--reading",
        metavar="ADDRESS[/FUNCTION]:FORMAT:FIELD=VALUE,…",
        action="append",
        default=[],
        help="a meter's message, its check value computed",
    )
    what.add_argument("--times", metavar="N", type=int, default=1, help="send all of it so often (default: 1)")
    air = parser.add_argument_group("how it comes in")
    air.add_argument("--rate", type=int, choices=(512, 1200, 2400), default=1200, help="bits a second")
    air.add_argument("--snr", metavar="DB", type=float, help="signal to noise of the audio; default: no noise")
    air.add_argument("--level", metavar="SHARE", type=float, default=0.5, help="of full scale (default: 0.5)")
    air.add_argument("--bit-errors", metavar="N", type=int, default=0, help="wrong bits in every codeword")
    air.add_argument(
        "--clock-error", metavar="SHARE", type=float, default=0.0, help="bits are longer by this, e.g. 0.005"
    )
    air.add_argument("--invert", action="store_true", help="polarity turned over")
    air.add_argument("--gap", metavar="S", type=float, default=0.5, help="seconds between transmissions (default: 0.5)")
    air.add_argument("--seed", metavar="N", type=int, default=0, help="of noise and errors")


async def serve(args: argparse.Namespace) -> None:
    """Write the audio. Raises `UsageError` for a page that cannot be sent."""
    pages = [
        *(_page("--page", text, "alpha") for text in args.page),
        *(_page("--numeric", text, "numeric") for text in args.numeric),
        *(_page("--tone", text, "tone") for text in args.tone),
        *(_reading(text) for text in args.reading),
    ]
    if not pages:
        raise UsageError("nothing to send", advice="--page 1234567/3:HELLO")
    channel = _channel(args)
    try:
        chunks = list(samples([[page] for page in pages * max(1, args.times)], channel))
    except ValueError as error:
        raise UsageError(str(error)) from error
    if args.output is not None:
        args.output.write_bytes(b"".join(chunks))
        return
    for chunk in chunks:
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def _channel(args: argparse.Namespace) -> Channel:
    if not 0 < args.level <= 1:
        raise UsageError(f"--level {args.level} is no share of full scale", advice="above 0, at most 1")
    if not 0 <= args.bit_errors <= 32:
        raise UsageError(f"--bit-errors {args.bit_errors}: a codeword has 32 bits")
    if not -0.5 <= args.clock_error <= 0.5:
        raise UsageError(f"--clock-error {args.clock_error} is a share, at most 0.5")
    if not 0 <= args.gap <= 3600:
        raise UsageError(f"--gap {args.gap} is not from 0 to 3600 seconds")
    return Channel(
        rate=args.rate,
        level=args.level,
        snr_db=args.snr,
        bit_errors=args.bit_errors,
        clock_error=args.clock_error,
        inverted=args.invert,
        gap_s=args.gap,
        seed=args.seed,
    )


def _page(option: str, text: str, coding: Coding) -> Page:
    where, _, said = text.partition(":")
    address, _, function = where.partition("/")
    usual = 0 if coding == "numeric" else 3
    if not address.isdecimal() or not (function or "0").isdecimal():
        raise UsageError(f"{option} {text}: {where!r} is no address", advice="such as 1234567 or 1234567/3")
    return Page(int(address), int(function) if function else usual, said, coding)


def _reading(text: str) -> Page:
    where, _, rest = text.partition(":")
    name, _, said = rest.partition(":")
    made = load_format(name)
    values = dict(pair.split("=", 1) for pair in said.split(",") if "=" in pair)
    try:
        message = made.compose(values)
    except ValueError as error:
        raise UsageError(f"--reading {text}: {error}") from error
    coding = made.on_air.coding
    function = "" if "/" in where or made.on_air.function is None else f"/{made.on_air.function}"
    return _page("--reading", f"{where}{function}:{message}", coding)
