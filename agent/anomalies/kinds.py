"""The kinds of findings: what each is called, which check shows it, whether it bears on safety, who must do what.

What concerns the meter, its place or its records becomes a report. What a check finds in the data alone (spikes, gaps,
sums, high and low usage) travels with the reading, for the MDSP to act on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from agent.anomaly import Finding


@dataclass(frozen=True, slots=True)
class Kind:
    """`checks`: those whose failure shows it; none: it is seen by something else than one check's failure.

    `safety_related` is our default. UBP wants hazards and evidence of tampering told: a phase can be lost by a
    burnt connection, and a meter that was opened may leave live parts bare.
    """

    title: str
    advice: str  # what a person does, one clause without full stop
    checks: tuple[str, ...] = ()
    safety_related: bool = False
    of_record: bool = False  # compares with what is on record of the meter, or was read of it before


_RECORDS = "the records of this meter must be corrected, or the meter is not the one on record"

KINDS: Mapping[Finding, Kind] = MappingProxyType(
    {
        "wrong_meter": Kind(
            "this is not the meter on record",
            "find out which meter serves here before any of its data is billed",
            ("meter_id_internal", "meter_id_external"),
        ),
        "clock_must_be_set": Kind("the meter's clock must be set", "order its correction, or set it at the meter"),
        "physical_inspection_required": Kind(
            "physical inspection required",
            "have the meter inspected and tested; intervals and time-of-use registers since then cannot be relied on",
        ),
        "dial_count_differs": Kind(
            "the number of dials differs from the record", _RECORDS, ("dial_count",), of_record=True
        ),
        "decimals_differ": Kind(
            "the decimal places of the demand differ from the record", _RECORDS, ("demand_decimals",), of_record=True
        ),
        "channel_count_differs": Kind(
            "the number of channels differs from the record", _RECORDS, ("channel_count",), of_record=True
        ),
        "configuration_change": Kind(
            "the meter's configuration changed since its last reading",
            "confirm the change, and the multipliers it is billed with",
            ("configuration_change",),
            of_record=True,
        ),
        "pulse_overflow": Kind(
            "intervals overflowed",
            "the meter needs a physical test; look at scaling factor, size of the instrument transformers, hardware",
            ("pulse_overflow",),
        ),
        "test_mode": Kind("the meter was left in test mode", "put it back into metering mode"),
        "meter_diagnostics": Kind(
            "the meter reports a fault of its own", "have the meter inspected", ("meter_diagnostics",)
        ),
        "meter_not_reached": Kind(
            "the meter could not be read by its deadline",
            "find out why it cannot be reached, or have it read at the site",
        ),
        "phase_loss": Kind(
            "the meter reports a lost phase",
            "have fuses, wiring and instrument transformers inspected",
            ("phase_loss",),
            safety_related=True,
        ),
        "tamper": Kind(
            "the meter reports that it was tampered with",
            "have seals, cover and connections inspected",
            safety_related=True,
        ),
        "reverse_rotation": Kind(
            "the meter reports energy in reverse", "have the connections inspected, if nothing generates here"
        ),
        "stale_snapshot": Kind(
            "the meter gives the same answer again",
            "have the meter or its interface inspected",
            ("stale_snapshot",),
            of_record=True,
        ),
        "zero_consumption": Kind(
            "nothing was consumed at an active meter",
            "find out whether the premises are vacant, or the meter has stopped",
            ("zero_consumption",),
            of_record=True,
        ),
        "register_went_back": Kind(
            "a register stands below its last reading",
            "find out whether the meter was changed, reset or turned back",
            ("register_advance",),
            of_record=True,
        ),
        "electrical_hazard": Kind(
            "an electrical hazard was found at the site",
            "have it made safe, and tell the customer, the utility and whoever inspects installations there",
            safety_related=True,
        ),
        "physical_danger": Kind(
            "a physical danger was found at the site",
            "have it removed, or the next person warned of it",
            safety_related=True,
        ),
        "life_support": Kind(
            "life support that is not on record, or not marked at the meter",
            "have the customer arrange for its status on the account; let nobody interrupt the service meanwhile",
            safety_related=True,
        ),
        "theft_of_service": Kind(
            "signs of tampering or theft of service were found at the site",
            "have the installation investigated, with what was photographed; it may be unsafe",
            safety_related=True,
        ),
        "seal_defect": Kind(
            "a seal or lock is missing, broken or not the right one",
            "have the installation looked at for tampering, and sealed",
            safety_related=True,
        ),
        "installation_defect": Kind(
            "the meter or its installation is damaged or defective",
            "have it repaired or replaced",
            safety_related=True,
        ),
        "meter_missing": Kind(
            "the meter is not where it should be",
            "find out where it is; an open socket must be covered and secured",
            safety_related=True,
        ),
        "meter_unreadable": Kind("the meter cannot be read at its display or remotely", "have it repaired or replaced"),
        "no_access": Kind(
            "a person could not get at the meter", "have the customer give clear access to it, and have it read then"
        ),
        "meter_not_verified": Kind(
            "the metering is not what it should be for this service",
            "have identification, approval, size, type, constants and wiring verified before its data is billed",
        ),
        "verification_required": Kind(
            "instrument transformers could not be looked at", "arrange for their verification, if it is necessary"
        ),
    }
)
