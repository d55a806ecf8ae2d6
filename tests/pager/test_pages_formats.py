"""Message formats: what a file may say, what a message then means, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drivers.errors import DataError, UsageError
from drivers.pager.formats import MessageFormat, load_format, load_format_file, load_formats
from drivers.pager.formats_grammar import LONGEST, WrongCheck
from drivers.toml_library import SHIPPED
from tests.pager.format_text import PLAIN, changed, loaded, written

DENVER = ZoneInfo("America/Denver")
GOOD = "MTR=00123456 KWH=0045678.9 T=19991231T2359 CK=7CAF"


# -- the format that ships


def test_every_format_that_ships_loads_and_carries_a_check() -> None:
    formats = load_formats()
    assert set(formats.names) == {path.stem for path in (SHIPPED / "pager").glob("*.toml")} >= {"ascii-checked"}
    assert all(one.checked for one in formats)


def test_the_documented_message() -> None:
    parsed = load_format("ascii-checked").parse(GOOD)
    assert parsed.meter_id == "00123456"
    assert parsed.at == datetime(1999, 12, 31, 23, 59, tzinfo=UTC)
    assert not parsed.ambiguous
    [register] = parsed.registers
    assert (register.raw, register.value, register.unit, register.direction) == (
        "0045678.9",
        Decimal("45678.9"),
        "kWh",
        "delivered",
    )
    assert register.source is not None
    where = slice(register.source.offset, register.source.offset + register.source.length)
    assert (register.source.table, register.source.octets) == ("message", b"0045678.9")
    assert GOOD.encode()[where] == register.source.octets
    assert {name: span.of(GOOD) for name, span in parsed.spans.items()} == parsed.fields


def test_what_a_two_way_meter_is_sent() -> None:
    made = load_format("ascii-checked")
    assert made.ask("00123456") == "READ MTR=00123456 CK=7E10"
    with pytest.raises(UsageError, match="'123' does not fit"):
        made.ask("123")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "at character 1 stands the end"),
        (GOOD[:-1], "4 digits of the check value"),
        (GOOD + "x", "expected its end"),
        (GOOD + "\0", "expected its end"),
        (GOOD.replace("7CAF", "7CAE"), "crc16-ibm-3740 gives 7CAF"),
        (GOOD.replace("45678.9", "45679.9"), "check value"),
        (GOOD.replace("KWH", "kWh"), "expected ' KWH='"),
        (GOOD.replace("45678.9", "4567８.9"), "not ASCII"),
        (GOOD.replace("00123456", "0012345\0"), "meter: 8 digits"),
        ("9" * (LONGEST + 1), "characters"),
    ],
)
def test_a_wrong_message_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        load_format("ascii-checked").parse(text, site_zone=UTC)


def test_a_wrong_check_is_told_from_a_wrong_form() -> None:
    made = load_format("ascii-checked")
    with pytest.raises(WrongCheck):
        made.parse(GOOD.replace("45678.9", "45679.9"), site_zone=UTC)
    with pytest.raises(DataError) as caught:
        made.parse(GOOD[:-1], site_zone=UTC)
    assert not isinstance(caught.value, WrongCheck)


# -- times


def local_times(directory: Path) -> MessageFormat:
    shipped = (SHIPPED / "pager" / "ascii-checked.toml").read_text()
    text = shipped.replace('zone = "UTC"', 'zone = "site"').replace("ascii-checked", "local-times")
    return load_format_file(written(directory, text, "local-times"))


def message(local: str) -> str:
    return load_format("ascii-checked").compose({"meter": "00123456", "energy": "0000001.0", "taken": local})


def test_the_zone_of_the_site_must_be_given(tmp_path: Path) -> None:
    made = local_times(tmp_path)
    assert made.needs_zone
    with pytest.raises(UsageError, match="zone of the site"):
        made.parse(GOOD)
    assert made.parse(GOOD, site_zone=DENVER).at == datetime(2000, 1, 1, 6, 59, tzinfo=UTC)


def test_the_repeated_hour_is_said(tmp_path: Path) -> None:
    parsed = local_times(tmp_path).parse(message("20261101T0130"), site_zone=DENVER)
    assert parsed.ambiguous
    assert parsed.at == datetime(2026, 11, 1, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize("local", ["20260308T0230", "20261301T0000", "20260230T0000", "20260101T2400", "00000101T0000"])
def test_a_time_that_does_not_exist_is_refused(tmp_path: Path, local: str) -> None:
    with pytest.raises(DataError, match="time"):
        local_times(tmp_path).parse(message(local), site_zone=DENVER)


@pytest.mark.parametrize(("year", "means"), [("90", 1990), ("99", 1999), ("00", 2000), ("89", 2089)])
def test_years_of_two_digits(tmp_path: Path, year: str, means: int) -> None:
    made = loaded(tmp_path, *WITH_TIME)
    parsed = made.parse(made.compose({"meter": "0012", "energy": "1.00", "taken": f"{year}-01-02 03:04:05"}))
    assert parsed.at == datetime(means, 1, 2, 3, 4, 5, tzinfo=UTC)


WITH_TIME = (
    ("E={energy}{]}", "E={energy} @{taken}{]}"),
    ('meter_id = "meter"', 'meter_id = "meter"\nat = "taken"'),
    (
        "[reply.field.check]",
        '[reply.field.taken]\nkind = "time"\nlayout = "YY-MM-DD hh:mm:ss"\nzone = "UTC"\n\n[reply.field.check]',
    ),
    ("M=0012 E=345.60 C=CA97", "M=0012 E=345.60 @99-12-31 23:59:00 C=1B36"),
)


# -- numbers


@pytest.mark.parametrize(
    ("field", "text", "raw", "value"),
    [
        ('kind = "digits"\nlength = 6\ndecimals = 2', "000123", "0001.23", "1.23"),
        ('kind = "digits"\nlength = 1\ndecimals = 3', "5", "0.005", "0.005"),
        ('kind = "digits"\nlength = [1, 9]', "42", "42", "42"),
        ('kind = "hex"\nlength = 4', "00fF", "255", "255"),
        ('kind = "decimal"\nwhole = 3\ndecimals = 1\npoint = ","', "012,5", "012.5", "12.5"),
        ('kind = "decimal"\nwhole = [1, 9]\nsigned = true', "-7", "-7", "-7"),
    ],
)
def test_kinds_of_numbers(tmp_path: Path, field: str, text: str, raw: str, value: str) -> None:
    made = _with_energy(tmp_path, field, text, value)
    parsed = made.parse(made.compose({"meter": "0012", "energy": text}))
    assert (parsed.registers[0].raw, parsed.registers[0].value) == (raw, Decimal(value))


def test_values_are_not_rounded(tmp_path: Path) -> None:
    text = PLAIN.replace('direction = "delivered"', 'direction = "delivered"\nmultiplier = "0.000000000000000001"')
    text = text.replace("whole = [1, 6]", "whole = 18").replace("E=345.60 C=CA97", "E=999999999999999999.99 C=C37D")
    text = text.replace('energy = "345.6"', 'energy = "0.99999999999999999999"')
    made = load_format_file(written(tmp_path, text))
    parsed = made.parse(made.compose({"meter": "0012", "energy": "999999999999999999.99"}))
    assert parsed.registers[0].value == Decimal("0.99999999999999999999")


def _with_energy(directory: Path, field: str, text: str, value: str) -> MessageFormat:
    """Return the plain format with another kind of number; its example is made by a first, refused try."""
    changes = (
        ('kind = "decimal"\nwhole = [1, 6]\ndecimals = 2', field),
        ('energy = "345.6"', f'energy = "{value}"'),
    )
    try:
        return loaded(directory, *changes, ("E=345.60 C=CA97", f"E={text} C=0000"))
    except UsageError as error:
        right = error.message.rpartition(" gives ")[2]
    return loaded(directory, *changes, ("E=345.60 C=CA97", f"E={text} C={right}"))


# -- files that make no sense


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ('name = "plain"', 'name = "other"', 1, "the file is called plain.toml"),
        ('kind = "digits"', 'kind = "regex"', 10, "regex"),
        ("length = 4", "length = 0", 11, "Expected `int` >= 1"),
        ("length = 4", "lenght = 4", 11, "unknown key"),
        ("whole = [1, 6]", "whole = [6, 1]", 15, "6 to 1 is no range"),
        ("{meter} ", "{metre} ", 6, "{metre} is no field"),
        ("{meter} ", "{meter}{meter} ", 6, "twice"),
        ("M={meter}", "M=0012", 9, "does not stand in the text"),
        ("M={meter}", "M={{meter", 9, "does not stand in the text"),
        ("M={meter}", "M={meter", 6, "a stray {"),
        ("M={meter}", "Mé{meter}", 6, "not ASCII"),
        ("{]} C", " C", 6, "go together"),
        ("{[}M={meter}", "M={meter}{[}", 6, "{meter} is not covered"),
        ("{]} C={check}", " C={check}{]}", 6, "must stand outside"),
        ('meter_id = "meter"', 'meter_id = "energy"', 7, "of the kind decimal"),
        ('meter_id = "meter"', 'meter_id = "meter"\nat = "meter"', 8, "of the kind digits"),
        ('field = "energy"', 'field = "check"', 23, "of the kind check"),
        ('field = "energy"', 'field = "power"', 23, "is no field"),
        ('direction = "delivered"', 'direction = "sideways"', 25, "Invalid enum value"),
        ('direction = "delivered"', 'direction = "delivered"\nmultiplier = "0"', 26, "leaves no value"),
        ('direction = "delivered"', 'direction = "delivered"\noccurred = "meter"', 26, "of the kind digits"),
        ("C=CA97", "C=CA98", 28, "gives CA97"),
        ('meter_id = "0012"', 'meter_id = "0013"', 29, "reads '0012'"),
        ('energy = "345.6"', 'energy = "345.7"', 30, "reads energy = 345.60"),
        ('algorithm = "crc16-arc"', 'algorithm = "crc16"', 20, "Invalid enum value"),
        ("[[example]]", "[[exampel]]", 27, "unknown key"),
    ],
)
def test_mistakes_are_named_with_file_line_and_key(tmp_path: Path, old: str, new: str, line: int, reason: str) -> None:
    path = changed(tmp_path, (old, new))
    with pytest.raises(UsageError) as caught:
        load_format_file(path)
    assert f"{path}, line {line}:" in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("length = [1, 4]", "{[}{meter}{energy}{]} C={check}"),
        ("length = [1, 4]", "{[}{meter}9{energy}{]} C={check}"),
    ],
)
def test_a_field_whose_end_cannot_be_told_is_refused(tmp_path: Path, field: str, text: str) -> None:
    with pytest.raises(UsageError, match="ends cannot be told"):
        loaded(tmp_path, ("length = 4", field), ("{[}M={meter} E={energy}{]} C={check}", text))


def test_a_message_longer_than_any_page_is_refused(tmp_path: Path) -> None:
    fields = "".join(f'[reply.field.a{k}]\nkind = "digits"\nlength = 64\n\n' for k in range(17))
    with pytest.raises(UsageError, match="can have"):
        loaded(
            tmp_path,
            ("M={meter}", "M={meter}" + "".join(f"{{a{k}}}" for k in range(17))),
            ("[reply.field.check]", fields + "[reply.field.check]"),
        )


def test_luhn_covers_digits_only(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="luhn covers digits only"):
        loaded(tmp_path, ("crc16-arc", "luhn"), ('kind = "digits"', 'kind = "letters"'))


def test_a_format_without_a_check_says_so(tmp_path: Path) -> None:
    check = '[reply.field.check]\nkind = "check"\nalgorithm = "crc16-arc"\n'
    made = loaded(
        tmp_path, ("{[}M={meter} E={energy}{]} C={check}", "M={meter} E={energy}"), (check, ""), (" C=CA97", "")
    )
    assert not made.checked
    with pytest.raises(UsageError, match="only listened to"):
        made.ask("0012")


def test_formats_are_found_by_name(tmp_path: Path) -> None:
    written(tmp_path)
    assert load_format("plain", [tmp_path]).name == "plain"
    with pytest.raises(UsageError, match="did you mean plain"):
        load_format("plian", [tmp_path])
    written(tmp_path, name="ascii-checked")
    with pytest.raises(UsageError, match="exists twice"):
        load_format("plain", [tmp_path])


def test_a_request_can_carry_the_time(tmp_path: Path) -> None:
    request = """
[request]
text = "ASK {id} {now}"
meter_id = "id"
now = "now"

[request.field.id]
kind = "letters"
length = [1, 8]

[request.field.now]
kind = "time"
layout = "YYYY-MM-DDThh:mmZ"
zone = "UTC"
"""
    made = load_format_file(written(tmp_path, PLAIN + request))
    assert made.ask("AB12", now=datetime(2026, 11, 21, 20, 5, tzinfo=UTC)) == "ASK AB12 2026-11-21T20:05Z"
    with pytest.raises(UsageError, match="none is known"):
        made.ask("AB12")
    with pytest.raises(UsageError, match="too long"):
        made.ask("no id", now=datetime(2026, 11, 21, tzinfo=UTC))


def test_every_field_of_a_request_must_mean_something(tmp_path: Path) -> None:
    request = '\n[request]\ntext = "ASK {id}"\n\n[request.field.id]\nkind = "letters"\nlength = 4\n'
    with pytest.raises(UsageError, match=r"nothing says what \{id\} takes"):
        load_format_file(written(tmp_path, PLAIN + request))
