"""What `chronyc -c tracking` may say, and a chronyc that is missing, failing, hanging or talking nonsense."""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock.chrony import ask, parse, parse_authentication
from agent.clock.instant import Instant, read_instant
from agent.clock.samples import RECEIVER, NoTime, TimeSample
from tests.clock.clock_kit import VirtualClock

# chronyc 4.3, verbatim but for the time of the last update
GOOD = (
    "C0000201,192.0.2.1,4,{updated},-0.000001707,-0.000000063,0.000000063,0.293,0.000,127.649,"
    "0.000005859,0.000131707,0.0,Normal\n"
)
UNSYNCHRONISED = (
    "00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,"
    "1.000000000,1.000000000,0.0,Not synchronised\n"
)
LOCAL = (
    "7F7F0101,,3,1795295721.456770864,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,"
    "0.000000000,0.000000000,0.0,Normal\n"
)

BOX = VirtualClock()
BEFORE = read_instant(BOX)


def said(text: str = GOOD, *, ago_s: int = 100) -> TimeSample | NoTime:
    updated = Decimal(BOX.true_ns) / 1_000_000_000 - ago_s
    return parse(text.format(updated=f"{updated:.9f}"), BEFORE, BEFORE.boottime_ns)


def test_a_synchronised_daemon() -> None:
    heard = said()
    assert isinstance(heard, TimeSample)
    assert heard.offset_s == Decimal("0.000001707"), "chronyc gives the correction; we say how fast the clock is"
    assert heard.uncertainty_s == Decimal("0.000001707") + Decimal("0.000131707") + Decimal("0.0000029295") + Decimal(
        "0.000001"
    )
    assert (heard.source, heard.reference, heard.detail) == ("chrony", "192.0.2.1", "stratum 4")
    assert heard.age_s == Decimal("99.999998293")
    assert heard.leap == "none"


def test_a_reference_clock_is_named_by_its_letters_or_id() -> None:
    pps, unnamed = said(GOOD.replace("C0000201,192.0.2.1", "50505300,PPS")), said(GOOD.replace(",192.0.2.1,", ",,"))
    assert isinstance(pps, TimeSample)
    assert isinstance(unnamed, TimeSample)
    assert (pps.reference, unnamed.reference) == ("PPS", "C0000201")


@pytest.mark.parametrize("leap", ["Insert second", "Delete second"])
def test_a_leap_second_ahead(leap: str) -> None:
    heard = said(GOOD.replace("Normal", leap))
    assert isinstance(heard, TimeSample)
    assert heard.leap == ("insert" if "Insert" in leap else "delete")


def test_an_update_from_the_future_is_now() -> None:
    heard = said(ago_s=-100)
    assert isinstance(heard, TimeSample)
    assert heard.age_s == 0


def test_a_reference_clock_of_this_box_is_a_receiver_and_a_server_is_not() -> None:
    pps, server, six = (
        said(GOOD.replace("C0000201,192.0.2.1", "50505300,PPS")),
        said(),
        said(GOOD.replace("192.0.2.1", "2001:db8::1")),
    )
    assert [heard.peer for heard in (pps, server, six) if isinstance(heard, TimeSample)] == [RECEIVER, "", ""]


def test_a_smearing_server_is_noted() -> None:
    heard = said(GOOD.replace("C0000201", "7F7F01FF"))
    assert isinstance(heard, TimeSample)
    assert heard.smeared
    assert heard.stratum == 4


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.1,NTS,1,15,256,33m,0,0,8,100\n", "NTS"),
        ("192.0.2.9,NTS,1,15,256,33m,0,0,8,100\n192.0.2.1,SK,30,13,128,-,0,0,0,0\n", "key"),
        ("192.0.2.1,-,0,0,0,-,0,0,0,0\n", ""),
        ("192.0.2.9,NTS,1,15,256,33m,0,0,8,100\n", ""),
        ("501 Not authorised\n", ""),
        ("", ""),
    ],
)
def test_how_the_server_proves_who_it_is(text: str, found: str) -> None:
    assert parse_authentication(text, "192.0.2.1") == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (UNSYNCHRONISED, "has not synchronised the clock"),
        (LOCAL, "nothing but this box's own clock"),
        ("", "not understood: nothing"),
        ("501 Not authorised\n", "not understood: 501 Not authorised"),
        (GOOD.replace("0.000131707", ""), "not understood: `` is no number"),
        (GOOD.replace("0.000131707", "nan"), "`nan` is no number"),
        (GOOD.replace("0.000131707", "1e9999999"), "`1e9999999` is no number"),
        (GOOD.replace("0.000131707", "9" * 5_000), "is no number"),
    ],
)
def test_refusals(text: str, words: str) -> None:
    heard = said(text)
    assert isinstance(heard, NoTime)
    assert words in heard.reason
    assert len(heard.reason) < 400


@given(st.text(max_size=300) | st.lists(st.text(max_size=12), min_size=14, max_size=15).map(",".join))
def test_any_text_is_judged(text: str) -> None:
    assert isinstance(parse(text, Instant(0, 0), 0), TimeSample | NoTime)


class TestProgram:
    """`chronyc` replaced by scripts."""

    @staticmethod
    def script(folder: Path, body: str) -> tuple[str, ...]:
        path = folder / "chronyc"
        path.write_text(f"#!/bin/sh\n{body}\n")
        return ("/bin/sh", str(path))

    async def test_is_asked_for_csv_without_names(self, tmp_path: Path) -> None:
        command = self.script(tmp_path, f'[ "$*" = "-p 1323 -c -n tracking" ] && echo "{said_text()}"')
        assert isinstance(await ask((*command, "-p", "1323"), BOX, 30), TimeSample)

    async def test_is_asked_whom_it_trusts(self, tmp_path: Path) -> None:
        body = f'case "$*" in *tracking) echo "{said_text()}";; *authdata) echo "192.0.2.1,NTS,1";; esac'
        heard = await ask(self.script(tmp_path, body), BOX, 30)
        assert isinstance(heard, TimeSample)
        assert heard.authenticated == "NTS"

    async def test_that_does_not_tell_whom_it_trusts(self, tmp_path: Path) -> None:
        body = f'case "$*" in *tracking) echo "{said_text()}";; *) exec sleep 600;; esac'
        heard = await ask(self.script(tmp_path, body), BOX, 1)
        assert isinstance(heard, TimeSample)
        assert heard.authenticated == ""

    async def test_missing(self) -> None:
        heard = await ask(("/nonexistent/chronyc",), BOX, 30)
        assert heard == NoTime("chrony", "chrony", "`/nonexistent/chronyc` cannot be run: No such file or directory")

    async def test_not_executable(self, tmp_path: Path) -> None:
        (tmp_path / "chronyc").write_text("")
        heard = await ask((str(tmp_path / "chronyc"),), BOX, 30)
        assert isinstance(heard, NoTime)
        assert "cannot be run" in heard.reason

    async def test_a_command_that_cannot_be_a_file_name(self) -> None:
        heard = await ask(("chronyc\0",), BOX, 30)
        assert isinstance(heard, NoTime)
        assert "cannot be run" in heard.reason

    async def test_no_daemon(self, tmp_path: Path) -> None:
        heard = await ask(self.script(tmp_path, "echo 506 Cannot talk to daemon; exit 1"), BOX, 30)
        assert heard == NoTime("chrony", "chrony", "the daemon cannot be asked: 506 Cannot talk to daemon")

    async def test_complaints_are_cleaned(self, tmp_path: Path) -> None:
        heard = await ask(self.script(tmp_path, r"printf 'a\033[2Jb\377\n' >&2; exit 1"), BOX, 30)
        assert isinstance(heard, NoTime)
        assert heard.reason.startswith("the daemon cannot be asked: a[2Jb")
        assert heard.reason.isprintable()

    async def test_hanging(self, tmp_path: Path) -> None:
        heard = await ask(self.script(tmp_path, "exec sleep 600"), BOX, 0.05)
        assert heard == NoTime("chrony", "chrony", "`/bin/sh` did not answer within 0.05 s")

    async def test_cancelled_leaves_no_child(self, tmp_path: Path) -> None:
        pipe = tmp_path / "started"
        os.mkfifo(pipe)
        task = asyncio.create_task(ask(self.script(tmp_path, f"echo $$ > {pipe}; exec sleep 600"), BOX, 60))
        pid = int(await asyncio.to_thread(pipe.read_text))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def said_text() -> str:
    return GOOD.format(updated=f"{Decimal(BOX.true_ns) / 1_000_000_000:.9f}").strip()
