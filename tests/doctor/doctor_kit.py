"""A box for the doctor to examine: its directory, and a root with what the kernel would tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.config import load_config
from agent.doctor.examine import CHECKS, examine
from agent.doctor.finding import Finding
from agent.doctor.patient import Patient

HEAD = """\
[agent]
agent_id = "gw-7"
state_directory = "state"
[clock]
sources = ["ntp"]
ntp = ["127.0.0.1:9"]
ntp_timeout_s = 0.1
ntp_samples = 1
"""


@dataclass
class Case:
    """One box. `text` is its configuration after the head."""

    directory: Path
    text: str = ""

    @property
    def state(self) -> Path:
        return self.directory / "state"

    def kernel(self, path: str, content: str = "") -> None:
        """Write a file of the kernel's."""
        file = self.directory / "root" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def found(self, check: str) -> list[Finding]:
        """Return what one check finds."""
        (self.directory / "mrsp.toml").write_text(HEAD + self.text)
        config = load_config(self.directory / "mrsp.toml")
        patient = Patient(config, datetime.now(UTC), self.directory / "root")
        return list(examine(patient, {check: CHECKS[check]}))

    def worst(self, check: str) -> Finding:
        """Return the gravest finding of one check."""
        order = ("skipped", "ok", "warning", "fault")
        return max(self.found(check), key=lambda finding: order.index(finding.level))
