"""Lines of multimon-ng: pages, and everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.pager.multimon_lines import LONGEST_LINE, HeardPage, read_line

TEXT = b"POCSAG1200: Address: 1234567  Function: 3  Alpha:   MTR=00123456 CK=7F"


@pytest.mark.parametrize(
    ("line", "page"),
    [
        (TEXT, HeardPage("pocsag", 1234567, 3, "alpha", "MTR=00123456 CK=7F")),
        (
            b"POCSAG1200: Address: 2000008  Function: 0  Numeric: 0123456   ",
            HeardPage("pocsag", 2000008, 0, "numeric", "0123456"),
        ),
        (b"POCSAG512: Address:      77  Function: 1 ", HeardPage("pocsag", 77, 1, "", None)),
        (
            b"POCSAG2400: Address: 1234567  Function: 3  Alpha:   a<CR><LF><NUL>b<NUL><NUL>",
            HeardPage("pocsag", 1234567, 3, "alpha", "a\r\n\0b"),
        ),
        (
            b"POCSAG2400: Address: 1234567  Function: 3  Alpha:   <US><DEL><X><nul>",
            HeardPage("pocsag", 1234567, 3, "alpha", "\x1f\x7f<X><nul>"),
        ),
        (
            b"FLEX|2026-11-21 20:00:00|1600/2/K/A|03.017|001234567|ALN|MTR=1|2",
            HeardPage("flex", 1234567, None, "alpha", "MTR=1|2"),
        ),
        (
            b"FLEX: 2026-11-21 20:00:00 1600/2/A 03.017 [001234567] NUM 0123",
            HeardPage("flex", 1234567, None, "numeric", "0123"),
        ),
    ],
)
def test_pages(line: bytes, page: HeardPage) -> None:
    assert read_line(line) == page
    assert read_line(line + b"\n") == page


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Enabled demodulators: POCSAG1200",
        b"2026-11-21 19:55:48: " + TEXT,
        TEXT.replace(b"Function: 3", b"Function: 4"),
        TEXT.replace(b"1234567", b"12345678"),
        TEXT.replace(b"1234567", b"-234567"),
        TEXT.replace(b"POCSAG1200", b"POCSAG9600"),
        TEXT + b"\xff",
        TEXT + b"x" * LONGEST_LINE,
        b"FLEX|2026-11-21 20:00:00|1600/2/F/A|03.017|001234567|ALN|a fragment",
        b"FLEX|2026-11-21 20:00:00|1600/2/K/A|03.017|002029570 001234567|ALN|to a group",
    ],
)
def test_everything_else_is_noise(line: bytes) -> None:
    assert read_line(line) is None


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda tail: TEXT[:47] + tail)))
def test_nothing_raises(line: bytes) -> None:
    page = read_line(line)
    assert page is None or page.text is None or page.text.isascii()
