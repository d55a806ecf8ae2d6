"""What `mrsp profile learn` concludes of simulated meters: nothing false of good ones, the truth of odd ones."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drivers.base import Task
from drivers.data import MeterData
from drivers.errors import DataError, MeterRefused, UsageError
from drivers.learn import Proposal, Wishes, listen, propose
from drivers.learn.lesson import Lesson
from drivers.profiles import GENERIC, Profile, check_profile, load_profiles, profile_of_text
from drivers.psem.overheard import overhear
from drivers.psem.retold import retell
from drivers.psem.services import OffsetRead
from drivers.secret import Secret
from drivers.transport.recording_file import read_sessions
from metersim.meter.serving import running_meter
from tests.young_meters import young

PASSWORDS = {"commercial-4ch": b"READ-ONLY", "minimal": None}
SITE = ZoneInfo("America/New_York")
WELL_BEHAVED = (
    "residential-tou",
    "commercial-4ch",
    "big-endian-float-bcd",
    "minimal",
    "descending-fifo-2008",
    "closure-1997",
)

pytestmark = pytest.mark.timeout(60)


async def visited(path: Path, scenario: str, *faults: str, password: bytes | None = b"00000000") -> Path:
    """Return the recording of a curious visit to a simulated meter."""
    record = path / "visit.rec"
    shown = PASSWORDS.get(scenario, password)
    now = datetime.now(UTC)
    async with running_meter(young(scenario, now), now=now, tcp=0, faults=faults) as meter:
        await listen(Task(url=meter.address, password=Secret(shown) if shown else None), record)
    return record


def concluded(record: Path, **wishes: str) -> Proposal:
    return propose(record, load_profiles(), Wishes(site_zone=SITE, **wishes))


def told(record: Path, profile: Profile) -> MeterData:
    return retell(overhear(read_sessions(record)[-1].records), profile, site_zone=SITE).data


def lesson(proposal: Proposal, key: str) -> Lesson:
    """Return the last thing learned about a key."""
    return [one for one in proposal.lessons if one.key == key][-1]


def settings(proposal: Proposal) -> dict[str, object]:
    """Return what the proposal sets, by key, recognition left out."""
    profile = profile_of_text(proposal.text, proposal.name)
    return {key: value for key, value in profile.said_keys().items() if not key.startswith("detect.")}


@pytest.mark.parametrize("scenario", WELL_BEHAVED)
async def test_a_meter_that_follows_the_standard_needs_nothing(scenario: str, tmp_path: Path) -> None:
    record = await visited(tmp_path, scenario)
    proposal = concluded(record, name="learnt")
    assert settings(proposal) == ({"psem.negotiate": False} if scenario == "minimal" else {})
    assert proposal.recognised == GENERIC
    file = tmp_path / "learnt.toml"
    file.write_text(proposal.text)
    report = check_profile(file)
    assert report.mistakes == ()
    assert report.profile is not None
    assert report.profile.status == "not tried on hardware"
    before, after = told(record, load_profiles().generic), told(record, report.profile)
    assert after.registers == before.registers
    assert after.blocks == before.blocks
    assert after.registers
    who = before.identity
    mine = load_profiles([tmp_path]).recognise(manufacturer=who.manufacturer, model=who.model)
    assert mine.name == "learnt"


async def test_every_key_has_a_comment_and_every_setting_a_fact(tmp_path: Path) -> None:
    proposal = concluded(await visited(tmp_path, "minimal"))
    assert "# negotiate: sure: the meter answers SNS to Negotiate" in proposal.text
    profile = profile_of_text(proposal.text, proposal.name)
    assert {key for fact in profile.fact for key in fact.keys} == set(profile.said_keys())
    assert "SHA-256 of the recording" in profile.fact[0].source
    assert proposal.name == "sim-minimal"


async def test_a_wrong_order_flag_is_found_by_the_block_times(tmp_path: Path) -> None:
    # ST63 of this meter is ascending and circular: 04. It is made to say descending.
    record = await visited(tmp_path, "residential-tou", "patch=ST63:0:05")
    proposal = concluded(record)
    assert settings(proposal) == {"c1219.block_order": "ascending"}
    assert lesson(proposal, "c1219.block_order").sure == "likely"


async def test_a_wrong_dimension_is_found_by_the_sizes_of_the_tables(tmp_path: Path) -> None:
    record = await visited(tmp_path, "big-endian-float-bcd", "patch=ST21:3:03")  # two summations, really
    generic = told(record, load_profiles().generic)
    assert {register.source.table for register in generic.registers if register.source} == {"ST28"}
    proposal = concluded(record)
    assert settings(proposal) == {"c1219.override": {"ST21.nbr_summations": 2}}
    after = told(record, profile_of_text(proposal.text, proposal.name))
    assert len(after.registers) > 3 * len(generic.registers)
    assert any("nbr_summations is 3, taken as 2" in problem.reason for problem in after.problems)


async def test_a_clock_whose_qualifier_says_nothing_is_compared_with_this_box(tmp_path: Path) -> None:
    record = await visited(tmp_path, "profile-35d", "patch=ST52:6:07")  # UTC, and does not say so
    proposal = concluded(record)
    assert settings(proposal) == {"c1219.clock_is": "utc"}
    assert re.search(r"differs from this box by (4:59|5:00):", lesson(proposal, "c1219.clock_is").seen)


async def test_tables_that_are_listed_and_refused_are_left_out_if_a_password_was_accepted(tmp_path: Path) -> None:
    proposal = concluded(await visited(tmp_path, "residential-tou", "refuse=ST28"))
    assert settings(proposal) == {"c1219.tables_absent": ("ST28",)}


async def test_without_a_password_a_refusal_proves_nothing(tmp_path: Path) -> None:
    proposal = concluded(await visited(tmp_path, "residential-tou", "refuse=ST05", password=None))
    assert settings(proposal) == {}
    assert lesson(proposal, "psem.password_padding").sure == "open"
    assert "only with the password of a higher level" in lesson(proposal, "c1219.tables_absent").seen


async def test_a_meter_that_does_not_toggle_is_noticed(tmp_path: Path) -> None:
    proposal = concluded(await visited(tmp_path, "residential-tou", "no_toggle"))
    assert settings(proposal) == {"psem.toggles": False}


async def test_a_table_that_is_served_and_not_listed_is_named(tmp_path: Path) -> None:
    plain = await visited(tmp_path, "minimal")
    octets = told(plain, load_profiles().generic).tables["ST00"]
    hidden = octets[19] & ~(1 << 5)  # ST05 in the map of the standard tables
    (tmp_path / "odd").mkdir()
    record = await visited(tmp_path / "odd", "minimal", f"patch=ST00:19:{hidden:02X}")
    assert settings(concluded(record))["c1219.tables_present"] == ("ST05",)


async def test_a_wrong_password_is_shown_once_and_no_other_ever(tmp_path: Path) -> None:
    with pytest.raises(MeterRefused, match="Security"):
        await visited(tmp_path, "residential-tou", "wrong_password", password=b"GUESS")
    sent = [
        record
        for record in read_sessions(tmp_path / "visit.rec")[-1].records
        if getattr(record, "direction", "") == ">"
    ]
    assert sum(record.octets is None for record in sent) == 1  # type: ignore[union-attr]


async def test_it_reads_only(tmp_path: Path) -> None:
    record = await visited(tmp_path, "residential-tou")
    requests = {type(exchange.request).__name__ for exchange in overhear(read_sessions(record)[-1].records).exchanges}
    assert requests <= {
        "Identify",
        "Negotiate",
        "Logon",
        "NoneType",  # the password, masked
        "FullRead",
        "OffsetRead",
        "Wait",
        "Logoff",
        "Terminate",
    }
    tables = {read.table for read in overhear(read_sessions(record)[-1].records).reads}
    assert not tables & {7, 8, 42, 43, 44, 45, 46, 47}


async def test_tried_needs_a_serial_line(tmp_path: Path) -> None:
    record = await visited(tmp_path, "minimal")
    with pytest.raises(UsageError, match=r"--tried speaks of a real meter, but the recording was made on tcp"):
        concluded(record, tried="one SX, by Jo Doe")
    serial = tmp_path / "serial.rec"
    header, _, rest = record.read_text().partition("\n")
    port = read_sessions(record)[-1].header.line
    serial.write_text(header.replace(port, "/dev/ttyUSB0") + "\n" + rest)
    proposal = concluded(serial, tried="one SX, by Jo Doe")
    assert profile_of_text(proposal.text, proposal.name).status == "tried on hardware: one SX, by Jo Doe"


async def test_a_meter_that_a_profile_means_already_gets_a_more_special_one(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    detect = '[detect]\nmanufacturer = "SIM"\nmodel = "MINIMAL"\n'
    (own / "sim.toml").write_text(f'name = "sim"\ntitle = "x"\nstatus = "not tried on hardware"\n{detect}')
    record = await visited(tmp_path, "minimal")
    proposal = propose(record, load_profiles([own]), Wishes(name="mine"))
    assert proposal.recognised == "sim"
    (own / "mine.toml").write_text(proposal.text)
    assert check_profile(own / "mine.toml", [own]).mistakes == ()
    load_profiles([own]).check()


def test_a_recording_without_st00_teaches_nothing(tmp_path: Path) -> None:
    record = tmp_path / "empty.rec"
    record.write_text('{"mrsp-recording":1,"line":"/dev/ttyUSB0","baud":9600,"started":"2026-11-21T21:02:00Z"}\n')
    with pytest.raises(DataError, match="shows no ST00"):
        concluded(record)


async def test_max_read_of_a_profile_bounds_the_reads_of_the_intervals(tmp_path: Path) -> None:
    from drivers.registry import driver_for

    (tmp_path / "small.toml").write_text(
        'name = "small"\ntitle = "x"\nstatus = "not tried on hardware"\n[c1219]\nmax_read = 600\n'
    )
    asked = {}
    for name in (GENERIC, "small"):
        record = tmp_path / f"{name}.rec"
        now = datetime.now(UTC)
        async with running_meter(young("residential-tou", now), now=now, tcp=0) as meter:
            task = Task(
                url=meter.address,
                password=Secret(b"00000000"),
                profile=name,
                profile_dirs=(tmp_path,),
                record=record,
            )
            await driver_for(task.url).read(task)
        exchanges = overhear(read_sessions(record)[-1].records).exchanges
        reads = [one.request for one in exchanges if isinstance(one.request, OffsetRead)]
        asked[name] = max(read.count for read in reads if read.table == 64)
    assert asked[GENERIC] > 600
    assert asked["small"] <= 600
