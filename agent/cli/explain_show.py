"""Explanations for people, as text of some 100 columns, and for programs, as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from agent.explained import Explained
from agent.recheck import Recheck
from agent.rederive import Rederived
from agent.utc_text import utc_text
from drivers.c1219.explain import Cited, Step, decimal_text
from drivers.decimal_text import plain
from drivers.psem.overheard import Carrier
from drivers.psem.retold import Retold
from drivers.psem.services import table_name

_HEAD, _AROUND = 8, 4  # octets of a packet that are shown at its start, and around the ones that matter
_MOST_OCTETS = 32
_MOST_DIFFERENCES = 20
_NS = 1_000_000_000
_INDENT = " " * 4


def show_explained(made: Rederived, explained: Explained) -> str:
    """Return one explanation as text, ending with what is to be concluded."""
    lines = [explained.path, *_heading(made), ""]
    for number, step in enumerate(explained.derivation.steps, 1):
        lines += _step(explained.shown_by or made.retold, number, step)
    lines += ["", *_conclusion(made, explained)]
    lines += [f"note: {remark}" for remark in made.remarks]
    return "\n".join(lines) + "\n"


def show_recheck(made: Rederived, found: Recheck) -> str:
    """Return how many values of the document were made again, and every difference."""
    lines = [f"reading {made.reading.reading_id or '(no document)'}", *_heading(made), ""]
    lines += [f"{tally.what:24} {tally.agree:7,} of {tally.values:7,} agree" for tally in found.tallies]
    for odd in found.differences[:_MOST_DIFFERENCES]:
        lines.append(f"MISMATCH {odd.path}: the document says {odd.document}, the bytes say {odd.derived}")
    if len(found.differences) > _MOST_DIFFERENCES:
        lines.append(f"and {len(found.differences) - _MOST_DIFFERENCES} more")
    verdict = "every value that comes from the meter was re-derived"
    if found.differences:
        verdict = f"MISMATCH: {len(found.differences)} values differ"
    lines += [f"{verdict}: {found.agree:,} of {found.values:,} agree", *(f"note: {text}" for text in made.remarks)]
    return "\n".join(lines) + "\n"


def as_json(made: Rederived, explained: Explained) -> dict[str, Any]:
    """Return one explanation as a tree."""
    return {
        "path": explained.path,
        **_heading_json(made),
        "document": explained.document if made.compared else None,
        "derived": explained.derived,
        "unit": explained.derivation.unit or None,
        "agrees": explained.agrees,
        "steps": [_step_json(made, explained.shown_by or made.retold, step) for step in explained.derivation.steps],
        "differences": _differences_json(explained.differences),
    }


def show_steps(explained: Explained) -> str:
    """Return an explanation whose steps name their octets themselves, as text."""
    lines = [explained.path]
    for number, step in enumerate(explained.derivation.steps, 1):
        lines.append(_step_line(number, step))
    unit = f" {explained.derivation.unit}" if explained.derivation.unit and explained.derived else ""
    if explained.agrees:
        lines += ["", f"re-derived {explained.derived}{unit} = document"]
    else:
        lines += ["", *_mismatches(explained)]
    return "\n".join(lines) + "\n"


def steps_json(explained: Explained) -> dict[str, Any]:
    """Return the same as a tree."""
    return {
        "path": explained.path,
        "document": explained.document,
        "derived": explained.derived,
        "unit": explained.derivation.unit or None,
        "agrees": explained.agrees,
        "steps": [_plain_step(step) for step in explained.derivation.steps],
        "differences": _differences_json(explained.differences),
    }


def recheck_json(made: Rederived, found: Recheck) -> dict[str, Any]:
    """Return the check of every value as a tree."""
    return {
        "reading_id": made.reading.reading_id,
        **_heading_json(made),
        "values": found.values,
        "agree": found.agree,
        "agrees": not found.differences,
        "parts": [{"what": tally.what, "values": tally.values, "agree": tally.agree} for tally in found.tallies],
        "differences": _differences_json(found.differences),
        "remarks": made.remarks,
    }


def _differences_json(differences: Any) -> list[dict[str, str]]:
    return [{"path": odd.path, "document": odd.document, "derived": odd.derived} for odd in differences]


def _heading_json(made: Rederived) -> dict[str, Any]:
    header = made.session.header
    recording = {
        "sha256": made.evidence.sha256,
        "octets": len(made.evidence.content),
        "name": made.evidence.name,
        "verified": made.compared and made.reading.recording is not None,
        "line": header.line,
        "started": utc_text(header.started),
    }
    return {"recording": recording, "profile": made.profile.name}


def _heading(made: Rederived) -> list[str]:
    header, overheard = made.session.header, made.retold.overheard
    proven = "as the document names it" if made.compared and made.reading.recording is not None else "not in a document"
    damage = ", ".join(
        f"{count} {what}"
        for count, what in (
            (overheard.damaged, "damaged packets"),
            (overheard.repeated, "repeated ones"),
            (overheard.echoes, "echoes"),
        )
        if count
    )
    return [
        f"recording {made.evidence.sha256} ({len(made.evidence.content):,} octets, {proven})",
        f"visit at {utc_text(header.started)} on {header.line}, profile {made.profile.name}",
        f"{len(overheard.exchanges)} requests, {len(overheard.reads)} of them brought table data"
        + (f"; left out: {damage}" if damage else ""),
    ]


def _conclusion(made: Rederived, explained: Explained) -> Iterator[str]:
    unit = f" {explained.derivation.unit}" if explained.derivation.unit and explained.derived else ""
    derived = f"re-derived {explained.derived}{unit}"
    if not made.compared:
        yield f"{derived}; there is no document to compare it with"
    elif explained.agrees:
        yield f"{derived} = document"
    else:
        yield from _mismatches(explained)


def _mismatches(explained: Explained) -> Iterator[str]:
    for odd in explained.differences:
        yield f"MISMATCH {odd.path}: the document says {odd.document}, the bytes say {odd.derived}"


def _step_line(number: int, step: Step) -> str:
    done = f"{step.sign} {decimal_text(step.number)}" if step.number is not None and step.sign != "=" else ""
    result = f"= {decimal_text(step.result)}" if step.result is not None else ""
    sums = "  ".join(text for text in (done, result) if text)
    return f"{number:2}  {step.what}: {step.why}" + (f"   {sums}" if sums else "")


def _step(retold: Retold, number: int, step: Step) -> Iterator[str]:
    yield _step_line(number, step)
    for cited in step.cited:
        yield f"{_INDENT}{table_name(cited.table)} octet {cited.offset}, {cited.name}: {_hex(cited.octets)}"
        for carrier in retold.carriers(cited.table, cited.offset, len(cited.octets)):
            yield f"{_INDENT}{_INDENT}{_when(carrier)}: {_packet(carrier)}"


def _when(carrier: Carrier) -> str:
    sighting = carrier.sighting
    lines = f"line {sighting.first_line}"
    if sighting.last_line != sighting.first_line:
        lines = f"lines {sighting.first_line}-{sighting.last_line}"
    return f"{lines}, {plain((Decimal(sighting.t_ns) / _NS).quantize(Decimal('0.001')))} s"


def _packet(carrier: Carrier) -> str:
    """Write a packet, the octets that matter in brackets, most of the others left out."""
    raw, start, end = carrier.sighting.raw, carrier.start, carrier.end
    shown = _hex(raw[start:end])
    before = (
        _hex(raw[:start]) if start <= _HEAD + _AROUND else f"{_hex(raw[:_HEAD])} … {_hex(raw[start - _AROUND : start])}"
    )
    rest = raw[end:]
    after = _hex(rest) if len(rest) <= _AROUND + 2 else f"{_hex(rest[:_AROUND])} … {_hex(rest[-2:])}"
    return f"{before} [{shown}] {after}"


def _hex(octets: bytes) -> str:
    if len(octets) <= _MOST_OCTETS:
        return octets.hex(" ").upper()
    return f"{octets[: _MOST_OCTETS - 4].hex(' ').upper()} … {octets[-4:].hex(' ').upper()}"


def _plain_step(step: Step) -> dict[str, Any]:
    tree: dict[str, Any] = {"what": step.what, "why": step.why}
    if step.number is not None:
        tree |= {"sign": step.sign, "number": decimal_text(step.number)}
    if step.result is not None:
        tree["result"] = decimal_text(step.result)
    return tree


def _step_json(made: Rederived, retold: Retold, step: Step) -> dict[str, Any]:
    tree = _plain_step(step)
    tree["cited"] = [_cited_json(made, retold, cited) for cited in step.cited]
    return tree


def _cited_json(made: Rederived, retold: Retold, cited: Cited) -> dict[str, Any]:
    return {
        "table": table_name(cited.table),
        "offset": cited.offset,
        "length": len(cited.octets),
        "octets": cited.octets.hex(),
        "field": cited.name,
        "wire": [
            {
                "line": carrier.sighting.first_line,
                "last_line": carrier.sighting.last_line,
                "at": utc_text(made.session.header.started + timedelta(microseconds=carrier.sighting.t_ns // 1000)),
                "packet": carrier.sighting.raw.hex(),
                "start": carrier.start,
                "end": carrier.end,
            }
            for carrier in retold.carriers(cited.table, cited.offset, len(cited.octets))
        ],
    }
