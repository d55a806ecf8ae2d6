"""Make the recordings anew: `python -m tests.recordings.make [NAME …]`, after a change of what the client says.

Each is a visit by the real driver to a simulated meter in virtual time: seed, meter time and speed are fixed, so the
same program makes the same octets. Each reading is first compared with the truth of the meter's model, and nothing is
written of one that says what is not so.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.recordings.against_truth import differences, untruths
from tests.recordings.cases import CASES, DATA, Case
from tests.recordings.visiting import live, packed

WIDTH = 4000  # of one line of JSON: a register, a block


def make(case: Case, recording: Path) -> str:
    """Record one case; return its outcome as text. Raises `AssertionError` if it is not what it has to be."""
    outcome, truth = live(case, recording)
    match case.true:
        case "all":
            wrong = differences(outcome, truth)
        case "":
            wrong = []
        case some:
            wrong = untruths(outcome, truth, registers=some != "intervals")
    assert not wrong, f"{case.name}: {wrong[:3]}"
    return as_text(outcome)


def as_text(outcome: dict[str, object]) -> str:
    """Return an outcome as JSON, one line for each register, block and event."""
    lines = []
    for key, value in outcome.items():
        if isinstance(value, list) and value and isinstance(value[0], dict | list):
            inner = ",\n  ".join(json.dumps(one, ensure_ascii=False) for one in value)
            lines.append(f"{json.dumps(key)}: [\n  {inner}\n ]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    return "{\n " + ",\n ".join(lines) + "\n}\n"


def main(names: list[str]) -> int:
    """Make those named, or all; forget those that are no cases any more."""
    DATA.mkdir(exist_ok=True)
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        for name in names or CASES:
            recording = Path(directory) / f"{name}.rec"
            try:
                text = make(CASES[name], recording)
            except AssertionError as error:
                sys.stderr.write(f"{error}\n")
                failed += 1
                continue
            (DATA / f"{name}.json").write_text(text)
            (DATA / f"{name}.rec.gz").write_bytes(packed(recording.read_bytes()))
    if not names:
        for path in DATA.iterdir():
            if path.name.split(".")[0] not in CASES:
                path.unlink()
    octets = sum(path.stat().st_size for path in DATA.iterdir())
    sys.stderr.write(f"{len(names or CASES) - failed} made, {failed} failed; {octets} octets in all\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
