"""A person's reading: every field, every mistake, what is asked, and what is kept as evidence."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Task
from drivers.data import MeterData
from drivers.errors import UsageError
from drivers.person import Answer
from drivers.registry import driver_for
from drivers.transport.recording_file import Octets, read_sessions
from drivers.visual.driver import VisualDriver
from drivers.visual.trouble import NotRead
from tests.visual.person import Person

GOOD: dict[str, Any] = {
    "nameplate_id": "00123456",
    "registers": [
        {"shown": "012345", "multiplier": "40", "dials": 6},
        {"shown": "12.340", "quantity": "kW", "multiplier": "40", "decimals": 3},
        {"shown": "000077", "quantity": "kvarh", "direction": "received"},
        {"shown": "004321", "tier": 1},
        {"shown": "008024", "tier": 2, "period": "previous_reset"},
    ],
    "read_by": "J. Doe",
    "read_at": "2026-11-21T20:00:00-07:00",
    "trouble": ["seal_broken"],
    "remark": "the cover rattles",
}


async def read(url: str, **task: Any) -> MeterData:
    return await VisualDriver().read(Task(url=url, **task))


def filed(directory: Path, content: dict[str, Any], **changes: Any) -> str:
    path = directory / "reading.json"
    path.write_text(json.dumps({**content, **changes}))
    return f"visual://{path}"


# -- files


async def test_the_registry_knows_it() -> None:
    assert isinstance(driver_for("visual://?reading=1"), VisualDriver)


async def test_everything_of_a_file_arrives_as_displayed(tmp_path: Path) -> None:
    data = await read(filed(tmp_path, GOOD))
    assert (data.method, data.profile, data.identity.meter_id) == ("manual", "visual", "00123456")
    assert (data.read_by, data.read_at) == ("J. Doe", datetime(2026, 11, 22, 3, tzinfo=UTC))
    assert [(r.quantity, r.direction, r.kind, r.tier, r.period, r.raw, r.value, r.digits) for r in data.registers] == [
        ("kWh", "delivered", "cumulative", 0, "present", "012345", Decimal(493800), 6),
        ("kW", "delivered", "demand", 0, "present", "12.340", Decimal("493.600"), 2),
        ("kvarh", "received", "cumulative", 0, "present", "000077", Decimal(77), 6),
        ("kWh", "delivered", "cumulative", 1, "present", "004321", Decimal(4321), 6),
        ("kWh", "delivered", "cumulative", 2, "previous_reset", "008024", Decimal(8024), 6),
    ]
    assert (data.clock, data.has_clock, data.has_tiers, data.authenticated) == (None, False, True, True)
    assert [(p.what, p.lost) for p in data.problems] == [("seal_broken", False), ("remark", False)]
    assert [r.source.octets for r in data.registers if r.source] == [
        b"012345",
        b"12.340",
        b"000077",
        b"004321",
        b"008024",
    ]


async def test_toml_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "reading.toml"
    path.write_text('nameplate_id = "77"\n\n[[registers]]\nshown = "00042"\n')
    data = await read(f"visual://{path}")
    assert (data.identity.meter_id, data.registers[0].raw) == ("77", "00042")
    path.write_text('nameplate_id = "77"\n\n[[registers]]\nshown = 42\n')
    with pytest.raises(UsageError, match=r"line 4: `registers\[0\]\.shown`"):
        await read(f"visual://{path}")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"nameplate_id": ""}, "`nameplate_id`"),
        ({"nameplate_id": 123456}, "`nameplate_id`: Expected `str | null`, got `int`; values are text"),
        ({"registers": []}, None),
        ({"registers": [], "trouble": []}, "no value and no reason"),
        ({"registers": [{}]}, "missing required field `shown`"),
        ({"registers": [{"shown": 12345}]}, "`registers[0].shown`: Expected `str`, got `int`; values are text"),
        ({"registers": [{"shown": "12,5"}]}, "`registers[0].shown`: it is not what a display shows"),
        ({"registers": [{"shown": "1e5"}]}, "it is not what a display shows"),
        ({"registers": [{"shown": "1" * 19}]}, "it is not what a display shows"),
        ({"registers": [{"shown": "１２"}]}, "it is not what a display shows"),
        ({"registers": [{"shown": "12345", "dials": 6}]}, "5 whole digits, `dials` says 6"),
        ({"registers": [{"shown": "12.34", "decimals": 3}]}, "2 decimal places, `decimals` says 3"),
        ({"registers": [{"shown": "-5"}]}, "only a net register"),
        ({"registers": [{"shown": "5", "dials": 0}]}, "`registers[0].dials`"),
        ({"registers": [{"shown": "5", "decimals": 10}]}, "`registers[0].decimals`"),
        ({"registers": [{"shown": "5", "quantity": "k Wh"}]}, "a unit word"),
        ({"registers": [{"shown": "5", "direction": "up"}]}, "one of delivered, received, net, total"),
        ({"registers": [{"shown": "5", "kind": "peak"}]}, "one of cumulative, demand"),
        ({"registers": [{"shown": "5", "period": "last"}]}, "one of present, previous_reset"),
        ({"registers": [{"shown": "5", "multiplier": "0"}]}, "a factor above 0"),
        ({"registers": [{"shown": "5", "multiplier": 40}]}, "values are text"),
        ({"registers": [{"shown": "5", "tier": -1}]}, "`registers[0].tier`"),
        ({"registers": [{"shown": "5", "again": ["x"]}]}, "`registers[0].again[0]`: it is not what a display shows"),
        ({"registers": [{"shown": "05", "dials": 2, "again": ["5"]}]}, "1 whole digits"),
        ({"registers": [{"shown": "5"}, {"shown": "6"}]}, "`registers[1]`: kWh delivered is there already"),
        ({"registers": [{"shown": "5", "dial": 1}]}, "unknown field `dial`"),
        ({"read_at": "2026-11-21T20:00:00"}, "`read_at`"),
        ({"read_at": "yesterday"}, "`read_at`"),
        ({"trouble": ["cat"]}, "one of no_access"),
        ({"photos": "a.jpg"}, "`photos`"),
        ({"photo": ["a.jpg"]}, "unknown field `photo`"),
    ],
)
async def test_each_wrong_field_is_named(tmp_path: Path, changes: dict[str, Any], reason: str | None) -> None:
    url = filed(tmp_path, GOOD, **changes)
    if reason is None:
        with pytest.raises(NotRead):
            await read(url)
        return
    with pytest.raises(UsageError) as caught:
        await read(url)
    assert reason in str(caught.value)
    assert "reading.json" in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00", "[" * 100_000, '{"registers": 1e400}'])
async def test_what_is_no_entry_at_all_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "reading.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"reading\.json"):
        await read(f"visual://{path}")


async def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for url in (f"visual://{tmp_path}/none.json", f"visual://{tmp_path}"):
        with pytest.raises(UsageError, match="cannot be read"):
            await read(url)
    with pytest.raises(UsageError, match="three slashes"):
        await read("visual://reading.json")
    with pytest.raises(UsageError, match="not by both"):
        await read(filed(tmp_path, GOOD) + "?reading=1")


# -- queries


async def test_a_query_brings_one_register() -> None:
    data = await read(
        "visual://?reading=012345&nameplate=00123456&dials=6&decimals=0&quantity=kWh&multiplier=40"
        "&read_by=J.%20Doe&read_at=2026-11-21T20:00:00%2B00:00"
    )
    [register] = data.registers
    assert (register.raw, register.value, register.digits) == ("012345", Decimal(493800), 6)
    assert (data.identity.meter_id, data.read_by) == ("00123456", "J. Doe")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("reading=12a", "`reading`: it is not what a display shows"),
        ("reading=", "`reading`: it is not"),
        ("reading=1&reading=2", "`reading` is given twice"),
        ("reading=1&dials=x", "`dials`: 'x' is no number"),
        ("reading=1&dials=%D9%A3", "is no number"),
        ("reading=1&decimals=1", "`reading`: '1' has 0 decimal places"),
        ("reading=1&colour=red", "`colour` is no field"),
        ("reading=1&multiplier=many", "`multiplier`: it is not a factor"),
        ("reading=1&quantity=", "`quantity`: it is not a unit word"),
        ("reading=1&nameplate=", "`nameplate`"),
        ("reading=1&read_at=noon", "`read_at`"),
        ("reading=1&trouble=cat", "`trouble`"),
        ("reading=1&again=x", "`again`"),
        ("reading=1&again=1&again=2&again=3", "`again`"),
        ("nameplate=1", "`reading` is missing"),
        ("", "`reading` is missing"),
    ],
)
async def test_each_wrong_field_of_a_query_is_named(query: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        await read(f"visual://?{query}")
    assert reason in str(caught.value)


@given(st.dictionaries(st.sampled_from(["reading", "dials", "tier", "again", "photo", "x"]), st.text(max_size=12)))
def test_no_query_breaks_it(fields: dict[str, str]) -> None:
    query = "&".join(f"{key}={quote(value)}" for key, value in fields.items())
    try:
        data = asyncio.run(read(f"visual://?{query}"))
    except UsageError:
        return
    assert data.registers[0].raw == fields["reading"]


# -- no reading


async def test_a_reasoned_non_reading(tmp_path: Path) -> None:
    with pytest.raises(NotRead) as caught:
        await read(filed(tmp_path, {"trouble": ["dog", "locked"], "remark": "beware", "read_by": "J. Doe"}))
    assert "not read by J. Doe: a dog guards the place (dog); the place is locked (locked); beware" in str(caught.value)
    assert (caught.value.trouble, caught.value.exit_code, caught.value.retry) == (("dog", "locked"), 3, False)


# -- asked on the spot


async def test_what_is_missing_is_asked() -> None:
    person = Person("00123456", "012345")
    data = await read("visual:?multiplier=40", ask=person)
    assert [question.topic for question in person.asked] == ["nameplate", "register"]
    assert (data.identity.meter_id, data.registers[0].value) == ("00123456", Decimal(493800))


async def test_a_wrong_answer_is_asked_again_with_the_reason() -> None:
    person = Person("00123456", "12345", "a12345", "012345")
    data = await read("visual:?dials=6", ask=person)
    assert data.registers[0].raw == "012345"
    assert "5 whole digits" in person.asked[2].because
    assert "'a12345'" in person.asked[3].because


async def test_three_wrong_answers_are_enough() -> None:
    with pytest.raises(UsageError, match="no answer that makes sense in 3"):
        await read("visual:?nameplate=1", ask=Person("a", "b", "c"))


async def test_a_person_who_cannot_tell_brings_no_reading() -> None:
    with pytest.raises(NotRead, match="the display is dark"):
        await read("visual:", ask=Person(None, Answer(None, "the display is dark")))
    with pytest.raises(NotRead, match="gave no value"):
        await read("visual:", ask=Person(None, None))


# -- second looks


def doubt(*names: str) -> Any:
    """Ask for these once, and be content after."""

    def asks(data: MeterData) -> tuple[str, ...]:
        return () if data.again else names

    return asks


async def test_doubts_are_looked_up_anew_and_nothing_else(tmp_path: Path) -> None:
    person = Person("012346")
    data = await read(filed(tmp_path, GOOD), ask=person, second_look=doubt("display 1"))
    [look] = data.again
    assert (look.tables, [r.raw for r in look.registers]) == (("display 1",), ["012346"])
    assert data.registers[0].raw == "012345"
    [question] = person.asked
    assert question.again
    assert "012345" not in question.text + question.because


async def test_what_was_typed_twice_needs_no_question(tmp_path: Path) -> None:
    entry = {"registers": [{"shown": "012345", "again": ["012345"]}]}
    data = await read(filed(tmp_path, entry), ask=Person(), second_look=doubt("display 1"))
    assert data.again[0].at_ns == data.registers_ns


async def test_two_looks_are_granted_at_most(tmp_path: Path) -> None:
    person = Person("1", "2")
    data = await read("visual://?reading=3", ask=person, second_look=lambda _: ("display 1",))
    assert [look.registers[0].raw for look in data.again] == ["1", "2"]
    assert data.again[0].at_ns < data.again[1].at_ns


async def test_an_answer_that_makes_no_sense_costs_no_reading() -> None:
    data = await read("visual://?reading=3", ask=Person("a", "b", "c"), second_look=doubt("display 1"))
    assert (data.registers[0].raw, data.again) == ("3", ())
    data = await read("visual://?reading=3", ask=Person(None), second_look=doubt("display 1"))
    assert data.again == ()
    data = await read("visual://?reading=3", second_look=doubt("display 1"))
    assert data.again == ()


# -- evidence


async def test_photographs_are_named_with_their_hash(tmp_path: Path) -> None:
    (tmp_path / "front.jpg").write_bytes(b"jpeg")
    os.mkfifo(tmp_path / "pipe.jpg")
    data = await read(filed(tmp_path, GOOD, photos=["front.jpg", "gone.jpg", "pipe.jpg"], trouble=[], remark=None))
    digest = hashlib.sha256(b"jpeg").hexdigest()
    assert data.photos == (f"front.jpg sha256:{digest}", "gone.jpg", "pipe.jpg")
    assert [(p.what, p.lost) for p in data.problems] == [("photo gone.jpg", False), ("photo pipe.jpg", False)]


async def test_the_recording_holds_what_was_brought_asked_and_said(tmp_path: Path) -> None:
    record = tmp_path / "visit.rec"
    await read("visual:", ask=Person("77", "1", "2"), second_look=doubt("display 1"), record=record)
    [session] = read_sessions(record)
    said = [(r.direction, json.loads(r.octets or b"")) for r in session.records if isinstance(r, Octets)]
    assert [direction for direction, _ in said] == ["<", ">", "<", ">", "<", ">", "<"]
    assert [content["text"] for direction, content in said[1:] if direction == "<"] == ["77", "1", "2"]
    assert b'"event":"close"' in record.read_bytes()
