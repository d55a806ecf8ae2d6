"""POCSAG as generated: codewords against published ones, batches against the standard, audio against its settings."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import UsageError
from metersim.cli import main
from metersim.pages.audio import SAMPLE_RATE, Channel, samples
from metersim.pages.codeword import IDLE, SYNC, address_word, alpha_words, codeword, numeric_words
from metersim.pages.transmission import Page, transmission


def test_the_published_words_are_codewords() -> None:
    """ITU-R M.584: the synchronisation and idle codewords carry check bits and parity of the same code."""
    assert codeword(SYNC >> 11) == SYNC
    assert codeword(IDLE >> 11) == IDLE


@given(st.integers(0, (1 << 21) - 1), st.integers(1, (1 << 21) - 1))
def test_any_two_codewords_differ_in_six_bits(bits: int, flipped: int) -> None:
    """BCH(31,21) has distance 5, and the parity bit makes it 6."""
    assert (codeword(bits) ^ codeword(bits ^ flipped)).bit_count() >= 6


def test_an_address_is_split_between_word_and_frame() -> None:
    word = address_word(1234567, 3)
    assert (word >> 31, word >> 13 & 0x3FFFF, word >> 11 & 3) == (0, 1234567 >> 3, 3)
    words = transmission([Page(1234567, 3, "A")])
    assert words[0] == SYNC
    assert words[1 + 2 * (1234567 & 7)] == word
    assert set(words[1 : 1 + 2 * (1234567 & 7)]) == {IDLE}


def test_texts_and_digits_are_sent_lowest_bit_first() -> None:
    assert [word >> 11 & 0xFFFFF for word in alpha_words("A")] == [0b1000001_0000000_000000]
    assert [word >> 11 & 0xFFFFF for word in numeric_words("12")] == [0b1000_0100_0011_0011_0011]
    assert len(alpha_words("x" * 20)) == 7


def test_every_batch_begins_with_synchronisation() -> None:
    words = transmission([Page(1234567, 3, "x" * 100), Page(8, 0, "12345", "numeric"), Page(2097151, 1, coding="tone")])
    assert len(words) % 17 == 0
    assert [k for k, word in enumerate(words) if word == SYNC] == list(range(0, len(words), 17))


@pytest.mark.parametrize(
    "page", [Page(7), Page(1 << 21), Page(8, 4), Page(8, 3, "é"), Page(8, 0, "12A", "numeric")], ids=str
)
def test_what_cannot_be_sent_is_refused(page: Page) -> None:
    with pytest.raises(ValueError, match=r"POCSAG|ASCII|numeric"):
        page.words()


@pytest.mark.parametrize("rate", [512, 1200, 2400])
def test_audio_lasts_as_long_as_its_bits(rate: int) -> None:
    [sent, rest] = samples([[Page(8)]], Channel(rate=rate, gap_s=0))
    assert rest == b""
    assert len(sent) // 2 == (576 + 17 * 32) * SAMPLE_RATE // rate


def test_noise_is_seeded_and_as_strong_as_asked() -> None:
    noisy = Channel(snr_db=10, level=0.25, seed=7)
    one, other = (b"".join(samples([[Page(8)]], noisy)) for _ in range(2))
    assert one == other
    assert one != b"".join(samples([[Page(8)]], Channel(snr_db=10, level=0.25, seed=8)))
    clean = array("h", b"".join(samples([[Page(8)]], Channel(level=0.25))))
    noise = [heard - sent for heard, sent in zip(array("h", one), clean, strict=True)]
    power = sum(value * value for value in noise) / len(noise)
    assert power == pytest.approx((0.25 * 32767) ** 2 / 10, rel=0.05)


def test_the_command_refuses_what_makes_no_sense(capsys: pytest.CaptureFixture[str]) -> None:
    for options in (
        [],
        ["--page", "x:HELLO"],
        ["--page", "3:HELLO"],
        ["--page", "1234567:é"],
        ["--page", "1234567:A", "--bit-errors", "33"],
        ["--page", "1234567:A", "--level", "0"],
        ["--reading", "1234567:none:a=1"],
        ["--reading", "1234567:ascii-checked:meter=1"],
    ):
        assert main(["pages", *options]) == UsageError.exit_code
        assert "metersim: " in capsys.readouterr().err
