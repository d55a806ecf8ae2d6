"""What a driver, or the agent, may ask the person who stands at the meter, and what the person says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

Topic = Literal["nameplate", "register", "photo", "remark"]


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to look at, and to type or scan. Texts are single lines for a person."""

    topic: Topic
    text: str  # what to do: "type what the display shows for kWh delivered, leading zeros included"
    because: str = ""  # why it is asked, where a person may wonder: "5 digits, the record says 6"
    example: str = ""  # a right answer looks like this
    again: bool = False  # asked once before: the answer is to be looked up anew, and the first one is not shown


@dataclass(frozen=True, slots=True)
class Answer:
    """What the person said; `text` as typed, without blanks around it. None: the person cannot or will not say."""

    text: str | None
    remark: str = ""  # why not, or what is odd


# Asks the person and waits for the answer, however long it takes; cancelled when the visit is. Raises nothing else.
Ask = Callable[[Question], Awaitable[Answer]]
