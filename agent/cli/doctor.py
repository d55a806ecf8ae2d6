"""Look for the commonest faults of this box, and say what to do about each.

Nothing is changed, no meter is talked to, no port is opened, no password is sent. Run it as the user of the service.
exit status: 0 all is well; 1 there are warnings; 2 there are faults.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import msgspec

from agent.cli.config import describe
from agent.cli.config_file import DEFAULT_CONFIG, add_config
from agent.config import Config, load_config
from agent.console.extra import LIBRARIES
from agent.credentials import located
from agent.doctor.examine import CHECKS, examine
from agent.doctor.finding import Finding, Level, Remark, exit_status, fault, ok, skipped, warning
from agent.doctor.patient import Patient
from agent.errors import LocalTrouble, UsageError

VERDICTS = ("All is well.", "There are warnings.", "There are faults.")
_WIDTH = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(arguments: argparse.Namespace) -> int:
    findings: list[Finding] = []
    for finding in _findings(arguments.config):
        findings.append(finding)
        if not arguments.json:
            sys.stdout.write(_line(finding))
            sys.stdout.flush()
    status = exit_status(findings)
    if arguments.json:
        worst: Level = ("ok", "warning", "fault")[status]
        said = {"verdict": worst, "findings": msgspec.to_builtins(findings)}
        sys.stdout.write(json.dumps(said, ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write(f"{VERDICTS[status]}\n")
    return status


def _findings(file: Path) -> Iterator[Finding]:
    """Yield what is found; without a configuration there is nothing else to look at."""
    try:
        config = load_config(file)
    except (UsageError, LocalTrouble) as error:
        yield Finding("configuration", "fault", error.message, error.advice or _readable(file))
        return
    patient = Patient(config, datetime.now(UTC))
    checks = {"configuration": lambda one: _configuration(one.config, file), **CHECKS, "console": _console}
    yield from examine(patient, checks)


def _readable(file: Path) -> str:
    """Say what to do about a file that is not there, not ours to read, or has a mistake."""
    if not os.access(file.parent, os.X_OK):
        return "run it as the user of the service: `runuser -u mrsp -- mrsp doctor`"
    if not file.exists():
        return f"`install -m 640 -g mrsp {DEFAULT_CONFIG}.example {file}`, and write what is true of this box"
    if not os.access(file, os.R_OK):
        return f"`chgrp mrsp {file}; chmod 640 {file}`, and run it as the user of the service"
    return f"mend that; `mrsp config check {file}` says what it then means"


def _configuration(config: Config, file: Path) -> Iterable[Remark]:
    """Does everything that the file names fit together?"""
    describe(config)
    yield ok(f"{file} is valid")


def _console(patient: Patient) -> Iterable[Remark]:
    """Can the console be served, and will browsers take its certificate?"""
    console = patient.config.settings.console
    if console is None:
        yield skipped("there is no [console] section")
        return
    if missing := [name for name in sorted(LIBRARIES - {"multipart"}) if find_spec(name) is None]:
        yield fault(f"the console needs {', '.join(missing)}", "pip install 'mrsp-agent[console]'")
        return
    from agent.console.accounts import ACCOUNTS_FILE, Accounts  # noqa: PLC0415 - needs the extra
    from agent.console.server import names_of, resolved  # noqa: PLC0415
    from agent.console.tls import RenewedContext, complaints  # noqa: PLC0415

    settings = resolved(patient.config, console)
    if settings.tls and settings.certificate and settings.key:
        certificate = Path(settings.certificate)
        RenewedContext(certificate, located(Path(settings.key)))
        for complaint in complaints(certificate, names_of(settings)):
            yield warning(complaint, "have it issued with these names, or give `[console] certificate` and `key`")
    accounts = Path(settings.accounts) if settings.accounts else patient.config.state_directory / ACCOUNTS_FILE
    if not patient.is_guest and not Accounts(accounts).all():
        yield warning("nobody can log in to the console", "`mrsp console user add NAME`")
    yield ok(f"{'https' if settings.tls else 'http'}://{settings.listen} can be served")


def _line(finding: Finding) -> str:
    advice = f"{'':{_WIDTH + 9}}→ {finding.advice}\n" if finding.advice else ""
    return f"{finding.level:8} {finding.check:{_WIDTH}} {finding.said}\n{advice}"
