"""Show where a value of a reading comes from, step by step, made again from the recording of the visit.

FILE is a reading as `mrsp read --format json` prints it (- for standard input), ID the id of one in the spool or among
the recordings of --config. PATH is registers[3].value, interval_blocks[0].values[17], clock.meter_time, meter.meter_id,
events[4] …, or words that one register fits, such as: kWh delivered total. Without PATH every value of the document is
made again, and it says how many agree.

The recording is found by its SHA-256, which is verified first: among those of --config, or the file of --recording.

exit status: 0 what was made again is what the document says; 1 it differs, or the recording was changed; 2 wrong
arguments; 3 the recording cannot be read; 6 trouble on this box, such as a recording that is no longer kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from agent.box import recordings_of
from agent.cli.explain_show import as_json, recheck_json, show_explained, show_recheck, show_steps, steps_json
from agent.config import Config, load_config
from agent.errors import LocalTrouble, UsageError
from agent.explain_text import METHODS, explain_texts
from agent.explained import Explained, explain
from agent.reading import Reading
from agent.recheck import recheck
from agent.recordings import read_recording
from agent.rederive import Evidence, Rederived, decode_reading, rederive, verified, zone_named
from agent.side_by_side import Difference
from agent.spool import Spool
from drivers.profiles import load_profiles

LARGEST = 64 * 1024 * 1024  # octets of a document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reading", metavar="FILE|ID", help="a reading document, or the id of a reading")
    parser.add_argument("path", metavar="PATH", nargs="*", help="the value; all of them, if left out")
    parser.add_argument("--recording", metavar="FILE", type=Path, help="the recording of the visit, compressed or not")
    parser.add_argument("--config", metavar="FILE", type=Path, help="of the agent that read the meter")
    parser.add_argument("--profile", metavar="NAME", help="derive with this profile, not with the document's")
    parser.add_argument("--profile-dir", metavar="DIR", type=Path, action="append", default=[], help="more profiles")
    parser.add_argument("--site-zone", metavar="ZONE", help="time zone of the site, not the document's")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config) if arguments.config else None
    reading = _reading(arguments.reading, config)
    evidence = _evidence(arguments, reading, config)
    directories = tuple(arguments.profile_dir)
    if config is not None:
        directories = (*map(config.path, config.settings.agent.profile_directories), *directories)
    if reading is not None and reading.method in {"modbus", *METHODS}:
        return _print_registers(reading, evidence, directories, arguments)
    made = rederive(reading, evidence, load_profiles(directories), profile=arguments.profile, zone=arguments.site_zone)
    return _print_one(made, arguments) if arguments.path else _print_all(made, arguments)


def _print_registers(
    reading: Reading, evidence: Evidence, directories: tuple[Path, ...], arguments: argparse.Namespace
) -> int:
    """Explain the registers of a meter without C12.19 tables."""
    others: list[Difference] = []
    if reading.method == "modbus":
        from agent.explain_modbus import retaken  # noqa: PLC0415 - only for such readings
        from drivers.modbus.library import load_maps  # noqa: PLC0415

        named = arguments.site_zone or (reading.site.zone if reading.site is not None else None)
        one = load_maps(directories).find(arguments.profile or reading.meter.profile or "")
        made = retaken(reading, evidence, one, zone_named(named))
        explained, others = made.all(), made.meter.differences()
    else:
        explained = explain_texts(reading, evidence.session())
    if selection := " ".join(arguments.path):
        explained, others = [_selected(explained, selection)], []
    odd = [*others, *(odd for each in explained for odd in each.differences)]
    if arguments.json:
        _write_json([steps_json(each) for each in explained])
    elif arguments.path:
        sys.stdout.write("\n".join(map(show_steps, explained)))
    else:
        lines = [f"MISMATCH {one.path}: the document says {one.document}, the bytes say {one.derived}" for one in odd]
        agree = sum(each.agrees for each in explained)
        sys.stdout.write("\n".join([*lines, f"registers: {agree} of {len(explained)} re-derived and equal"]) + "\n")
    return 1 if odd else 0


def _selected(explained: list[Explained], selection: str) -> Explained:
    for one in explained:
        if selection in {one.path, one.path.removesuffix(".value")}:
            return one
    raise UsageError(
        f"{selection!r} names no register of this reading", advice=f"registers[0] to registers[{len(explained) - 1}]"
    )


def _print_one(made: Rederived, arguments: argparse.Namespace) -> int:
    explained = explain(made, " ".join(arguments.path))
    if arguments.json:
        _write_json([as_json(made, one) for one in explained])
    else:
        sys.stdout.write("\n".join(show_explained(made, one) for one in explained))
    return 0 if all(one.agrees for one in explained) else 1


def _print_all(made: Rederived, arguments: argparse.Namespace) -> int:
    found = recheck(made)
    if arguments.json:
        _write_json(recheck_json(made, found))
    else:
        sys.stdout.write(show_recheck(made, found))
    return 1 if found.differences else 0


def _write_json(tree: object) -> None:
    sys.stdout.write(json.dumps(tree, indent=2, ensure_ascii=False) + "\n")


def _reading(name: str, config: Config | None) -> Reading | None:
    """Return the document that was named; None if only its recording is here."""
    path = Path(name)
    if name == "-":
        return decode_reading(sys.stdin.buffer.read(LARGEST), "standard input")
    if path.is_file():
        with path.open("rb") as file:
            return decode_reading(file.read(LARGEST), name)
    if config is None:
        raise UsageError(f"there is no file {name}", advice="an id needs --config, to say whose reading it is")
    content = asyncio.run(_from_spool(config, name))
    return decode_reading(content, f"reading {name}") if content is not None else None


async def _from_spool(config: Config, reading_id: str) -> bytes | None:
    """Return a document from the spool; None where it is delivered, encrypted or not known."""
    if not config.spool_file.exists():
        return None
    budget = config.settings.spool.budget_octets
    async with await Spool.open(config.spool_file, agent_id=config.agent_id, budget_octets=budget) as spool:
        try:
            return (await spool.show(reading_id)).document
        except LocalTrouble:
            return None


def _evidence(arguments: argparse.Namespace, reading: Reading | None, config: Config | None) -> Evidence:
    """Return the recording, its hash verified where the document names it."""
    if arguments.recording is not None:
        content, name = read_recording(arguments.recording), str(arguments.recording)
        return verified(content, reading, name) if reading is not None else Evidence(content, name)
    if config is None:
        named = (
            f"SHA-256 {reading.recording.sha256}" if reading is not None and reading.recording else "not named in it"
        )
        raise UsageError(
            f"the recording of this reading ({named}) is to be given",
            advice="name it by --recording, or the agent that keeps it by --config",
        )
    if reading is not None and reading.recording is None:
        raise UsageError("the document names no recording", advice="name the file of the visit by --recording")
    name = reading.recording.sha256 if reading is not None and reading.recording is not None else arguments.reading
    content = asyncio.run(recordings_of(config).open(name))
    where = f"{name} in {config.recording_directory}"
    return verified(content, reading, where) if reading is not None else Evidence(content, where)
