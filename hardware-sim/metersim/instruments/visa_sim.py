"""Definitions for pyvisa-sim, made of the same profiles: the dialogue alone, without a world behind it.

They are YAML in the form of JSON. What can be set can be set within its range and is refused beyond it, an output that
is a number can be switched and asked for, every other question has the answer of a bench at rest.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterator, Mapping
from typing import Any

from drivers.instruments.schema import InstrumentProfile, Question, Range, Source, State
from metersim.instruments.device import identity_of

_SIGNED = {"phase_deg": ("-90", "90"), "power_factor": ("0", "1")}


def definitions(instruments: Mapping[str, InstrumentProfile], seed: int = 1) -> str:
    """Return a file for `FILE@sim` with an instrument of a profile at each VISA resource name. Raises `UsageError`."""
    names = {resource: f"{number} {profile.name}" for number, (resource, profile) in enumerate(instruments.items())}
    tree = {
        "spec": "1.1",
        "devices": {names[resource]: _device(profile, seed) for resource, profile in instruments.items()},
        "resources": {resource: {"device": name} for resource, name in names.items()},
    }
    return json.dumps(tree, indent=2)


def _device(profile: InstrumentProfile, seed: int) -> dict[str, Any]:
    ends = {"q": profile.line.send, "r": profile.line.receive}
    dialogues: dict[str, str | None] = {profile.identity.ask: identity_of(profile, seed)}
    if profile.errors.clear is not None:
        dialogues[profile.errors.clear] = None
    if profile.line.finish is not None:
        dialogues[profile.line.finish] = "1"
    properties: dict[str, Any] = {}
    for section in (profile.source, profile.standard, profile.counter):
        if section is not None:
            dialogues |= _plain(section)
    if profile.source is not None:
        properties = dict(_settings(profile.source))
        output = _output(profile.source)
        if output is not None:
            properties["output"] = output
            for command in (profile.source.on, profile.source.off, profile.source.state.ask):
                dialogues.pop(command, None)
    return {
        "eom": dict.fromkeys(("TCPIP SOCKET", "TCPIP INSTR", "ASRL INSTR", "GPIB INSTR", "USB INSTR"), ends),
        "error": {
            "error_queue": [
                {
                    "q": profile.errors.ask,
                    "default": '+0,"No error"',
                    "command_error": '-113,"Undefined header"',
                }
            ]
        },
        "dialogues": [{"q": ask} if answer is None else {"q": ask, "r": answer} for ask, answer in dialogues.items()],
        "properties": properties,
    }


def _plain(section: object) -> Iterator[tuple[str, str | None]]:
    """Yield the commands of a table that take no number, each with its answer."""
    for name in section.__struct_fields__:  # type: ignore[attr-defined]
        said = getattr(section, name)
        match said:
            case Question():
                yield said.ask, f"0E+0{said.suffix}"
            case State():
                yield said.ask, said.no[0]
            case str() if name in ("on", "off", "reset", "start", "stop", "disarm"):
                yield said, None
            case tuple() if name in ("prepare", "arm"):
                yield from ((command, None) for command in said if "{" not in command)
            case _:
                pass


def _settings(source: Source) -> Iterator[tuple[str, Any]]:
    """Yield what can be set by a command of its own."""
    ranges: dict[str, Range] = {"volts": source.volts, "amps": source.amps, "frequency_hz": source.frequency_hz}
    for command in source.settings:
        names = [name for _, name, _, _ in string.Formatter().parse(command) if name is not None]
        if len(names) != 1:
            continue
        least, most = _SIGNED.get(names[0]) or (ranges[names[0]].min, ranges[names[0]].max)
        yield (
            names[0],
            {
                "default": least if names[0] in ranges else "0",
                "setter": {"q": command.replace(f"{{{names[0]}}}", "{}")},
                "specs": {"min": least, "max": most, "type": "float"},
            },
        )


def _output(source: Source) -> dict[str, Any] | None:
    """Return the output as a property, where on and off differ in a number at the end: `OUTP 1`, `OUTP 0`."""
    if source.on[-2:] != " 1" or source.off != f"{source.on[:-1]}0":
        return None
    return {
        "default": "0",
        "getter": {"q": source.state.ask, "r": "{:d}"},
        "setter": {"q": f"{source.on[:-1]}{{:d}}"},
        "specs": {"valid": ["0", "1"], "type": "int"},
    }
