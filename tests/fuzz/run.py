"""The coverage-guided run: each target for so many seconds, from seeds and the corpus of earlier runs.

An input that breaks an invariant is kept in `tests/fuzz/found/TARGET`, where the tests read it from then on: fix, run
the tests, commit both.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.fuzz.registry import TARGETS
from tests.fuzz.target import Target

HERE = Path(__file__).parent
CORPUS = HERE.parents[1] / ".fuzz"  # what earlier runs found worth keeping; may be deleted at any time
FOUND = HERE / "found"
_FIGURE = re.compile(rb"#\d+\s+\w+\s+cov: (\d+) .*?corp: (\d+).*?exec/s: (\d+)")
_DONE = re.compile(rb"Done (\d+) runs")
_MEMORY_MB = 1024
_SLOWEST_S = 30  # for one input


def main(arguments: list[str] | None = None) -> int:
    """Run; the status is 1 if anything was found."""
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz", description="Coverage-guided fuzzing of everything that reads."
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: %(default)s)")
    options = parser.parse_args(arguments)
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target is called {', '.join(sorted(unknown))}")
    found = [name for name in options.targets or TARGETS if not fuzz(TARGETS[name], options.seconds)]
    if found:
        sys.stderr.write(f"found something: {', '.join(found)}; the inputs are in {FOUND}\n")
    return 1 if found else 0


def fuzz(target: Target, seconds: int) -> bool:
    """Fuzz one target; whether every input was good."""
    corpus, found = CORPUS / target.name, FOUND / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        name = hashlib.sha1(seed, usedforsecurity=False).hexdigest()
        (corpus / name).write_bytes(seed[: target.longest])
    command = [sys.executable, "-m", "tests.fuzz.one", target.name, str(corpus), f"-artifact_prefix={found}/"]
    command += [f"-max_total_time={seconds}", f"-max_len={target.longest}", f"-rss_limit_mb={_MEMORY_MB}"]
    command += [f"-timeout={_SLOWEST_S}", "-print_final_stats=1"]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    process = subprocess.run(command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, env=environment, check=False)
    good = process.returncode == 0
    if not any(found.iterdir()):
        found.rmdir()
    if not good:
        sys.stdout.buffer.write(process.stdout[-6000:])
    figures, done = _FIGURE.findall(process.stdout), _DONE.search(process.stdout)
    coverage, kept, _rate = figures[-1] if figures else (b"?", b"?", b"?")
    runs = done[1].decode() if done else "?"
    text = f"{target.name:14} {'good' if good else 'FOUND'}: {runs} inputs, "
    sys.stdout.write(f"{text}coverage {coverage.decode()}, corpus {kept.decode()}\n")
    sys.stdout.flush()
    return good


if __name__ == "__main__":
    sys.exit(main())
