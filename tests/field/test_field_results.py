"""What a check that passed has measured, in words for a person."""

from __future__ import annotations

import pytest

from agent.field.results import _measured
from agent.reading import CheckResult


@pytest.mark.parametrize(
    ("measured", "limit", "unit", "said"),
    [
        ("0.000915811", "60", "s", "0.001 s, limit 60"),
        ("-12.34567", "180", "s", "-12.346 s, limit 180"),
        ("0", "3", "pulses", "0 pulses, limit 3"),
        ("12.5", None, "%", "12.5 %"),
        ("00123456", "00123456", None, "00123456"),
        ("A.12345", "A.12345", None, "A.12345"),
        (None, None, None, ""),
    ],
)
def test_figures_are_short_and_an_identification_is_said_once(
    measured: str | None, limit: str | None, unit: str | None, said: str
) -> None:
    result = CheckResult("any", "pass", "ubp-2000", "A4", measured, limit, unit)
    assert _measured(result, typed=False) == said
