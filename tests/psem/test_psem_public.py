"""The public names of the package, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import drivers.psem


def test_public_names() -> None:
    assert sorted(drivers.psem.__all__) == [
        "IdentifyReply",
        "MeterHandler",
        "MeterLimits",
        "MeterSession",
        "NegotiateReply",
        "PsemClient",
        "PsemOptions",
        "ResponseCode",
        "SessionStatistics",
        "State",
        "Timing",
    ]
    assert all(hasattr(drivers.psem, name) for name in drivers.psem.__all__)


def test_importing_does_not_load_what_only_a_line_needs() -> None:
    code = "import sys, drivers.psem; print([m for m in ('serialx', 'msgspec', 'cryptography') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
