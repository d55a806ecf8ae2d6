"""Single conclusions of `mrsp profile learn`, from exchanges and blocks made by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

import pytest

from drivers.c1219 import Block, Closure, Context, ProfileData, block_layout, encode
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade2 as d2
from drivers.c1219 import decade5 as d5
from drivers.c1219.blocks import BlockLayout
from drivers.learn.clock import of_clock
from drivers.learn.dimensions import of_dimensions
from drivers.learn.lesson import Lesson
from drivers.learn.line import of_line
from drivers.learn.profile_data import of_profile
from drivers.learn.tables import manufacturer_tables, of_tables
from drivers.learn.writing import Draft, as_toml
from drivers.profiles import profile_of_text
from drivers.psem.codes import ResponseCode
from drivers.psem.overheard import Exchange, Overheard, Read, Sighting
from drivers.psem.packet import Packet
from drivers.psem.services import FullRead, Negotiate, OffsetRead, Request
from tests.c1219.meter_maker import DAY, MeterMaker, block, utc, wall


def sighting(ms: int) -> Sighting:
    return Sighting(Packet(b"x"), b"", 1, 1, ms * 1_000_000)


def exchange(request: Request | None, answer: bytes = b"\0", *, ms: int = 5, doubtful: bool = False) -> Exchange:
    asked = () if request is None else (sighting(0),)
    return Exchange(request, asked, answer, (sighting(ms),), doubtful)


def read(table: int, offset: int, count: int) -> Read:
    request = OffsetRead(table, offset, count)
    return Read(table, offset, bytes(count), whole=False, exchange=exchange(request))


def of_key(lessons: list[Lesson], key: str) -> Lesson:
    return [one for one in lessons if one.key == key][-1]


def test_long_reads_that_are_refused_where_shorter_ones_are_not() -> None:
    refused: list[tuple[Request, int]] = [(OffsetRead(64, 0, 2000), 5), (OffsetRead(64, 0, 1000), 5)]
    lesson = of_key(of_line(Overheard(reads=[read(64, 0, 500), read(64, 500, 250)], refused=refused)), "c1219.max_read")
    assert (lesson.sure, lesson.value) == ("likely", 500)
    assert "ST64: 500 octets were served at once, 1000 refused" in lesson.seen


def test_a_table_that_is_refused_altogether_says_nothing_of_long_reads() -> None:
    overheard = Overheard(reads=[read(23, 0, 80)], refused=[(OffsetRead(64, 0, 2000), 5), (FullRead(9), 5)])
    assert of_key(of_line(overheard), "c1219.max_read").value is None


@pytest.mark.parametrize(
    ("answers", "sure", "value"),
    [
        ([b"\x02"], "sure", False),
        ([b"\x02", bytes.fromhex("00004002")], "sure", None),
        ([b"\x0b"], "open", None),
        ([], "open", None),
    ],
)
def test_negotiate(answers: list[bytes], sure: str, value: object) -> None:
    exchanges = [exchange(Negotiate(1024, 255), answer) for answer in answers]
    lesson = next(one for one in of_line(Overheard(exchanges)) if one.key in {"psem.negotiate", "psem.packet_size"})
    assert (lesson.sure, lesson.value) == (sure, value)


def test_a_slow_meter_gets_more_time() -> None:
    lesson = of_key(
        of_line(Overheard([exchange(FullRead(1), ms=20), exchange(FullRead(5), ms=1700)])), "psem.response_ms"
    )
    assert (lesson.sure, lesson.value) == ("likely", 3500)


def test_damage_leaves_the_pause_open() -> None:
    assert of_key(of_line(Overheard([exchange(FullRead(1))], damaged=3)), "psem.turnaround_ms").sure == "open"


@pytest.mark.parametrize(("answer", "sure"), [(b"\0", "sure"), (b"\x01", "open"), (b"\x03", "open")])
def test_what_became_of_the_password(answer: bytes, sure: str) -> None:
    lesson = of_key(of_line(Overheard([exchange(None, answer)])), "psem.password_padding")
    assert (lesson.sure, lesson.value) == (sure, None)


@dataclass
class Told:
    """As much of a told-again visit as the conclusions on a profile look at."""

    context: Context
    table: bytes
    pieces: dict[int, Any] = field(default_factory=lambda: {64: ()})

    def octets(self, _table: int, offset: int, length: int) -> bytes | None:
        piece = self.table[offset : offset + length]
        return piece if len(piece) == length else None


def profile_lessons(maker: MeterMaker, table: bytes) -> list[Lesson]:
    return of_profile(cast(Any, Told(maker.context, table)))


def written(maker: MeterMaker, *, high_first: bool = True) -> bytes:
    layout = replace(block_layout(maker.context, 1), high_first=high_first)
    return b"".join(layout.encode(one) for one in maker.blocks)


def with_status(end: str, nibbles: bytes) -> Block:
    return Block(end_time=wall(end), counts=((1, 2, 3, 4),), common=bytes(4), nibbles=(nibbles,))


def test_nibbles_that_only_make_sense_the_other_way_round() -> None:
    # Written low nibble first, the common nibble 9 (daylight saving, and the clock set back) looks like channel status.
    blocks = [replace(with_status(DAY + "01:00", bytes(4)), common=b"\x09" * 4)]
    maker = MeterMaker(blocks, extended_int_status=True)
    lesson = of_key(profile_lessons(maker, written(maker, high_first=False)), "c1219.status_nibbles")
    assert (lesson.sure, lesson.value) == ("likely", "low_first")


def test_nibbles_of_the_vendor_are_named() -> None:
    maker = MeterMaker([with_status(DAY + "01:00", b"\0\x0a\0\x09")], extended_int_status=True)
    maker.blocks[0] = replace(maker.blocks[0], common=b"\x09\0\0\0")  # so that neither order is free of them
    lesson = of_key(profile_lessons(maker, written(maker)), "c1219.channel_status")
    assert lesson.sure == "open"
    assert "9, 10" in lesson.seen


@pytest.mark.parametrize(("bits", "value"), [((False,) * 4, "inverted"), ((True,) * 4, None)])
def test_simple_status_is_judged_by_intervals_that_hold_counts(bits: tuple[bool, ...], value: str | None) -> None:
    blocks = [block(DAY + f"0{hour}:00", simple=bits) for hour in (1, 2)]
    maker = MeterMaker(blocks, simple_int_status=True)
    assert of_key(profile_lessons(maker, written(maker)), "c1219.simple_status").value == value


@pytest.mark.parametrize("hours", [(1, 2, 3), (3, 2, 1)])
def test_the_order_is_judged_by_the_end_times(hours: tuple[int, ...]) -> None:
    maker = MeterMaker([block(DAY + f"0{hour}:00") for hour in hours])
    lesson = of_key(profile_lessons(maker, written(maker)), "c1219.block_order")
    assert lesson.value == (None if hours == (1, 2, 3) else "descending")


def test_a_closure_field_that_the_edition_does_not_expect() -> None:
    blocks = [block(DAY + f"0{hour}:00", closures=(Closure(0, 4),)) for hour in (1, 2)]
    maker = MeterMaker(blocks, bit_12=True, general={"std_version_no": 2})
    octets = encode(ProfileData(blocks=tuple(blocks), closure=True), maker.context)
    lesson = of_key(profile_lessons(maker, octets), "c1219.closure_field")
    assert "has a closure field" in lesson.seen
    assert BlockLayout.of(maker.context, 1, closure=True).size * 2 == len(octets)


def test_two_fields_that_would_explain_a_size_are_both_named() -> None:
    context = Context().with_table(d0.GeneralConfiguration())
    limits = d2.RegistersLimits(nbr_summations=2)
    true = context.with_table(limits)
    selection = d2.DataSelection(
        summation_select=(0, 1),
        demand_select=(),
        min_or_max_flags=frozenset(),
        coincident_select=(),
        coin_demand_assoc=(),
    )
    octets = {22: encode(selection, true)}
    wrong = context.with_table(d2.RegistersLimits(nbr_summations=1))
    (lesson,) = of_dimensions(wrong, octets)
    assert (lesson.key, lesson.sure) == ("c1219.override", "likely")
    assert lesson.value == {"ST21.nbr_summations": 2}
    (lesson,) = of_dimensions(context.with_table(limits), {22: bytes(7), 23: bytes(1)})
    assert (lesson.sure, lesson.value) == ("open", None)


def test_sizes_that_fit_teach_nothing() -> None:
    assert of_dimensions(Context().with_tables(d0.GeneralConfiguration(), d2.RegistersLimits()), {}) == []


def clock_lesson(shown: datetime, box: str, **flags: bool) -> Lesson:
    context = Context().with_tables(
        d0.GeneralConfiguration(), d5.Clock(clock_calendar=shown, **flags), d5.TimeOffset(time_zone_offset=-300)
    )
    return of_clock(context, None, utc(box))


def test_the_clock_is_explained_by_one_other_sense_or_left_open() -> None:
    assert clock_lesson(wall("2026-01-10T12:00"), "2026-01-10T17:00").value is None
    assert clock_lesson(wall("2026-01-10T12:00"), "2026-01-10T12:01").value == "utc"
    assert clock_lesson(wall("2026-07-10T13:00"), "2026-07-10T17:00").sure == "open"
    assert "no other sense explains it" in clock_lesson(wall("2026-01-10T12:00"), "2026-01-11T03:30").seen


def test_a_wrong_flag_of_the_qualifier_can_explain_the_clock() -> None:
    lesson = clock_lesson(wall("2026-07-10T13:00"), "2026-07-10T17:00", tm_zn_applied=True)
    assert lesson.sure == "open"  # DST_APPLIED is missing, and DST_FLAG with it: not one flag alone
    winter = clock_lesson(wall("2026-01-10T12:00"), "2026-01-10T17:00", gmt_flag=True)
    assert "clock differs from this box by -5:00:00" in winter.seen


def test_manufacturer_tables_are_listed_with_what_was_seen() -> None:
    context = Context().with_table(d0.GeneralConfiguration(dim_mfg_tbls_used=1, mfg_tbls_used=frozenset({1, 3, 5})))
    listed = dict(manufacturer_tables(context, {2049: bytes(20)}, {2051: ResponseCode.ISC}))
    assert listed[1].startswith("20 octets: 00 00 ")
    assert listed[1].endswith("…")
    assert "ISC" in listed[3]
    assert "was not asked for" in listed[5]


def test_tables_refused_for_want_of_a_password_are_only_remarked() -> None:
    context = Context().with_table(d0.GeneralConfiguration(std_tbls_used=frozenset({0, 28, 42})))
    refused = {28: ResponseCode.IAR, 42: ResponseCode.IAR, 2050: ResponseCode.IAR}
    assert of_key(of_tables(context, refused, cleared=True), "c1219.tables_absent").value == ["ST28"]
    assert of_key(of_tables(context, refused, cleared=False), "c1219.tables_absent").value is None


def test_whatever_a_meter_says_the_text_is_toml() -> None:
    odd = 'quote " back\\slash\nnew line \x07 bell \u2028 # [x]'
    draft = Draft(
        name="acme-sx",
        title=odd,
        status="not tried on hardware",
        detect={"manufacturer": "?" * 4, "model": 'S"X\\'},
        recognised="generic-c1219",
        source=odd,
        lessons=(Lesson("c1219.block_order", odd, "likely", "descending"), Lesson("psem.toggles", odd)),
        manufacturer_tables=((1, odd),),
        problems=(odd,) * 30,
    )
    profile = profile_of_text(as_toml(draft), "acme-sx")
    assert profile.title == odd
    assert profile.c1219.block_order == "descending"
