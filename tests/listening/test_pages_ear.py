"""The ear for pages: what is let in, what is refused and why, and what a page comes to in money."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.clock.system import SystemClock
from agent.listening import pager
from agent.listening.pager import PagerEar
from agent.listening.pager_settings import PagerSettings
from agent.listening.plan import ReadPlan, parse_plan
from agent.listening.reception import Confirmed, Reception, Refused
from drivers.errors import UsageError
from drivers.pager.formats import load_format
from drivers.pager.multimon_programs import AudioFile, Decoder
from drivers.toml_library import SHIPPED
from tests.pager.format_text import PLAIN, written

HEADER = b"meter_id,message,address,format,multiplier,unit,dials\n"
RIC = 1234567
TWO = PLAIN.replace("E={energy}", "E={energy} P={peak}").replace(
    "[[example]]",
    '[reply.field.peak]\nkind = "decimal"\nwhole = 2\ndecimals = 3\n\n'
    '[[reply.register]]\nfield = "peak"\nquantity = "kW"\ndirection = "delivered"\nkind = "demand"\n\n[[example]]',
)
TWO = TWO.replace("E=345.60 C=CA97", "E=345.60 P=01.250 C=0F9F").replace(
    'energy = "345.6"', 'energy = "345.6", peak = "1.25"'
)


def plan(*lines: str) -> ReadPlan:
    return parse_plan(HEADER + "\n".join(lines).encode(), "plan")


def said(meter: str = "00123456", energy: str = "0045678.9", taken: str = "20261121T2000") -> str:
    return load_format("ascii-checked").compose({"meter": meter, "energy": energy, "taken": taken})


def line(text: str, ric: int = RIC, function: int = 3, coding: str = "Alpha:   ") -> str:
    return f"POCSAG1200: Address: {ric:7d}  Function: {function}  {coding}{text}<NUL>"


async def heard(
    directory: Path, read_plan: ReadPlan, *lines: str, dirs: tuple[Path, ...] = ()
) -> tuple[PagerEar, list[Reception | Refused]]:
    """Let an ear hear these lines of a program that prints them."""
    printed = directory / "lines"
    printed.write_text("".join(f"{one}\n" for one in lines))
    program = directory / "multimon"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\ncat {printed}\n")
    program.chmod(0o700)
    audio = directory / "audio"
    audio.write_bytes(bytes(100))
    zone = ZoneInfo("America/Denver")
    ear = PagerEar(
        read_plan, SystemClock(), AudioFile(audio), decoder=Decoder(program=str(program)), profile_dirs=dirs, zone=zone
    )
    async with aclosing(ear.receptions()) as receptions:
        return ear, [one async for one in receptions]


async def reasons(directory: Path, read_plan: ReadPlan, *lines: str) -> list[str]:
    _, found = await heard(directory, read_plan, *lines)
    return [one.reason if isinstance(one, Refused) else one.meter_id for one in found]


async def test_a_page_of_a_planned_meter(tmp_path: Path) -> None:
    planned = plan(f"123456,pager,{RIC},,40,,6")
    ear, [one] = await heard(tmp_path, planned, line(said()))
    assert isinstance(one, Reception)
    assert (one.message, one.meter_id, one.count) == ("pager", "123456", Decimal("45678.9"))
    assert (one.wrap, one.step) == (Decimal(10**7), Decimal("0.1"))
    assert one.line == line(said()).encode()
    data = ear.data(Confirmed(planned.meters[0], one, (one,), datetime.now(UTC)))
    assert (data.method, data.authenticated, data.profile) == ("pager", False, "ascii-checked")
    assert data.identity.meter_id == "123456"
    [register] = data.registers
    assert (register.raw, register.multiplier, register.value, register.unit, register.digits) == (
        *("0045678.9", Decimal(40), Decimal(1827156), "kWh", 6),
    )
    assert [(p.what, p.reason, p.lost) for p in data.problems] == [
        ("time in the message", "the meter says 2026-11-21T20:00:00Z", False)
    ]


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        (line(said(), ric=1234568), pager.FOREIGN),
        (line(said(), function=2), pager.OTHER_FUNCTION),
        (line("0123", coding="Numeric: ").removesuffix("<NUL>"), pager.OTHER_CODING),
        (f"POCSAG1200: Address: {RIC:7d}  Function: 3 ", pager.NO_TEXT),
        (line(said().replace("45678.9", "45678.8")), pager.WRONG_CHECK),
        (line(said().replace("45678.9", "4567<NUL>.9")), pager.WRONG_FORM),
        (line("HELLO"), pager.WRONG_FORM),
        (line(said("00000077")), pager.OTHER_METER),
        (line(said("00000099")), "99"),
        ("usage: multimon-ng", pager.NO_PAGE),
        ("x" * 5000, pager.TOO_LONG),
    ],
)
async def test_what_is_not_as_planned_is_refused_by_name(tmp_path: Path, printed: str, reason: str) -> None:
    meters = plan(f"123456,pager,{RIC},,,,", "77,pager,2000008,,,,")
    assert reason in await reasons(tmp_path, meters, printed, line(said()))
    assert reason in pager.REFUSALS or reason == "99"  # a meter that is not planned is for the board to count


def test_the_zone_that_a_message_needs_is_asked_for_at_the_start(tmp_path: Path) -> None:
    shipped = (SHIPPED / "pager" / "ascii-checked.toml").read_text()
    text = shipped.replace('zone = "UTC"', 'zone = "site"').replace("ascii-checked", "local-times")
    written(tmp_path, text, "local-times")
    meters = plan(f"123456,pager,{RIC},local-times,,,")
    with pytest.raises(UsageError, match="zone of the site"):
        PagerEar(meters, SystemClock(), AudioFile(tmp_path / "audio"), profile_dirs=[tmp_path])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"1,pager,{RIC},nonesuch,,,", "no message format is called 'nonesuch'"),
        ("ABC,pager,,,,,", "'ABC' is no address of a pager"),
        ("1,pager,7,,,,", "is no address of a pager"),
        ("1,scm,,,,,", "no meter with the message `pager`"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_at_the_start(tmp_path: Path, row: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        PagerEar(plan(row), SystemClock(), AudioFile(tmp_path / "audio"))


def test_formats_without_a_check_are_not_listened_for(tmp_path: Path) -> None:
    check = '[reply.field.check]\nkind = "check"\nalgorithm = "crc16-arc"\n'
    text = PLAIN.replace(check, "").replace("{[}", "").replace("{]} C={check}", "").replace(" C=CA97", "")
    written(tmp_path, text)
    with pytest.raises(UsageError, match="has no check value"):
        PagerEar(plan(f"12,pager,{RIC},plain,,,"), SystemClock(), AudioFile(tmp_path), profile_dirs=[tmp_path])


def test_multipliers_belong_into_the_plan(tmp_path: Path) -> None:
    text = PLAIN.replace('direction = "delivered"', 'direction = "delivered"\nmultiplier = "10"')
    written(tmp_path, text.replace('energy = "345.6"', 'energy = "3456"'))
    with pytest.raises(UsageError, match="has a multiplier"):
        PagerEar(plan(f"12,pager,{RIC},plain,,,"), SystemClock(), AudioFile(tmp_path), profile_dirs=[tmp_path])


async def test_further_registers_are_taken_when_a_second_page_says_the_same(tmp_path: Path) -> None:
    two_registers(tmp_path)
    made = load_format("plain", [tmp_path])
    first, second, third = (
        line(made.compose({"meter": "0012", "energy": energy, "peak": peak}))
        for energy, peak in (("345.60", "01.250"), ("345.61", "01.250"), ("345.62", "01.300"))
    )
    planned = plan(f"0012,pager,{RIC},plain,40,,")
    ear, found = await heard(tmp_path, planned, first, second, third, dirs=(tmp_path,))
    receptions = tuple(one for one in found if isinstance(one, Reception))
    assert len(receptions) == 3
    agreed = ear.data(Confirmed(planned.meters[0], receptions[1], receptions[:2], datetime.now(UTC)))
    assert [(r.quantity, r.kind, r.value) for r in agreed.registers] == [
        ("kWh", "cumulative", Decimal("13824.4")),
        ("kW", "demand", Decimal(50)),
    ]
    odd = ear.data(Confirmed(planned.meters[0], receptions[2], receptions, datetime.now(UTC)))
    assert [r.quantity for r in odd.registers] == ["kWh"]
    assert [(p.what, p.lost) for p in odd.problems] == [("peak", True)]


async def test_a_multiplier_into_another_unit_is_of_the_first_register_only(tmp_path: Path) -> None:
    two_registers(tmp_path)
    made = load_format("plain", [tmp_path])
    one = line(made.compose({"meter": "0012", "energy": "345.60", "peak": "01.250"}))
    planned = plan(f"0012,pager,{RIC},plain,0.001,MWh,")
    ear, found = await heard(tmp_path, planned, one, one, dirs=(tmp_path,))
    receptions = tuple(each for each in found if isinstance(each, Reception))
    data = ear.data(Confirmed(planned.meters[0], receptions[1], receptions, datetime.now(UTC)))
    assert [(r.quantity, r.unit, r.value) for r in data.registers] == [("MWh", "MWh", Decimal("0.3456"))]
    assert "multiplier is for MWh" in data.problems[0].reason


def two_registers(directory: Path) -> None:
    try:
        load_format("plain", [_written(directory, TWO)])
    except UsageError as error:
        right = error.message.rpartition(" gives ")[2]
        _written(directory, TWO.replace("0F9F", right))


def _written(directory: Path, text: str) -> Path:
    written(directory, text)
    return directory


def test_settings_of_a_fixed_receiver() -> None:
    settings = PagerSettings(plan="plan.csv", frequency=929_612_500, gain="40.2", rates=(1200,), inverted=True)
    assert "929612500" in settings.receiver.command()
    assert "-i" in settings.decoder.command()
    assert "FLEX" not in settings.decoder.command()
    for wrong in ({"device": "-x"}, {"gain": "loud"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            PagerSettings(plan="plan.csv", frequency=929_612_500, **wrong)  # type: ignore[arg-type]


async def test_thousands_of_foreign_pages_are_refused_one_by_one(tmp_path: Path) -> None:
    lines = [line("noise", ric=2000000 + k) for k in range(10_000)]
    found = await reasons(tmp_path, plan(f"123456,pager,{RIC},,,,"), *lines, line(said()))
    assert found.count(pager.FOREIGN) == 10_000
    assert found[-1] == "123456"
