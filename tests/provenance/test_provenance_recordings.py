"""Recordings are kept, found, verified and let go of; what stands in the way never costs a reading."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import recordings as module
from agent.errors import LocalTrouble, UsageError
from agent.reading import RecordingPart
from agent.recordings import Recordings, digest, inflate, read_recording
from agent.taking import taken
from drivers.errors import DataError, MeterSilent

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HEADER = b'{"mrsp-recording":1,"line":"x","baud":9600,"started":"2026-11-21T21:02:00.000000Z"}\n'
CLOSE = b'{"t":5,"event":"close","value":""}\n'
ID = "01a200a7-eb5b-7ffd-b851-c60c5ed3e71b"


def visit(number: int = 0) -> bytes:
    return HEADER + f'{{"t":{number},"dir":"<","hex":"06"}}\n'.encode() + CLOSE


@pytest.fixture
def kept(tmp_path: Path) -> Recordings:
    return Recordings(tmp_path / "recordings", keep=timedelta(days=400), budget_octets=1 << 20)


def names(recordings: Recordings) -> set[str]:
    return {path.name for path in recordings.directory.iterdir()}


def octets_in(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())


def leave_behind(directory: Path, content: str) -> None:
    """Begin two visits, record in one of them, and be killed."""
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom datetime import timedelta\n"
        "from agent.recordings import Recordings\n"
        "r = Recordings(Path(sys.argv[1]), keep=timedelta(days=1), budget_octets=1 << 20)\n"
        "r.begin()\np = r.begin()\np.write_bytes(sys.argv[2].encode())\nos.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(directory), content], check=False)
    assert done.returncode == -9


async def keep(recordings: Recordings, content: bytes, at: datetime = NOW) -> RecordingPart:
    path = recordings.begin()
    path.write_bytes(content)
    part = await recordings.keep(path, at)
    path.unlink()
    return part


async def test_a_visit_is_recorded_kept_and_found_again(kept: Recordings) -> None:
    async with taken(kept, None) as taking:
        assert taking.path is not None
        assert taking.path.stat().st_mode & 0o777 == 0o600
        taking.path.write_bytes(visit())
        part = await taking.part(NOW)
    sha256 = hashlib.sha256(visit()).hexdigest()
    assert part == RecordingPart(sha256=sha256, octets=len(visit()), kept_until="2027-12-26T12:00:00Z")
    assert taking.problems == []
    assert names(kept) == {f"{sha256}.rec.gz"}
    await kept.link(ID, part)
    assert await kept.open(sha256) == await kept.open(ID) == visit()
    (file,) = kept.directory.glob(f"{sha256}*")
    assert gzip.decompress(file.read_bytes()) == visit()
    assert file.stat().st_mode & 0o777 == 0o600
    assert kept.directory.stat().st_mode & 0o777 == 0o700


async def test_the_same_recording_always_gives_the_same_file(tmp_path: Path) -> None:
    found = []
    for directory, at in (("a", NOW), ("b", NOW + timedelta(days=3))):
        recordings = Recordings(tmp_path / directory, keep=timedelta(days=1), budget_octets=1 << 20)
        part = await keep(recordings, visit(), at)
        await keep(recordings, visit(), at)
        found.append((recordings.directory / f"{part.sha256}.rec.gz").read_bytes())
    assert found[0] == found[1]


async def test_a_file_that_somebody_named_is_hashed_and_stays(tmp_path: Path, kept: Recordings) -> None:
    file = tmp_path / "mine.rec"
    async with taken(None, file) as taking:
        assert taking.path == file
        file.write_bytes(visit())
        assert await taking.part(NOW) == digest(file)
    async with taken(kept, file) as taking:
        part = await taking.part(NOW)
    assert file.read_bytes() == visit()
    assert part is not None
    assert await kept.open(part.sha256) == visit()


async def test_without_anything_to_record_nothing_is_said(tmp_path: Path, kept: Recordings) -> None:
    for recordings, file in ((kept, None), (None, tmp_path / "none.rec"), (None, None)):
        async with taken(recordings, file) as taking:
            assert await taking.part(NOW) is None
        assert taking.problems == []
    assert names(kept) == set()


async def test_the_recording_of_a_failed_visit_is_kept(kept: Recordings) -> None:
    async def fail() -> None:
        async with taken(kept, None) as taking:
            assert taking.path is not None
            taking.path.write_bytes(visit())
            raise MeterSilent("nothing came")

    with pytest.raises(MeterSilent):
        await fail()
    assert await kept.open(hashlib.sha256(visit()).hexdigest()) == visit()
    assert len(names(kept)) == 1


async def test_a_recording_cut_short_is_remarked(kept: Recordings) -> None:
    async with taken(kept, None) as taking:
        assert taking.path is not None
        taking.path.write_bytes(visit()[: -len(CLOSE)])
        assert await taking.part(NOW) is not None
    assert [problem.reason for problem in taking.problems] == [
        "it breaks off before the end of the visit: the disk was full"
    ]


async def test_a_disk_without_room_costs_the_recording_only(kept: Recordings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESERVE_OCTETS", 1 << 62)
    async with taken(kept, None) as taking:
        assert taking.path is None
        assert await taking.part(NOW) is None
    (problem,) = taking.problems
    assert problem.what == "recording"
    assert "left to the readings" in problem.reason
    assert not problem.lost


async def test_a_disk_that_fills_up_costs_the_recording_only(kept: Recordings, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise LocalTrouble(f"cannot write {path}: No space left on device")

    async with taken(kept, None) as taking:
        assert taking.path is not None
        taking.path.write_bytes(visit())
        monkeypatch.setattr(module, "write_durably", full)
        assert await taking.part(NOW) is None
    assert "No space left" in taking.problems[0].reason
    assert names(kept) == set()


async def test_a_directory_that_cannot_be_made_costs_the_recording_only(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    recordings = Recordings(tmp_path / "file" / "x", keep=timedelta(days=1), budget_octets=1 << 20)
    async with taken(recordings, None) as taking:
        assert taking.path is None
    assert "takes no recording" in taking.problems[0].reason


async def test_a_recording_larger_than_the_budget_is_not_kept(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path, keep=timedelta(days=1), budget_octets=10)
    path = recordings.begin()
    path.write_bytes(visit())
    with pytest.raises(LocalTrouble, match="budget_octets"):
        await recordings.keep(path, NOW)


async def test_a_changed_recording_is_refused(kept: Recordings) -> None:
    part = await keep(kept, visit())
    await kept.link(ID, part)
    file = kept.directory / f"{part.sha256}.rec.gz"
    file.write_bytes(gzip.compress(visit(1)))
    for name in (part.sha256, ID):
        with pytest.raises(DataError, match="was changed"):
            await kept.open(name)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match="is damaged"):
        await kept.open(part.sha256)


@pytest.mark.parametrize("name", ["0" * 64, ID, "../spool", "", "a/b", "x" * 100])
async def test_a_recording_that_is_not_there_is_said_so(kept: Recordings, name: str) -> None:
    await keep(kept, visit())
    with pytest.raises(LocalTrouble, match=r"no recording"):
        await kept.open(name)


async def test_recordings_beyond_their_time_go_and_their_links(kept: Recordings) -> None:
    old, new = await keep(kept, visit(1), NOW - timedelta(days=401)), await keep(kept, visit(2), NOW)
    await kept.link("old", old)
    await kept.link("new", new)
    assert await kept.prune(NOW) == 1
    assert names(kept) == {f"{new.sha256}.rec.gz", "new.rec.gz"}
    assert await kept.prune(NOW) == 0


async def test_beyond_the_budget_the_oldest_go_first(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path, keep=timedelta(days=400), budget_octets=1 << 20)
    parts = [await keep(recordings, visit(n), NOW - timedelta(days=n)) for n in (3, 1, 2, 0)]
    size = octets_in(tmp_path)
    small = Recordings(tmp_path, keep=timedelta(days=400), budget_octets=size // 2 + 10)
    assert await small.prune(NOW) == 2
    assert names(small) == {f"{parts[1].sha256}.rec.gz", f"{parts[3].sha256}.rec.gz"}


async def test_a_reading_that_waits_for_its_acknowledgement_keeps_its_recording(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path, keep=timedelta(days=1), budget_octets=1 << 20)
    waiting = await keep(recordings, visit(1), NOW - timedelta(days=9))
    gone = await keep(recordings, visit(2), NOW - timedelta(days=8))
    await recordings.link(ID, waiting)
    assert await recordings.prune(NOW, waiting={ID, "unknown", "../x"}) == 1
    assert await recordings.open(waiting.sha256) == visit(1)
    with pytest.raises(LocalTrouble):
        await recordings.open(gone.sha256)
    assert await recordings.prune(NOW) == 1


@pytest.mark.parametrize("then", [datetime(1970, 1, 2, tzinfo=UTC), NOW + timedelta(days=5000)])
async def test_what_a_clock_astray_dated_counts_from_now(kept: Recordings, then: datetime) -> None:
    part = await keep(kept, visit(), then)
    assert await kept.prune(NOW) == 0
    assert await kept.prune(NOW + timedelta(days=399)) == 0
    assert await kept.prune(NOW + timedelta(days=401)) == 1
    assert not (kept.directory / f"{part.sha256}.rec.gz").exists()


async def test_while_the_clock_is_unset_nothing_is_too_old(kept: Recordings) -> None:
    await keep(kept, visit())
    assert await kept.prune(datetime(1970, 1, 1, 0, 5, tzinfo=UTC)) == 0


async def test_a_full_disk_lets_go_of_the_oldest(kept: Recordings, monkeypatch: pytest.MonkeyPatch) -> None:
    await keep(kept, visit(1), NOW - timedelta(days=2))
    await keep(kept, visit(2), NOW - timedelta(days=1))
    monkeypatch.setattr(module, "RESERVE_OCTETS", 1 << 62)
    assert await kept.prune(NOW) == 2


async def test_what_a_killed_process_left_is_adopted(kept: Recordings) -> None:
    kept.directory.mkdir()
    torn = visit()[:-20].decode()
    leave_behind(kept.directory, torn)
    live = kept.begin()
    assert len(names(kept)) == 3
    other = kept.directory / f".visit-{os.getppid()}-00.rec"
    other.write_bytes(visit(3))
    assert await kept.adopt() == 1
    assert await kept.open(hashlib.sha256(torn.encode()).hexdigest()) == torn.encode()
    assert not live.exists()  # ours from before: at the start of a process no visit is under way
    assert other.exists()  # another process may be at it
    draft = kept.directory / ".0.rec.gz.part"
    draft.write_bytes(b"x")
    for path in (draft, other):
        os.utime(path, (0, 0))
    assert await kept.adopt() == 1
    assert not draft.exists()
    assert await kept.adopt() == 0


async def test_an_empty_place_needs_no_tending(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path / "none", keep=timedelta(days=1), budget_octets=1 << 20)
    assert await recordings.adopt() == await recordings.prune(NOW) == 0


async def test_a_link_is_made_once_and_never_raises(kept: Recordings) -> None:
    part = await keep(kept, visit())
    await kept.link(ID, part)
    await kept.link(ID, part)
    await kept.link("../../x", part)
    shutil.rmtree(kept.directory)
    await kept.link("other", part)
    assert not kept.directory.exists()


def test_a_file_is_read_compressed_or_not(tmp_path: Path) -> None:
    for content in (visit(), gzip.compress(visit())):
        (tmp_path / "x").write_bytes(content)
        assert read_recording(tmp_path / "x") == visit()
    with pytest.raises(UsageError, match="cannot be read"):
        read_recording(tmp_path / "none")


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILE", 1000)
    assert len(inflate(gzip.compress(bytes(1000)), "x")) == 1000
    with pytest.raises(DataError, match="larger than any recording"):
        inflate(gzip.compress(bytes(1_000_000)), "x")


@given(st.binary(max_size=50))
def test_no_octets_break_it(octets: bytes) -> None:
    with pytest.raises(DataError):
        inflate(b"\x1f\x8b" + octets, "x")
