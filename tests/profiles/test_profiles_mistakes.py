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

[line]
dtr = "on"

[displays]
dials_at = { table = "MT16", offset = 3 }

[[manufacturer_table]]
number = 16
name = "Display"

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
    ('dtr = "on"', "dtr = true", r'line 18: `line\.dtr`: .*it is true; allowed: "leave", "off", "on"'),
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
        r'line 31: `fact\[0\]\.keys`: this profile sets no "psem\.packets"',
    ),
    ("https://example", "example", r"line 30: `fact\[0\]\.url`: .*begins with https://"),
    ("acme-sx/full.rec", "../secret.rec", r"line 34: `proof\[0\]\.recording`: .*below tests/recordings/"),
    ('"12345.678"', "12345.678", r"line 39: `proof\[0\]\.register\[0\]\.value`: .*a decimal as text"),
    ("[[proof.register]]", "[[proof.registers]]", r"`proof\[0\]\.registers`: unknown key .*did you mean `register`"),
    (
        "[[fact]]",
        '[[manufacturer_table]]\nnumber = 16\nname = "Again"\n\n[[fact]]',
        r"line 28: `manufacturer_table\[1\]\.number`: 16 is described twice",
    ),
    ("[psem]", "[psem", r"is not TOML: .*line 10"),
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
