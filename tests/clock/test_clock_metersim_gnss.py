"""`metersim gnss` itself: its sentences, its options, and how it fares as asked."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
from datetime import UTC, datetime, timedelta

import pytest

from metersim.gnss import GnssReceiver, Reception, add_arguments, reception_of, sentence, sentences, serve

NOON = datetime(2026, 3, 7, 12, tzinfo=UTC)


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_the_defaults_are_a_good_receiver() -> None:
    assert reception_of(options()) == Reception()


def test_every_option_arrives() -> None:
    words = (
        "--offset -90.5 --weeks -1024 --period 0.2 --delay 0.5 --fix 2 --fix-after 3 --lost-after 4 --frozen-after 5 "
        "--silent-after 6 --dies-after 7 --two-digit-year --damaged"
    )
    assert reception_of(options(*words.split())) == Reception(-90.5, -1024, 0.2, 0.5, 2, 3, 4, 5, 6, 7, False, True)


@pytest.mark.parametrize("words", ["--fix 4", "--period 0.01", "--period 61", "--weeks x"])
def test_bad_options_are_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(*words.split())
    assert "error" in capsys.readouterr().err


def test_a_sentence_of_the_standard() -> None:
    """The example of every description of NMEA 0183."""
    body = "GPGLL,5057.970,N,00146.110,E,142451,A"
    assert sentence(body) == b"$GPGLL,5057.970,N,00146.110,E,142451,A*27\r\n"
    assert sentence(body, damaged=True) != sentence(body)


def test_a_fix_and_none() -> None:
    good = sentences(NOON, 3, Reception()).decode().splitlines()
    assert good[0].startswith("$GPRMC,120000.00,A,3944.3500,N,10459.0900,W,0.0,0.0,070326,,,A*")
    assert good[1].startswith("$GPGGA,120000.00,3944.3500,N,10459.0900,W,1,08,")
    assert good[2].startswith("$GPGSA,A,3,02,05,")
    assert good[3].startswith("$GPZDA,120000.00,07,03,2026,00,00*")
    none = sentences(NOON, 1, Reception(year_in_full=False)).decode().splitlines()
    assert none[0].startswith("$GPRMC,120000.00,V,,,,,0.0,0.0,070326,,,N*")
    assert none[2].startswith("$GPGSA,A,1,,,,,,,,,,,,,,,*")
    assert len(none) == 3


def told(reception: Reception, periods: int) -> str:
    """The time and state of RMC, after so many periods."""
    receiver = GnssReceiver(reception)
    try:
        receiver.periods = periods
        octets = receiver.told(NOON + timedelta(seconds=periods))
    finally:
        receiver.close()
    fields = octets.decode().split(",")
    return f"{fields[1]} {fields[2]} {fields[9]}" if octets else ""


def test_how_it_fares() -> None:
    assert told(Reception(offset_s=-1.5), 0) == "115958.50 A 070326"
    assert told(Reception(weeks=-1024), 0) == "120000.00 A 220706"
    assert [told(Reception(fix_after=1), n)[10] for n in (0, 1)] == ["V", "A"]
    assert [told(Reception(lost_after=1), n)[10] for n in (0, 1)] == ["A", "V"]
    assert [told(Reception(frozen_after=1), n)[:9] for n in (0, 1, 5)] == ["120000.00", "120001.00", "120001.00"]
    assert told(Reception(silent_after=1), 1) == ""


class FirstLine(io.StringIO):
    """Tells when the path is written."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = asyncio.Event()

    def flush(self) -> None:
        self.flushed.set()


async def test_serves_until_it_dies_and_says_where_first() -> None:
    out = FirstLine()
    task = asyncio.create_task(serve(options("--period", "0.05", "--dies-after", "2"), out))
    await out.flushed.wait()
    path = out.getvalue().strip()
    line = os.open(path, os.O_RDONLY | os.O_NOCTTY)
    try:
        heard = await asyncio.to_thread(os.read, line, 4096)
        await task  # dies
    finally:
        os.close(line)
    assert heard.startswith(b"$GPRMC")


async def test_keeps_quiet_about_what_nobody_reads() -> None:
    receiver = GnssReceiver(Reception(period_s=0.05, delay_s=0, dies_after=3))
    await receiver.run()
    receiver.close()
    assert receiver.periods == 3
