"""A person who gives prepared answers, and remembers what was asked."""

from __future__ import annotations

from drivers.person import Answer, Question


class Person:
    """Answers in turn; None: cannot tell. Asked more often than that, it fails the test."""

    def __init__(self, *answers: str | Answer | None) -> None:
        self.asked: list[Question] = []
        self._answers = list(answers)

    async def __call__(self, question: Question) -> Answer:
        self.asked.append(question)
        answer = self._answers.pop(0)
        return answer if isinstance(answer, Answer) else Answer(answer)
