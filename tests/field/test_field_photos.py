"""Photographs are kept by what they are, once, within bounds; anything else is refused."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from agent.errors import LocalTrouble, UsageError
from agent.field.photos import RECENT, Photo, Photos

PICTURES = {
    "jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "webp": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
    "heic": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00",
}


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    return Photos(tmp_path / "field" / "photos", most_octets=1_000, budget_octets=2_500)


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def kept(photos: Photos, content: bytes, *, aged: timedelta | None = None) -> Photo:
    photo = await photos.keep(BytesIO(content))
    if aged is not None:
        at = (datetime.now(UTC) - aged).timestamp()
        os.utime(photos.path(photo), (at, at))
    return photo


@pytest.mark.parametrize("kind", PICTURES)
async def test_a_photograph_is_named_by_its_content(photos: Photos, kind: str) -> None:
    content = PICTURES[kind] + bytes(50)
    photo = await kept(photos, content)
    assert photo.name == f"{hashlib.sha256(content).hexdigest()}.{kind}"
    assert (photos.path(photo).read_bytes(), photo.octets) == (content, len(content))
    assert photos.path(photo).stat().st_mode & 0o777 == 0o600
    assert await photos.find(photo.name) == photo
    assert await kept(photos, content) == photo
    assert len(list(photos.path(photo).parent.iterdir())) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg onload=alert(1)>",
        b"GIF89a",
        b"%PDF-1.7",
        b"\xff\xd8",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"\x00\x00\x00\x18ftypisom",
    ],
)
async def test_what_is_no_photograph_is_refused(photos: Photos, content: bytes, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no photograph"):
        await kept(photos, content)
    assert files(tmp_path) == []


async def test_one_that_is_too_large_is_refused_in_time(photos: Photos, tmp_path: Path) -> None:
    class Endless(BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            return PICTURES["jpg"] + bytes(500)

    with pytest.raises(UsageError, match="more than 1,000 octets"):
        await photos.keep(Endless())
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["", "x.jpg", "../../etc/passwd", f"{'0' * 64}.jpg", f"{'0' * 64}.html", f"{'0' * 64}.jpg\n"]
)
async def test_what_is_not_there_is_not_found(photos: Photos, name: str) -> None:
    with pytest.raises(UsageError, match="no such photograph"):
        await photos.find(name)


async def test_the_oldest_go_first_and_recent_ones_never(photos: Photos) -> None:
    old = [
        await kept(photos, PICTURES["jpg"] + bytes([k]) * 900, aged=RECENT + timedelta(days=9 - k)) for k in range(2)
    ]
    new = await kept(photos, PICTURES["png"] + bytes(900))
    assert [photos.path(photo).exists() for photo in (*old, new)] == [False, True, True]
    await kept(photos, PICTURES["png"] + b"1" * 900)
    with pytest.raises(LocalTrouble, match="no room"):
        await kept(photos, PICTURES["png"] + b"2" * 900)
    assert await photos.find(new.name) == new


async def test_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    (tmp_path / "photos").write_text("a file where the directory should be")
    with pytest.raises(LocalTrouble, match="cannot be kept"):
        await Photos(tmp_path / "photos").keep(BytesIO(PICTURES["jpg"]))
