"""What is recorded: every layout that ships as a scenario, and every fault, each by one reading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from msgspec import structs

from metersim.meter import Scenario, load_scenario, scenario_names
from metersim.meter.faults import FAULTS

DATA = Path(__file__).with_name("data")
NOW = datetime(2026, 11, 3, 15, 7, 33, tzinfo=UTC)  # two days after the end of daylight saving
SEED = 20
PASSWORDS = {"commercial-4ch": "READ-ONLY"}
DEFAULT_PASSWORD = "00000000"  # noqa: S105 - the simulated meters'
MASTER_PASSWORD = "11111111"  # noqa: S105 - likewise
WHOLE = "profile-35d-4ch"  # the one layout whose profile is recorded in its full length
STUBBORN = "stubborn"  # a profile that says of a meter that its toggles are not to be trusted


# "all": the reading is, to the last digit, what the model says. "nothing untrue": something may be missing, but what is
# there is right. "intervals": of them nothing may be untrue; registers were read at another time. "": the meter lies.
Truthfulness = Literal["all", "nothing untrue", "intervals", ""]


@dataclass(frozen=True, slots=True)
class Case:
    """One visit to one meter, and how much of the reading is held against the meter's model when it is recorded."""

    name: str
    scenario: str
    faults: tuple[str, ...] = ()
    blocks: int | None = 3  # of profile at most; None: as many as the scenario says
    true: Truthfulness = "all"
    profile: str | None = None

    @property
    def password(self) -> str:
        return PASSWORDS.get(self.scenario, DEFAULT_PASSWORD)

    def meter(self) -> Scenario:
        """The scenario to serve, with less to say where that is enough: a young meter with a short profile and log."""
        scenario = load_scenario(self.scenario)
        if scenario.profile is not None and self.blocks is not None:
            most = self.blocks
            sets = tuple(structs.replace(one, blocks=min(most, one.blocks)) for one in scenario.profile.sets)
            scenario = structs.replace(scenario, profile=structs.replace(scenario.profile, sets=sets))
        if self.faults:
            log = structs.replace(scenario.log, entries=6, history_entries=0) if scenario.log else None
            scenario = structs.replace(scenario, log=log, installed=date(2026, 9, 1), outages_per_year=0)
        return scenario


def _layouts() -> list[Case]:
    return [Case(name, name, blocks=None if name == WHOLE else 8) for name in scenario_names()]


_HARMLESS = (
    "garble=0.001", "lose=0.001", "insert=0.001", "burst=0.0005:6", "late=0.2", "slow_answers=1.2", "echo",
    "duplicate_packets=0.3", "drop_ack=0.3", "bad_checksum=2", "busy=3", "dnr=3", "isss_after=12", "small_packets=64",
    "no_negotiate", "wrong_meter_id=12345678", "test_mode", "pulse_overflow", "missing_intervals=3", "power_outage",
    "clock_offset=200",
)  # fmt: skip
_FATAL = (
    "silence", "reversed_probe", "reversed_probe=dark", "7e1", "7e1=both", "iec", "iec=always", "nonsense",
    "wrong_password",
)  # fmt: skip
_COSTLY = (
    "silence_after=2600", "drop_after=2600", "refuse=ST23:ISC", "one_bad_table=ST76", "truncate=ST64:900",
    "wrong_size=ST61", "lying_size=ST23", "zero_length=ST76", "dims_255=ST11", "dims_255=ST21", "dims_255=ST61",
    "dims_255=ST71", "feb_31=clock", "feb_31=block", "feb_31=event", "clock_1970", "clock_2099", "patch=ST63:3:FFFF",
)  # fmt: skip
_BIG_ENDIAN = ("nan_float=nan", "nan_float=inf", "nan_float=constants", "bcd_hex=demand", "bcd_hex=id", "bcd_hex=time")
_LIES = ("one_bad_table=ST23:garbage", "intervals_shuffled")


def _faulty() -> list[Case]:
    cases = [Case(_named(fault), "residential-tou", (fault,)) for fault in _HARMLESS]
    for faults, true in ((_FATAL, ""), (_COSTLY, "nothing untrue"), (_LIES, "")):
        cases += [Case(_named(fault), "residential-tou", (fault,), true=true) for fault in faults]  # type: ignore[arg-type]
    cases += [Case(_named(fault), "big-endian-float-bcd", (fault,), true="nothing untrue") for fault in _BIG_ENDIAN]
    cases.append(Case("shifting-profile", "residential-tou", ("shifting_profile=2",), true="intervals"))
    stubborn = Case("no-toggle", "residential-tou", ("no_toggle",), profile=STUBBORN)
    unknown = Case("no-toggle-unknown", "residential-tou", ("no_toggle",), true="")
    return [*cases, stubborn, unknown]


def _named(fault: str) -> str:
    name, _, value = fault.partition("=")
    kind = "-" + value.replace(":", "-").lower() if value and not value[0].isdigit() else ""
    return name.replace("_", "-") + kind


CASES = {case.name: case for case in [*_layouts(), *_faulty()]}
RECORDED_FAULTS = {fault.partition("=")[0] for case in CASES.values() for fault in case.faults}
ALL_FAULTS = {fault.name for fault in FAULTS}
# Faults of procedures, which a reading does not start, and of services that a meter at a probe is not asked for.
NOT_IN_A_READING = {"proc_slow", "proc_refuse", "clock_stuck", "wrong_proof", "timing_tries"}
