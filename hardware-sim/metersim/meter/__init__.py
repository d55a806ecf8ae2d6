"""A simulated ANSI C12 meter: a model of pure functions, its tables, and the line that it answers on.

Scenarios are TOML files; `truth` tells what a correct reader must find, computed from the model alone.
"""

from metersim.meter.faults import Faults, parse_faults
from metersim.meter.model import Meter, ScenarioError
from metersim.meter.scenario import Scenario
from metersim.meter.scenario_file import load_scenario, parse_scenario, scenario_names
from metersim.meter.serving import RunningMeter, Serving, running_meter, serve_meter
from metersim.meter.truth import Truth, TruthBlock, TruthEvent, TruthRegister, truth_of

__all__ = [
    "Faults",
    "Meter",
    "RunningMeter",
    "Scenario",
    "ScenarioError",
    "Serving",
    "Truth",
    "TruthBlock",
    "TruthEvent",
    "TruthRegister",
    "load_scenario",
    "parse_faults",
    "parse_scenario",
    "running_meter",
    "scenario_names",
    "serve_meter",
    "truth_of",
]
