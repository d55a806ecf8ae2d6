"""Real multimon-ng on generated audio: from the bits of a meter's page to receptions of its value."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.cli import listen
from agent.clock.system import SystemClock
from agent.listening import pager
from agent.listening.pager import PagerEar
from agent.listening.plan import parse_plan
from agent.listening.reception import Reception, Refused
from drivers.pager.formats import load_format
from drivers.pager.multimon import Multimon
from drivers.pager.multimon_lines import HeardPage, read_line
from drivers.pager.multimon_programs import AudioFile, Coding, Decoder
from metersim.cli import main
from metersim.pages.audio import Channel, samples
from metersim.pages.transmission import Page

pytestmark = pytest.mark.skipif(shutil.which("multimon-ng") is None, reason="multimon-ng is not installed")

RIC = 1234567
PLAN = parse_plan(f"meter_id,message,address,multiplier\n123456,pager,{RIC},40\n".encode(), "plan")
TEXT = load_format("ascii-checked").compose({"meter": "00123456", "energy": "0045678.9", "taken": "20261121T2000"})


def written(directory: Path, pages: list[list[Page]], channel: Channel) -> Path:
    path = directory / "audio.raw"
    path.write_bytes(b"".join(samples(pages, channel)))
    return path


async def heard(audio: Path, coding: Coding = "alpha", *, inverted: bool = False) -> list[HeardPage]:
    decoded = Multimon(AudioFile(audio), Decoder(coding, inverted=inverted), SystemClock().boottime_ns)
    async with aclosing(decoded.lines()) as lines:
        return [page async for line in lines if (page := read_line(line.octets)) is not None]


async def received(audio: Path) -> list[Reception | Refused]:
    ear = PagerEar(PLAN, SystemClock(), AudioFile(audio), zone=ZoneInfo("America/Denver"))
    async with aclosing(ear.receptions()) as receptions:
        return [one async for one in receptions]


@pytest.mark.parametrize("rate", [512, 1200, 2400])
async def test_every_rate_and_coding_is_heard(tmp_path: Path, rate: int) -> None:
    pages = [
        [Page(RIC, 3, TEXT)],
        [Page(2000008, 0, "0123456", "numeric")],
        [Page(77, 1, coding="tone")],
        [Page(8, 2, "A" * 240)],
    ]
    found = await heard(written(tmp_path, pages, Channel(rate=rate)), "auto")
    assert [(page.address, page.function, page.coding, page.text) for page in found] == [
        (RIC, 3, "alpha", TEXT),
        (2000008, 0, "numeric", "0123456"),
        (8, 2, "alpha", "A" * 240),
    ]


async def test_control_characters_come_through(tmp_path: Path) -> None:
    text = "".join(map(chr, range(1, 128)))
    [page] = await heard(written(tmp_path, [[Page(RIC, 3, text)]], Channel()))
    assert page.text == text


async def test_several_pages_in_one_transmission(tmp_path: Path) -> None:
    pages = [Page(RIC + k, 3, f"page {k}") for k in range(10)]
    found = await heard(written(tmp_path, [pages], Channel()))
    assert [(page.address, page.text) for page in found] == [(page.address, page.text) for page in pages]


@pytest.mark.parametrize("errors", [1, 2])
async def test_wrong_bits_are_corrected(tmp_path: Path, errors: int) -> None:
    found = await received(written(tmp_path, [[Page(RIC, 3, TEXT)]] * 3, Channel(bit_errors=errors, seed=errors)))
    assert [one.count for one in found if isinstance(one, Reception)] == [Decimal("45678.9")] * 3


@pytest.mark.parametrize("clock_error", [-0.005, 0.005])
async def test_a_sender_that_is_fast_or_slow_is_heard(tmp_path: Path, clock_error: float) -> None:
    found = await heard(written(tmp_path, [[Page(RIC, 3, TEXT)]] * 3, Channel(clock_error=clock_error)))
    assert [page.text for page in found] == [TEXT] * 3


async def test_polarity_is_a_setting(tmp_path: Path) -> None:
    audio = written(tmp_path, [[Page(RIC, 3, TEXT)]], Channel(inverted=True))
    assert await heard(audio) == []
    assert TEXT in [page.text for page in await heard(audio, inverted=True)]


async def test_at_the_edge_of_reception_no_wrong_value_gets_in(tmp_path: Path) -> None:
    """At 4 to 6 dB multimon-ng prints damaged texts; what is not refused must be the true value."""
    pages = [[Page(RIC, 3, TEXT)]] * 40
    counts, refused = [], []
    for snr_db in (4, 5, 6):
        audio = written(tmp_path, pages, Channel(rate=2400, snr_db=snr_db, gap_s=0.1, seed=snr_db))
        found = await received(audio)
        counts += [one.count for one in found if isinstance(one, Reception)]
        refused += [one.reason for one in found if isinstance(one, Refused)]
    assert set(counts) == {Decimal("45678.9")}
    assert set(refused) <= set(pager.REFUSALS)
    assert refused, "these seeds damage pages"


async def test_noise_alone_is_no_page(tmp_path: Path) -> None:
    found = await received(written(tmp_path, [], Channel(snr_db=0, gap_s=5)))
    assert not [one for one in found if isinstance(one, Reception)]


async def test_the_commands_audio_is_heard(tmp_path: Path) -> None:
    audio = tmp_path / "audio.raw"
    reading = f"{RIC}:ascii-checked:meter=00123456,energy=0045678.9,taken=20261121T2000"
    await _run("--reading", reading, "--page", "2000008:HELLO", "--times", "2", "--snr", "20", "--output", str(audio))
    found = await received(audio)
    assert [one.reason if isinstance(one, Refused) else one.count for one in found] == [
        *(pager.FOREIGN, Decimal("45678.9"), pager.FOREIGN, Decimal("45678.9")),
    ]


async def _run(*options: str) -> None:
    assert await asyncio.to_thread(main, ["pages", *options]) == 0


def test_from_audio_to_the_reading_of_a_planned_meter(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`mrsp listen pager`: two pages that agree are a reading; one alone, a foreign one and a damaged one are none."""
    other = load_format("ascii-checked").compose({"meter": "00000077", "energy": "0000001.0", "taken": "20261121T2000"})
    pages = [
        Page(RIC, 3, TEXT),
        Page(2000008, 3, other),
        Page(2000009, 3, TEXT),
        Page(RIC, 3, TEXT.replace("45", "46")),
    ]
    audio = written(tmp_path, [[page] for page in (*pages, pages[0])], Channel())
    plan = tmp_path / "plan.csv"
    plan.write_text(
        f"meter_id,message,address,multiplier\n123456,pager,{RIC},40\n77,pager,2000008,\n78,pager,2000010,\n"
    )
    parser = argparse.ArgumentParser()
    listen.add_arguments(parser)
    options = ["pager", "--audio", str(audio), "--plan", str(plan), "--no-clock-check", "--format", "json"]
    assert listen.run(parser.parse_args(options)) == 0
    printed, told = capfd.readouterr()
    [reading] = [json.loads(line) for line in printed.splitlines()]
    assert (reading["method"], reading["authenticated"], reading["heard"]["count"]) == ("pager", False, 2)
    assert (reading["meter"]["meter_id"], reading["meter"]["profile"]) == ("123456", "ascii-checked")
    [register] = reading["registers"]
    assert (register["raw"], register["value"]) == ("0045678.9", "1827156")
    assert "unheard: 78 (pager)" in told
    assert pager.WRONG_CHECK in told
    assert pager.FOREIGN in told
