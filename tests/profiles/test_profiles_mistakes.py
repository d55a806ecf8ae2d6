"""Each kind of mistake in a profile is named with file, line and key, with the bad value and what is allowed."""

from pathlib import Path

import pytest

from drivers.errors import UsageError
from drivers.profiles import load_profile

GOOD = """\
name = "acme-sx"
title = "Acme SX"
status = "not tried on hardware"

[detect]
manufacturer = "ACME"
model = ["SX*", "SY?"]
firmware = { min = "2", max = "3.9" }

[psem]
packet_size = 512
bauds = [19200]

[c1219]
scaling = "multiply"

[c1219.channel_status]
9 = "missing"

[c1219.event_names]
20 = "cover"

[c1219.override]
"ST61.sets[0].nbr_blk_ints" = 96

[line]
dtr = "on"

[displays]
dials_at = { table = "MT16", offset = 3 }

[[manufacturer_table]]
number = 16
name = "Display"
[[manufacturer_table.field]]
name = "boards"
type = "U8"
[[manufacturer_table.field]]
name = "board"
type = "RECORD"
count = "boards"
[[manufacturer_table.field.field]]
name = "kind"
type = "U16"
scale = "0.1"
[[manufacturer_table.field.field]]
name = "flags"
type = "BITS8"
bits = { lock = 0, mode = [1, 3] }
[[manufacturer_table.field]]
name = "power"
type = "I32"
unit = "kW"
offset = 200
register = { quantity = "kW", direction = "net", kind = "instantaneous" }

[[fact]]
fact = "Dials are in MT16."
source = "Acme manual"
url = "https://example.org/acme"
keys = ["displays.dials_at"]

[[proof]]
recording = "acme-sx/full.rec"
meter_id = "1234"
[[proof.register]]
quantity = "kWh"
direction = "delivered"
value = "12345.678"
unit = "kWh"
"""

MISTAKES = [
    ('status = "not tried', 'state = "not tried', r"line 3: `state`: unknown key .*known keys: name, title, status"),
    ('status = "not tried on hardware"\n', "", r": the key `status` is missing"),
    ("not tried on hardware", "works", r'line 3: `status`: .*it is "works"; allowed: "not tried on hardware" or'),
    ("not tried on hardware", "tried on hardware:", r"line 3: `status`"),
    ("acme-sx", "Acme SX", r"line 1: `name`: .*small letters, digits and single hyphens"),
    ("acme-sx", "acme-sy", r'line 1: `name`: is "acme-sy", but the file is called acme-sx\.toml'),
    ("packet_size = 512", "packet_size = 9000", r"line 11: `psem\.packet_size`: .*it is 9000; .*from 32 to 8192"),
    ("packet_size = 512", 'packet_size = "512"', r'line 11: `psem\.packet_size`: .*it is "512"; .*whole number'),
    ("packet_size = 512", "packet_size = true", r"line 11: `psem\.packet_size`: .*it is true"),
    (
        "packet_size = 512",
        "packet_sise = 512",
        r"line 11: `psem\.packet_sise`: unknown key \(did you mean `packet_size`",
    ),
    ("[19200]", "[19200, 56200]", r"line 12: `psem\.bauds\[1\]`: .*it is 56200; allowed: .*57600"),
    ("[19200]", "19200", r"line 12: `psem\.bauds`: .*it is 19200; allowed: a list of: "),
    ('"multiply"', '"mulitply"', r'line 15: `c1219\.scaling`: .*it is "mulitply"; allowed: "multiply", "none", "undo"'),
    ('dtr = "on"', "dtr = true", r'line 27: `line\.dtr`: .*it is true; allowed: "leave", "off", "on"'),
    ('"MT16", offset', '"T16", offset', r'`displays\.dials_at\.table`: .*text like "ST04" or "MT16"'),
    ("offset = 3", "offset = -1", r"`displays\.dials_at\.offset`: .*it is -1; .*from 0 to 65535"),
    ('manufacturer = "ACME"', "", r"line 5: `detect`: the key `manufacturer` is missing"),
    ('"SY?"', '"S[XY]"', r"line 7: `detect\.model\[1\]`: .*1 to 32 characters; \* stands for any text"),
    ('"SX*", "SY?"', "", r"line 7: `detect\.model`"),
    ('min = "2"', 'min = "2.0.1"', r'`detect\.firmware\.min`: .*text like "3" or "3\.10"'),
    ('min = "2"', 'min = "4"', r'line 8: `detect\.firmware`: min "4" is above max "3\.9"'),
    (
        'keys = ["dis',
        'keys = ["psem.packets", "dis',
        r'line 61: `fact\[0\]\.keys`: this profile sets no "psem\.packets"',
    ),
    ("https://example", "example", r"line 60: `fact\[0\]\.url`: .*begins with https://"),
    ("acme-sx/full.rec", "../secret.rec", r"line 64: `proof\[0\]\.recording`: .*below tests/recordings/"),
    ('"12345.678"', "12345.678", r"line 69: `proof\[0\]\.register\[0\]\.value`: .*a decimal as text"),
    ("[[proof.register]]", "[[proof.registers]]", r"`proof\[0\]\.registers`: unknown key .*did you mean `register`"),
    (
        "[[fact]]",
        '[[manufacturer_table]]\nnumber = 16\nname = "Again"\n\n[[fact]]',
        r"line 58: `manufacturer_table\[1\]\.number`: 16 is described twice",
    ),
    ("[psem]", "[psem", r"is not TOML: .*line 10"),
    ('9 = "missing"', '16 = "missing"', r"line 18: `c1219\.channel_status\.16`: is no status nibble .*1 to 15"),
    ('9 = "missing"', '9 = "lost"', r"`c1219\.channel_status.*`: .*it is .*; allowed: .*"),
    ('20 = "cover"', '2048 = "cover"', r"line 21: `c1219\.event_names\.2048`: is no event code .*0 to 2047"),
    ('"ST61.sets[0].nbr_blk_ints"', '"sets"', r"line 24: `c1219\.override\.sets`: write it as table and field"),
    ("ST61.sets[0].nbr_blk_ints", "ST61.sets[0].blocks", r"line 24: .*there is no blocks; there are: nbr_blks, nbr_b"),
    ("ST61.sets[0]", "ST99.sets[0]", r"line 24: .*ST99 is not a table that is decoded"),
    ('nbr_blk_ints" = 96', 'nbr_blk_ints" = 65536', r"line 24: .*65536 does not fit the field"),
    ('nbr_blk_ints" = 96', 'nbr_blk_ints" = 0.5', r"`c1219\.override.*`"),
    (
        '"multiply"',
        '"multiply"\ntables_absent = ["ST28", "ST00"]',
        r"line 16: `c1219\.tables_absent\[1\]`: no meter can be read without ST00",
    ),
    (
        '"multiply"',
        '"multiply"\ntables_absent = ["ST28"]\ntables_present = ["ST28"]',
        r"line 16: `c1219\.tables_absent\[0\]`: ST28 is also in tables_present",
    ),
    (
        '"multiply"',
        '"multiply"\nregister_scale = "0.000"',
        r"line 16: `c1219\.register_scale`: .*a factor above 0 as text",
    ),
    ('"multiply"', '"multiply"\nregister_scale = 0.1', r"line 16: `c1219\.register_scale`: .*a factor above 0 as text"),
    ('name = "flags"', 'name = "kind"', r'line 47: .*field\[1\]\.field\[1\]\.name`: "kind" is there twice'),
    (
        '"U16"',
        '"U17"',
        r'line 44: `manufacturer_table\[0\]\.field\[1\]\.field\[0\]\.type`: there is no type "U17"; allowed: U8 ',
    ),
    ('count = "boards"', 'count = "board"', r'line 41: .*count`: "board" is no earlier field; there are: boards'),
    ('count = "boards"', 'count = "rest"', r"line 41: .*count`: only the last field of a table can go on to its end"),
    ("mode = [1, 3]", "mode = [0, 3]", r"line 49: .*bits\.mode`: shares bits with lock"),
    ("mode = [1, 3]", "mode = [3, 8]", r"line 49: .*bits\.mode`: bits 3 to 8 are not in BITS8"),
    ("mode = [1, 3]", "mode = [1]", r"line 49: .*bits.*the first and the last bit"),
    ('"BITS8"', '"U8"', r"line 49: .*bits`: only BITS8, BITS16, BITS24 and BITS32 have them"),
    ('type = "RECORD"', 'type = "U8"', r"line 42: .*field`: only a RECORD has fields"),
    ('"U16"\nscale', '"CHAR2"\nscale', r"line 45: .*scale`: only a number has it"),
    ('"0.1"', '"0.1"\nnames = { 1 = "on" }', r"line 46: .*names`: a number with names has no scale"),
    ('"0.1"', '"0.0"', r"line 45: .*scale`: a scale of 0 leaves nothing"),
    ('"0.1"', "0.1", r"line 45: .*scale`: .*a decimal as text"),
    ('unit = "kW"\n', "", r"line 54: .*register`: a register needs the key `unit` beside it"),
    ('"I32"', '"LTIME"', r"line 55: .*register`: only a number has it"),
    ("offset = 200", "count = 2", r"line 55: .*register`: only a single field of the table itself can be a register"),
    ("offset = 200", "offset = 0", r"line 54: .*field\[2\]\.offset`: lies on boards"),
    ("offset = 200", "offset = 65533", r"line 50: .*field\[2\]`: ends at octet 65537; no table is longer than 65535"),
    ('name = "power"', 'name = "Power"', r"line 51: .*name`: .*small letters, digits and _"),
    ('quantity = "kW", ', "", r"register`: the key `quantity` is missing"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "acme-sx.toml"


def test_the_example_is_right(file: Path) -> None:
    file.write_text(GOOD)
    assert load_profile(file).proof[0].register[0].value == "12345.678"


@pytest.mark.parametrize(("good", "bad", "message"), MISTAKES, ids=[f"{row[2][:60]}" for row in MISTAKES])
def test_a_mistake_is_named(file: Path, good: str, bad: str, message: str) -> None:
    assert good in GOOD
    file.write_text(GOOD.replace(good, bad, 1))
    with pytest.raises(UsageError, match=rf"profile .*acme-sx\.toml.*{message}"):
        load_profile(file)


def test_a_long_wrong_value_is_cut(file: Path) -> None:
    file.write_text(GOOD.replace('"ACME"', f'"{"A" * 500}"'))
    with pytest.raises(UsageError) as caught:
        load_profile(file)
    assert len(str(caught.value)) < 600


def test_a_wrong_key_of_a_table_with_free_keys_is_named(file: Path) -> None:
    file.write_text(GOOD.replace("bits = { lock", "bits = { Lock"))
    with pytest.raises(
        UsageError, match=r'line 49: .*\.bits`: .*one of its keys is wrong: "Lock", "mode"; allowed: small'
    ):
        load_profile(file)
