"""`metersim truth`: print what a correct reader must find in a simulated meter."""

from __future__ import annotations

import argparse
import sys

import msgspec

from metersim.meter.command import add_model_arguments, start_of
from metersim.meter.faults import faults_of
from metersim.meter.model import Meter, microseconds
from metersim.meter.scenario_file import load_scenario
from metersim.meter.truth import truth_of

DESCRIPTION = "Print as JSON what a correct reader must find: computed from the model, not from tables."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `metersim truth`."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  metersim truth --scenario profile-35d --seed 7 --now 2026-11-21T12:00:00Z"
    add_model_arguments(parser)


async def serve(args: argparse.Namespace) -> None:
    """Print it. Raises `UsageError`."""
    scenario = load_scenario(args.scenario)
    start_us = microseconds(start_of(scenario, args.now))
    meter = Meter(scenario, args.seed, start_us, faults_of(scenario, args.fault).mishaps)
    truth = msgspec.json.format(msgspec.json.encode(truth_of(meter, start_us)), indent=1)
    sys.stdout.write(truth.decode() + "\n")
