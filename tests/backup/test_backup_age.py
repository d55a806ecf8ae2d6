"""The encryption of a backup is the format of age: others open ours, we open theirs, and nobody opens a changed one."""

from __future__ import annotations

import io
import shutil
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.backup import bech32
from agent.backup.age import CHUNK, Lock, Opening, Passphrase, Recipient, RecoveryKey, Sealing, Unlock
from agent.backup.errors import ArchiveRefused
from agent.errors import UsageError
from drivers.secret import Secret

PLAIN = b"read at noon\n"
PASSPHRASE = Passphrase(Secret(b"correct horse battery"), work_factor=4)
KEY = RecoveryKey.parse(b"AGE-SECRET-KEY-108A7FAPX7Q5XSJXNNQG96KML0R8JQSNF7X37Q5NT2UMZGN5L6FFQWNQ5W3")
PUBLIC = "age1vl3u4msm0k4jxj5zcyf48fkx2d6r4rwrm3ypzlu9cux3ppz9mgdsvklqr3"
#: Written by rage, with a stanza of no meaning beside ours.
BY_RAGE = b64decode(
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBMWVdTT2ZQSEFLQkR2czVXdjBQWWNaUmxCYTVqUkcvVWcvdEM3aHM3L3hzCnhaU1pEa0wxZmNN"
    "YWpBODNEd2xmSklJYiswa2dVTFlEc3I3ZldidkZOM0UKLT4gPC1ncmVhc2UKeURKd2lGMVBOKzd2S3FWMjc0UjFyTFRCVTdPU0pPRlkwVGY3cVZQVldz"
    "LzV4eHpmYWU5TDhFSGdOeTZrSmh2bgoyYUxlaVpDbFlZVUJWcTgwZHhmTWFEMmh6Q0tWNVBIMExyUlhHd210N3hhOWRnCi0tLSBQYUFnVlVxWkRlT0V6"
    "QU81RWI4WTBIN3hORFlnWFhwU2V5bkd3REdYRXUwCh/8l5IBNls9XvXdGkGWUWSI0gdDd5YQRBGUbC2rQtLu90qNOyxGS6PLei6OIA=="
)
#: Written here, and opened by rage.
FOR_RAGE = b64decode(
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBLQnJPNERzOE9scHdTR2IyM1lzVG1nIDQKcjdscUkrRDJtQTNxVTlCemxSMVozQ0NXMStx"
    "MmFIWll4N1hPVGdadjUyMAotLS0gU0FhN3JCZFBqSTU3U015dDIyZFB6OGhwc0xxOUNiWVJJRytObjFSNUQ4YwoSY2iVVS8/I1MjNcS/LmBXZX4z"
    "6ekLKpEV+EMQl1bxcrdVyWGKRAJ4HiodHZY="
)


def sealed(plain: bytes, lock: Lock, piece: int = 1 << 20) -> bytes:
    out = io.BytesIO()
    sealing = Sealing(out, lock)
    for at in range(0, len(plain), piece):
        sealing.write(plain[at : at + piece])
    sealing.close()
    return out.getvalue()


def opened(octets: bytes, unlock: Unlock, piece: int = 10_000) -> bytes:
    opening, plain = Opening(io.BytesIO(octets), unlock), b""
    while part := opening.read(piece):
        plain += part
    return plain


def test_opens_what_another_program_wrote() -> None:
    assert opened(BY_RAGE, KEY) == PLAIN
    assert opened(FOR_RAGE, PASSPHRASE) == PLAIN
    assert str(KEY.recipient) == PUBLIC


@pytest.mark.skipif(shutil.which("age") is None, reason="the program age is not installed")
def test_the_program_age_opens_ours_and_we_open_its(tmp_path: Path) -> None:
    identity = tmp_path / "key"
    identity.write_bytes(KEY.text())
    for size in (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK):
        plain = bytes(size)
        command = ["age", "-d", "-i", str(identity)]
        theirs = subprocess.run(command, input=sealed(plain, KEY.recipient), capture_output=True, check=True)
        assert theirs.stdout == plain
        ours = subprocess.run(["age", "-r", PUBLIC], input=plain, capture_output=True, check=True).stdout
        assert opened(ours, KEY) == plain


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3 * CHUNK + 2), st.integers(97, CHUNK + 5), st.sampled_from([KEY.recipient, PASSPHRASE]))
def test_any_size_written_and_read_in_any_pieces(size: int, piece: int, lock: Lock) -> None:
    plain = bytes(range(256)) * (size // 256 + 1)
    unlock = KEY if isinstance(lock, Recipient) else PASSPHRASE
    assert opened(sealed(plain[:size], lock, piece), unlock, piece) == plain[:size]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from([0, 13, CHUNK, CHUNK + 13, 2 * CHUNK]), st.sampled_from([KEY.recipient, PASSPHRASE]))
def test_no_octet_can_be_changed_cut_off_or_added(data: st.DataObject, size: int, lock: Lock) -> None:
    whole = sealed(bytes(size), lock)
    unlock = KEY if isinstance(lock, Recipient) else PASSPHRASE
    how = data.draw(st.sampled_from(["flip", "cut", "add", "twice"]))
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = {
        "flip": whole[:at] + bytes([whole[at] ^ 1 << data.draw(st.integers(0, 7))]) + whole[at + 1 :],
        "cut": whole[:at],
        "add": whole + whole[at : at + 1],
        "twice": whole + whole[-at:] if at else whole + whole,
    }[how]
    with pytest.raises(ArchiveRefused):
        opened(changed, unlock)


def test_chunks_cannot_change_places() -> None:
    whole = sealed(bytes(3 * CHUNK), KEY.recipient)
    start = len(whole) - 3 * (CHUNK + 16)
    one, two, three = (whole[start + n * (CHUNK + 16) : start + (n + 1) * (CHUNK + 16)] for n in range(3))
    for changed in (two + one + three, one + three, one + two, one + two + three + three):
        with pytest.raises(ArchiveRefused, match="damaged"):
            opened(whole[:start] + changed, KEY)


def test_a_wrong_key_or_passphrase_is_said_to_be_one() -> None:
    for octets, unlock in (
        (sealed(PLAIN, KEY.recipient), RecoveryKey.generate()),
        (sealed(PLAIN, KEY.recipient), PASSPHRASE),
        (sealed(PLAIN, PASSPHRASE), KEY),
        (sealed(PLAIN, PASSPHRASE), Passphrase(Secret(b"another"))),
    ):
        with pytest.raises(ArchiveRefused, match="does not open with this key"):
            opened(octets, unlock)


@given(st.binary(max_size=300))
def test_what_is_no_archive_is_refused(octets: bytes) -> None:
    for prefix in (b"", b"age-encryption.org/v1\n", b"age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 4\n"):
        with pytest.raises(ArchiveRefused):
            opened(prefix + octets, PASSPHRASE)


def test_a_header_cannot_cost_more_memory_than_there_is() -> None:
    salt = b"-> scrypt AAAAAAAAAAAAAAAAAAAAAA 30\n"
    with pytest.raises(ArchiveRefused, match="2\\^30"):
        opened(b"age-encryption.org/v1\n" + salt + b"A" * 43 + b"\n--- " + b"A" * 43 + b"\n", PASSPHRASE)
    endless = b"age-encryption.org/v1\n-> X25519 " + b"A" * 100_000
    with pytest.raises(ArchiveRefused):
        opened(endless, KEY)
    many = b"age-encryption.org/v1\n" + b"-> other\nAA\n" * 1_000
    with pytest.raises(ArchiveRefused):
        opened(many, KEY)


def test_a_share_of_low_order_is_refused() -> None:
    zero = b"A" * 43
    with pytest.raises(ArchiveRefused):
        opened(b"age-encryption.org/v1\n-> X25519 " + zero + b"\n" + b"A" * 43 + b"\n--- " + zero + b"\n", KEY)


def test_a_key_file_is_one_key_and_never_shown() -> None:
    assert RecoveryKey.parse(KEY.text()).recipient == RecoveryKey.parse(KEY.text().lower()).recipient
    assert "SECRET" not in repr(KEY).upper()
    for text in (b"", b"AGE-SECRET-KEY-1XYZ", KEY.text() * 2, b"\xff\xfe", PUBLIC.encode()):
        with pytest.raises(UsageError, match="recovery key"):
            RecoveryKey.parse(text)
    for wrong in ("", "age1", PUBLIC[:-1] + "q", PUBLIC.replace("a", "A", 1), "agf" + PUBLIC[3:]):
        with pytest.raises(UsageError, match="public half"):
            Recipient.parse(wrong)


@given(st.binary(max_size=64))
def test_bech32_there_and_back(octets: bytes) -> None:
    text = bech32.encode("age", octets)
    assert bech32.decode("age", text) == bech32.decode("age", text.upper()) == octets
    with pytest.raises(ValueError, match=r"."):
        bech32.decode("age", text[:-1] + ("q" if text[-1] != "q" else "p"))
