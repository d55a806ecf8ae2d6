"""What is to be read, by what it is understood and judged: does all of it load, and does it make sense together?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from agent.checks import load_rule_set
from agent.config import Settings
from agent.doctor.finding import Remark, fault, ok, warning
from agent.doctor.patient import Patient
from agent.routes.codes import code_set_names, load_codes
from drivers.errors import UsageError
from drivers.modbus.library import load_maps
from drivers.pager.formats import load_formats
from drivers.profiles import load_profiles
from drivers.registry import driver_for, scheme_of

MOST_NAMED = 3


def families(patient: Patient) -> Iterator[Remark]:
    """Load every profile, register map, page format, rule set and code set, as they will be when one is needed."""
    config, settings = patient.config, patient.config.settings
    profile_dirs = tuple(map(config.path, settings.agent.profile_directories))
    rule_dirs = tuple(map(config.path, settings.agent.rule_set_directories))
    code_dirs = tuple(map(config.path, settings.agent.code_set_directories))
    counts = []
    for libraries in (load_profiles, load_maps, load_formats):
        library = libraries(profile_dirs)
        counts.append(len(library.names))
        for name in library.names:
            try:
                library.find(name)
            except UsageError as error:
                yield fault(error.message, error.advice)
    for rule_set in sorted({meter.rule_set for meter in settings.meters}):
        try:
            load_rule_set(rule_set, rule_dirs)
        except UsageError as error:
            yield fault(error.message, error.advice)
    for name in code_set_names(code_dirs):
        load_codes(name, code_dirs)
    profiles, maps, formats = counts
    yield ok(f"{profiles} profiles, {maps} register maps and {formats} page formats are here")


def meters(patient: Patient) -> Iterator[Remark]:
    """Is anything read at all, and is each meter told from the others?"""
    settings = patient.config.settings
    listens = settings.radio is not None or settings.pager is not None
    if not settings.meters:
        if listens or settings.console is not None:
            yield ok("no [[meters]]: what is heard, or read by persons, is all")
        else:
            yield warning("no [[meters]], no [radio], no [pager], no [console]: nothing will be read", "add a meter")
        return
    troubles = list(_of_meters(settings))
    yield from troubles
    if not any(remark.level == "fault" for remark in troubles):
        standings = settings.standings()
        yield ok(
            f"{len(standings)} meters are read over {len({line for one in standings for line in one.way.lines})} lines"
        )


def _of_meters(settings: Settings) -> Iterator[Remark]:
    for meter in settings.meters:
        try:
            driver_for(meter.url)
        except UsageError as error:
            yield fault(f"{meter.name}: {error.message}", error.advice)
    twice = [url for url, count in Counter(meter.url for meter in settings.meters).items() if count > 1]
    if twice:
        shared = [meter.name for meter in settings.meters if meter.url in twice]
        yield warning(
            f"{_named(shared)} have the same address", "give each its own, with `?identity=` on a shared line"
        )
    nameless = [
        meter.name for meter in settings.meters if not meter.expected_meter_id and scheme_of(meter.url) != "visual"
    ]
    if nameless:
        yield warning(
            f"{_named(nameless)} have no `expected_meter_id`: a changed meter would not be noticed",
            "write the meter's number there, as `mrsp read` shows it",
        )
    used = {meter.route for meter in settings.meters}
    if empty := [route.name for route in settings.routes if route.name not in used]:
        yield warning(f"no meter is on the route {_named(empty)}", "name it by `route` in [[meters]], or take it out")


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"
