"""Every value of a reading comes out of its recording again, and whatever was changed in either does not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent.document import encode
from agent.errors import UsageError
from agent.explained import explain
from agent.order import Order
from agent.reading import Reading, RecordingPart
from agent.recheck import recheck
from agent.rederive import Mismatch, decode_reading, rederive, verified
from drivers.errors import DataError
from drivers.profiles import load_profiles
from drivers.writes import ClockOrder, MeterWrite, WriteOutcome
from metersim.meter.scenario_file import load_scenario
from tests.provenance.visits import SERIAL, START, Visited, visited

SMALL = ("minimal", "closure-1997", "big-endian-float-bcd")
FAULTS = {
    "none": (),
    "an echoing probe": ("echo",),
    "garbled": ("garble=0.001",),
    "lossy": ("lose=0.001",),
    "bursts": ("burst=0.0005",),
    "stray octets": ("insert=0.001",),
    "doubled packets": ("duplicate_packets=0.3",),
    "lost acknowledgements": ("drop_ack=0.2",),
    "no toggle": ("no_toggle",),
    "busy": ("busy=3",),
    "session forgotten": ("isss_after=9",),
    "small packets": ("small_packets=64",),
    "no negotiation": ("no_negotiate",),
    "a profile that grows": ("shifting_profile=2",),
    "a refused table": ("refuse=ST23",),
    "a table cut short": ("truncate=ST25:10",),
}


@lru_cache
def visit_to(scenario: str, *faults: str, seed: int = 1, url: str = SERIAL) -> Visited:
    return visited(scenario, Path(mkdtemp()) / "visit.rec", faults=faults, seed=seed, url=url)


def in_doubt(one: Visited) -> tuple[object, ...]:
    """Return what of a reading does not come out of its recording again; every value is looked at."""
    made = one.rederived()
    found = recheck(made)
    assert found.values > 20
    unlike = () if found.agree == found.values else (f"{found.agree} of {found.values} agree",)
    return (*unlike, *found.differences, *made.remarks)


@pytest.mark.parametrize("scenario", ["residential-tou", "commercial-4ch", "descending-fifo-2008", *SMALL])
def test_every_value_is_derived_again(scenario: str) -> None:
    assert in_doubt(visit_to(scenario)) == ()


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("url", [SERIAL, "tcp://127.0.0.1:1"], ids=["serial", "network"])
def test_over_a_bad_line_too(faults: tuple[str, ...], url: str) -> None:
    assert in_doubt(visit_to("closure-1997", *faults, url=url)) == ()


@pytest.mark.parametrize("rate", [9000, 20000, 200000])
@pytest.mark.parametrize("scenario", ["descending-fifo-2008", "commercial-4ch"])
def test_of_a_meter_that_stores_intervals_while_it_is_read(scenario: str, rate: int, tmp_path: Path) -> None:
    soon_full = START + timedelta(hours=15, minutes=15)  # set 1 of the first begins a block while set 3 is read
    made = visited(scenario, tmp_path / "visit.rec", rate=rate, now=soon_full).rederived()
    assert len({version.octets for version in made.retold.versions[63]}) > 1
    found = recheck(made)
    assert (found.agree, found.differences) == (found.values, ())


HOURS = [1, 5, 27, 9 * 24]


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize("scenario", ["residential-tou", "descending-fifo-2008", *SMALL[1:]])
def test_of_what_is_new_as_well(scenario: str, hours: int, tmp_path: Path) -> None:
    """Blocks and logs read in part: what was read beyond, to be compared, is not in the document."""
    one = visited(scenario, tmp_path / "visit.rec", since=START - timedelta(hours=hours))
    made = one.rederived()
    assert recheck(made).differences == ()
    assert all("read only to be compared" in remark for remark in made.remarks)


@pytest.mark.parametrize("faults", [(), ("shifting_profile=2",), ("garble=0.001",)], ids=["good", "growing", "garbled"])
@pytest.mark.parametrize("scenario", ["residential-tou", "big-endian-float-bcd"])
def test_of_the_visit_after(scenario: str, faults: tuple[str, ...], tmp_path: Path) -> None:
    first = visited(scenario, tmp_path / "first.rec")
    later = START + timedelta(hours=26)
    second = visited(scenario, tmp_path / "second.rec", now=later, since=START, memory=first.data.memory, faults=faults)
    assert 0 < sum(len(block.values) for block in second.data.blocks) < 2000
    assert recheck(second.rederived()).differences == ()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(1, 10_000), hours=st.integers(0, 9000), data=st.data())
def test_whatever_the_meter_is_like(seed: int, hours: int, data: st.DataObject) -> None:
    """A random meter: another seed, another hour of the year, other formats, another profile layout."""
    scenario = load_scenario(data.draw(st.sampled_from(SMALL)))
    layout = {
        "data_order": data.draw(st.sampled_from(["little", "big"])),
        "tm_format": data.draw(st.integers(1, 4)),
    }
    fields = set(type(scenario.layout).__struct_fields__)
    layout = {key: value for key, value in layout.items() if key in fields}
    try:
        drawn = msgspec.convert(
            msgspec.to_builtins(scenario) | {"layout": msgspec.to_builtins(scenario.layout) | layout}, type(scenario)
        )
    except msgspec.ValidationError:
        drawn = scenario
    path = Path(mkdtemp()) / "visit.rec"
    one = visited(drawn, path, seed=seed, now=START + timedelta(hours=hours, minutes=7))
    assert recheck(one.rederived()).differences == ()


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(tree, dict):
        return [leaf for key, value in tree.items() for leaf in leaves(value, (*path, key))]
    if isinstance(tree, list):
        return [leaf for index, value in enumerate(tree) for leaf in leaves(value, (*path, index))]
    return [path]


OF_THE_METER = {"registers", "interval_blocks", "events", "meter_status"}
NOT_FROM_BYTES = {"dials", "expected_meter_id", "nameplate_id"}


def from_the_meter(path: tuple[Any, ...]) -> bool:
    if path[0] in OF_THE_METER:
        return path[-1] not in NOT_FROM_BYTES
    return path == ("clock", "meter_time") or (path[0] == "meter" and path[-1] not in NOT_FROM_BYTES)


def changed_leaf(value: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """Return another value that differs in one character, as a forger or a bad disk would have it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + draw(st.sampled_from([-1, 1, 10]))
    assume(isinstance(value, str) and value)
    at = draw(st.integers(0, len(value) - 1))
    other = draw(st.sampled_from("0123456789aZ").filter(lambda char: char != value[at]))
    return value[:at] + other + value[at + 1 :]


@settings(max_examples=60, deadline=None)
@given(scenario=st.sampled_from(SMALL), data=st.data())
def test_any_digit_that_is_changed_in_the_document_is_found(scenario: str, data: st.DataObject) -> None:
    one = visit_to(scenario)
    tree = json.loads(encode(one.reading))
    path = data.draw(st.sampled_from([leaf for leaf in leaves(tree) if from_the_meter(leaf)]))
    parent: Any = tree
    for step in path[:-1]:
        parent = parent[step]
    assume(parent[path[-1]] is not None)
    parent[path[-1]] = changed_leaf(parent[path[-1]], data.draw)
    try:
        reading = decode_reading(json.dumps(tree).encode(), "changed")
        found = recheck(one.rederived(reading))
    except (UsageError, Mismatch):
        return  # not even a reading any more, or no profile of that name
    assert found.differences
    assert found.agree < found.values


@settings(max_examples=150, deadline=None)
@given(scenario=st.sampled_from(SMALL), data=st.data())
def test_any_octet_that_is_changed_in_the_recording_is_found(scenario: str, data: st.DataObject) -> None:
    one = visit_to(scenario)
    content = bytearray(one.recording.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Mismatch, match="is not the recording of this reading, or was changed"):
        verified(bytes(content), one.reading, "recording")


def forged(one: Visited, content: bytes) -> Reading:
    """Return the reading with the hash of other octets, as a forger would have it who changes both."""
    part = RecordingPart(sha256=hashlib.sha256(content).hexdigest(), octets=len(content))
    return msgspec.structs.replace(one.reading, recording=part)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_octets_of_the_wire_that_are_changed_with_the_hash_do_not_pass_either(data: st.DataObject) -> None:
    """CRC, table checksum and pairing stand behind the hash: what the meter said cannot be changed octet by octet."""
    one = visit_to("closure-1997")
    lines = one.recording.read_bytes().splitlines(keepends=True)
    said = [n for n, line in enumerate(lines) if b'"dir":"<"' in line and len(line) > 60 and b"*" not in line]
    number = data.draw(st.sampled_from(said))
    line = lines[number]
    start = line.index(b'"hex":"') + 7
    at = data.draw(st.integers(start, len(line) - 4))
    digit = data.draw(st.sampled_from(b"0123456789abcdef"))
    assume(line[at] != digit)
    lines[number] = line[:at] + bytes([digit]) + line[at + 1 :]
    content = b"".join(lines)
    reading = forged(one, content)
    try:
        made = rederive(reading, verified(content, reading, "forged"), load_profiles(()))
    except (Mismatch, DataError):
        return
    for twin in (*made.sides.registers, *made.sides.blocks):
        if twin.derived is not None:
            assert all(twin.derived[key] == twin.document[key] for key in ("raw", "pulses") if key in twin.document)


def test_a_value_and_its_octets_changed_together_are_found() -> None:
    one = visit_to("closure-1997")
    register = one.reading.registers[0]
    assert register.provenance is not None
    assert register.provenance.octets is not None
    place = msgspec.structs.replace(register.provenance, octets="01" + register.provenance.octets[2:])
    other = msgspec.structs.replace(register, value="1", raw="1", provenance=place)
    reading = msgspec.structs.replace(one.reading, registers=(other, *one.reading.registers[1:]))
    paths = {odd.path for odd in recheck(one.rederived(reading)).differences}
    assert {"registers[0].value", "registers[0].raw", "registers[0].provenance.octets"} <= paths


def test_a_register_that_no_octets_have_is_found() -> None:
    one = visit_to("closure-1997")
    register = one.reading.registers[0]
    assert register.provenance is not None
    invented = msgspec.structs.replace(
        register, provenance=msgspec.structs.replace(register.provenance, offset=register.provenance.offset + 1)
    )
    reading = msgspec.structs.replace(one.reading, registers=(*one.reading.registers, invented))
    (odd,) = recheck(one.rederived(reading)).differences
    assert odd.derived == "nothing of the kind is in the recording"


def test_what_is_left_out_of_the_document_is_remarked() -> None:
    one = visit_to("closure-1997")
    reading = msgspec.structs.replace(one.reading, registers=one.reading.registers[1:], events=())
    made = one.rederived(reading)
    assert recheck(made).differences == ()
    assert [remark.split(":")[0] for remark in made.remarks] == [
        "the recording holds 1 registers that the document does not have",
        "the recording holds 10 events that the document does not have",
    ]


def test_another_visit_is_not_this_one() -> None:
    one, other = visit_to("closure-1997"), visit_to("closure-1997", seed=2)
    with pytest.raises(Mismatch):
        verified(other.recording.read_bytes(), one.reading, "recording")
    content = other.recording.read_bytes()
    made = rederive(forged(one, content), verified(content, forged(one, content), "other"), load_profiles(()))
    assert recheck(made).differences


def test_what_was_appended_to_the_recording_later_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "visits.rec"
    first = visited("closure-1997", path)
    second = visited("minimal", path)
    assert recheck(second.rederived()).differences == ()
    assert recheck(first.rederived()).differences == ()
    assert first.rederived().evidence.content == path.read_bytes()[: len(first.rederived().evidence.content)]


def test_a_wrong_profile_is_found(tmp_path: Path) -> None:
    (tmp_path / "odd-family.toml").write_text(
        'name = "odd-family"\ntitle = "Odd"\nstatus = "not tried on hardware"\n[c1219]\nscaling = "multiply"\n'
    )
    one = visit_to("big-endian-float-bcd")
    evidence = verified(one.recording.read_bytes(), one.reading, "recording")
    made = rederive(one.reading, evidence, load_profiles((tmp_path,)), profile="odd-family")
    paths = {odd.path for odd in recheck(made).differences}
    assert "meter.profile" in paths
    assert made.remarks == ["the meter by itself would be recognised as generic-c1219; derived as odd-family"]


def test_the_sites_zone_is_in_the_document_where_the_meter_does_not_say_it(tmp_path: Path) -> None:
    path = tmp_path / "visit.rec"
    one = visited("residential-tou", path, faults=("refuse=ST53",), zone="America/Denver")
    assert one.reading.site is not None
    assert one.reading.site.zone == "America/Denver"
    assert in_doubt(one) == ()
    elsewhere = msgspec.structs.replace(one.reading.site, zone="America/New_York")
    differences = recheck(one.rederived(msgspec.structs.replace(one.reading, site=elsewhere))).differences
    assert "clock.meter_time" in {odd.path for odd in differences}
    assert recheck(one.rederived(zone="America/New_York")).differences == differences
    with pytest.raises(UsageError, match="no time zone"):
        one.rederived(zone="Nowhere/At_All")


class Nowhere:
    """A journal that keeps nothing."""

    def before(self, write: MeterWrite) -> None: ...
    def after(self, write: MeterWrite, outcome: WriteOutcome, detail: str) -> None: ...


@pytest.mark.parametrize("off_s", [40, -70])
def test_of_a_visit_that_sets_the_clock_both_looks_are_found(off_s: int, tmp_path: Path) -> None:
    order = ClockOrder(
        lambda ns: START + timedelta(microseconds=ns // 1000 - 1_000_000_000), Nowhere(), Decimal(5), Decimal(900)
    )
    one = visited(
        "residential-tou",
        tmp_path / "visit.rec",
        faults=(f"clock_offset={off_s}",),
        password=b"11111111",
        clock_order=order,
    )
    assert one.reading.clock.meter_time_after is not None
    assert in_doubt(one) == ()
    made = one.rederived()
    wires = set()
    for key in ("meter_time", "meter_time_after"):
        (explained,) = explain(made, f"clock.{key}")
        assert explained.agrees
        assert explained.derivation.text == getattr(one.reading.clock, key)
        shown = explained.shown_by
        assert shown is not None
        cited = explained.derivation.steps[0].cited[0]
        (carrier,) = shown.carriers(52, cited.offset, len(cited.octets))
        assert carrier.sighting.raw[carrier.start : carrier.end] == cited.octets
        wires.add(carrier.sighting.first_line)
    assert len(wires) == 2
    clock = msgspec.structs.replace(one.reading.clock, meter_time_after="2026-11-03T17:20:59Z")
    (odd,) = recheck(one.rederived(msgspec.structs.replace(one.reading, clock=clock))).differences
    assert odd.path == "clock.meter_time_after"


def test_dials_on_record_are_taken_from_the_document(tmp_path: Path) -> None:
    one = visited("residential-tou", tmp_path / "visit.rec", order=Order(url=SERIAL, dials=12))
    assert (one.reading.registers[0].dials, len(one.reading.registers[0].raw)) == (12, 12)
    assert in_doubt(one) == ()


def test_without_a_document_the_recording_alone_is_told() -> None:
    one = visit_to("closure-1997")
    made = one.without_document()
    assert not made.compared
    assert recheck(made).differences == ()
    assert len(made.reading.registers) == len(one.reading.registers)


def test_a_document_without_provenance_is_compared_by_what_its_values_are() -> None:
    one = visit_to("residential-tou")
    registers = tuple(msgspec.structs.replace(part, provenance=None) for part in one.reading.registers)
    reading = msgspec.structs.replace(one.reading, registers=registers, recording=None)
    made = one.rederived(reading)
    odd = {difference.path.partition(".")[2] for difference in recheck(made).differences}
    assert {path.partition(".")[0] for path in odd} == {"provenance"}
    assert "the document names no recording: that this is the right one is not proven" in made.remarks


def test_a_recording_without_st00_proves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.rec"
    path.write_text('{"mrsp-recording":1,"line":"x","baud":9600,"started":"2026-11-21T21:02:00.000000Z"}\n')
    one = visit_to("minimal")
    reading = forged(one, path.read_bytes())
    with pytest.raises(Mismatch, match="ST00 was not read"):
        rederive(reading, verified(path.read_bytes(), reading, "empty"), load_profiles(()))


def test_something_else_is_no_reading() -> None:
    for content in (b"", b"{}", b"[1]", b"\xff"):
        with pytest.raises(UsageError, match="is no reading document"):
            decode_reading(content, "file")
    one = visit_to("minimal")
    with pytest.raises(UsageError, match=r"not mrsp\.reading/1"):
        decode_reading(encode(msgspec.structs.replace(one.reading, schema="other/1")), "file")
