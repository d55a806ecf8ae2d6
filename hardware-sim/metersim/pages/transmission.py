"""Pages in batches: preamble, and sixteen codewords after each synchronisation word (ITU-R M.584)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from metersim.pages.codeword import IDLE, SYNC, address_word, alpha_words, numeric_words

Coding = Literal["alpha", "numeric", "tone"]
PREAMBLE_BITS = 576
FRAMES = 8
WORDS_A_FRAME = 2


@dataclass(frozen=True, slots=True)
class Page:
    """One page: to whom, of which function, and what it says; a tone says nothing."""

    address: int
    function: int = 3
    text: str = ""
    coding: Coding = "alpha"

    def words(self) -> list[int]:
        """Return its codewords. Raises `ValueError` for what cannot be sent."""
        words = [address_word(self.address, self.function)]
        match self.coding:
            case "alpha":
                return words + alpha_words(self.text)
            case "numeric":
                return words + numeric_words(self.text)
            case "tone":
                return words


def transmission(pages: Iterable[Page]) -> list[int]:
    """Return the codewords of one transmission without its preamble: each page begins in the frame of its address."""
    words: list[int] = []
    for page in pages:
        while len(words) // WORDS_A_FRAME % FRAMES != page.address % FRAMES or len(words) % WORDS_A_FRAME:
            words.append(IDLE)
        words += page.words()
        words.append(IDLE)  # ends the message
    batch = FRAMES * WORDS_A_FRAME
    words += [IDLE] * (-len(words) % batch)
    return [word for at in range(0, len(words), batch) for word in (SYNC, *words[at : at + batch])]
