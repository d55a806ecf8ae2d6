"""The report of a meter test that is among the golden vectors: one that is out of its limits at heavy load."""

from __future__ import annotations

from typing import Any

_LIMITS = {"clause": "UBP Watt-hour Meter Adjustment Limits", "low": "98.9", "high": "101.1"}
_AVERAGE_LIMITS = {
    "clause": "UBP Determination of watt-hour Meter Performance 3.1; Meter Performance 1",
    "low": "97.9",
    "high": "102.1",
}


def _budget(standard: str, repeatability: str) -> list[dict[str, Any]]:
    return [
        {"name": "standard", "distribution": "normal", "u": standard},
        {"name": "resolution", "distribution": "triangular", "u": "0.00001"},
        {"name": "repeatability", "distribution": "student", "u": repeatability, "degrees": 2},
    ]


def _point(name: str, amps: str, percent: str, runs: list[tuple[str, str]], figure: dict[str, Any]) -> dict[str, Any]:
    judgement = "fail" if name == "heavy" else "pass"
    return {
        "name": name,
        "role": name,
        "volts": "240",
        "amps": amps,
        "power_factor": "1",
        "frequency": "60",
        "measured_volts": "240.012",
        "measured_amps": f"{amps}.001",
        "percent_of_rating": percent,
        "runs": [
            {"pulses": 20, "meter_wh": "144", "standard_wh": standard, "registration": registration}
            for standard, registration in runs
        ],
        "figure": figure,
        "judged": {"judgement": judgement, **_LIMITS},
    }


def _instrument(role: str, name: str, model: str, serial: str, certificate: str) -> dict[str, Any]:
    return {
        "role": role,
        "name": name,
        "manufacturer": "METERSIM",
        "model": model,
        "serial_number": serial,
        "firmware": "1.0",
        "certificate": certificate,
        "calibrated_on": "2026-06-01",
        "due_on": "2027-06-01",
        "profile": f"metersim-{role}",
    }


_HEAVY_RUNS = [("141.87192", "101.500"), ("141.87052", "101.501"), ("141.87332", "101.499")]
_LIGHT_RUNS = [("144.4333", "99.700"), ("144.43185", "99.701"), ("144.43475", "99.699")]
_HEAVY = {"registration": "101.500", "expanded": "0.021", "k": 2, "budget": _budget("0.01015", "0.00131")}
_LIGHT = {"registration": "99.700", "expanded": "0.021", "k": 2, "budget": _budget("0.00997", "0.00134")}

METER_TEST: dict[str, Any] = {
    "schema": "mrsp.meter-test/1",
    "report_id": "01939cbe-5a00-7000-8000-000000000011",
    "agent_id": "gw-0001",
    "sequence": 1,
    "made_at": "2026-11-23T15:00:00Z",
    "due_by": "2026-11-25T07:59:59Z",
    "meter_id": "00012345",
    "msp_id": "MSP-EXAMPLE",
    "test_date": "2026-11-23",
    "zone": "America/Los_Angeles",
    "stage": "as_found",
    "outcome": "fail",
    "tests_performed": ["heavy load registration", "light load registration"],
    "plan": {
        "name": "residential-2s",
        "title": "Form 2S, class 200, in service",
        "sha256": "9b74c9897bac770ffc029102a200c5de6a1f4f2a4c1f5d6f2e7e3c0a7b1d4e55",
        "rule_set": "ubp-2000",
        "program": "periodic",
        "weights": [4, 1],
        "allowance": "0.1",
        "ratio": "50",
    },
    "meter": {
        "form": "2S",
        "class_amperes": "200 A",
        "rating": "test_amperes",
        "amperes": "30 A",
        "volts": "240 V",
        "frequency": "60 Hz",
        "kh": "7.2 Wh",
        "pulses_per_kh": 1,
        "elements": 1,
    },
    "instruments": [
        _instrument("source", "src", "AC-SOURCE", "S0001", "C-101"),
        _instrument("standard", "ref", "REFERENCE-STANDARD", "R0001", "C-102")
        | {"uncertainty": "0.02", "basis": "certificate C-102, k = 2"},
        _instrument("counter", "cnt", "PULSE-COUNTER", "C0001", "C-103"),
    ],
    "as_found": {
        "started_at": "2026-11-23T14:40:00Z",
        "finished_at": "2026-11-23T15:00:00Z",
        "tester": "A. Smith",
        "outcome": "fail",
        "reasons": ["heavy: outside 98.9 to 101.1 % (UBP Watt-hour Meter Adjustment Limits)"],
        "points": [
            _point("heavy", "30", "100", _HEAVY_RUNS, _HEAVY),
            _point("light", "3", "10", _LIGHT_RUNS, _LIGHT),
        ],
        "average": {"registration": "101.140", "expanded": "0.021", "k": 2, "budget": _budget("0.01012", "0.00108")},
        "average_judged": {"judgement": "pass", **_AVERAGE_LIMITS},
    },
    "witnesses": ["J. Doe"],
    "test_conditions": "cover scratched",
    "customer_id": "C-9",
    "service_delivery_point_id": "1-0-12345-7",
    "account_id": "A-7",
    "energy_supplier_id": "ES-3",
}  # fmt: skip
