"""What is said to an instrument and understood of it, blocking. It runs on the instrument's own thread."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Protocol

from drivers.instruments.answer import count_of, error_of, identity_of, number_of, shown, state_of, value_of
from drivers.instruments.errors import BadAnswer, InstrumentError, InstrumentRefused, WrongInstrument
from drivers.instruments.schema import InstrumentProfile, Question, State
from drivers.instruments.values import InstrumentIdentity

_MOST_ERRORS = 32  # entries of an error queue; one that never ends is not asked for ever


class Wire(Protocol):
    """Text to an instrument and back. The first use opens it; after an error it is closed and opened by the next."""

    def send(self, command: str) -> None:
        """Send one command. Raises `InstrumentError`."""
        ...

    def ask(self, command: str) -> str:
        """Send one command and return its answer, without its end. Raises `InstrumentError`."""
        ...

    def drop(self) -> None:
        """Close it; nothing is raised."""
        ...


class Talk:
    """The dialogue with one instrument by its profile. Every error names instrument, command and answer."""

    def __init__(self, profile: InstrumentProfile, resource: str, wire: Wire) -> None:
        self.profile = profile
        self.name = f"{profile.name} at {resource}"
        self._wire = wire

    def begin(self) -> InstrumentIdentity:
        """Ask who it is, empty its error queue, prepare it. Raises `WrongInstrument` before anything else is sent."""
        identity = self.identify()
        if self.profile.errors.clear is not None:
            self.send(self.profile.errors.clear)
        prepared = self.profile.standard or self.profile.counter
        if prepared is not None and prepared.prepare:
            self.command(*prepared.prepare)
        return identity

    def identify(self) -> InstrumentIdentity:
        """Ask who it is. Raises `WrongInstrument`."""
        wanted = self.profile.identity
        answer = self.ask(wanted.ask)
        if not re.match(wanted.pattern, answer):
            raise WrongInstrument(
                f"{wanted.ask!r} answered {shown(answer)}: this is no {self.profile.title}",
                advice="check address and profile; nothing was set",
            ).at(self.name)
        with self._blaming(wanted.ask):
            return identity_of(answer)

    def send(self, command: str) -> None:
        """Send one command, without asking whether it was taken."""
        with self._at():
            self._wire.send(command)

    def ask(self, command: str) -> str:
        """Send one command and return the answer."""
        with self._at():
            return self._wire.ask(command)

    def command(self, *commands: str) -> None:
        """Send commands, wait until they are done, ask for errors. Raises `InstrumentRefused` with all there are."""
        for one in commands:
            self.send(one)
        self.finish()
        found = list(self._errors())
        if found:
            told = "; ".join(f"{code} {text}".strip() for code, text in found)
            raise InstrumentRefused(
                f"{', '.join(map(repr, commands))} refused: {told}",
                codes=tuple(code for code, _ in found),
                advice="see the manual for these errors; the settings are not to be trusted",
            ).at(self.name)

    def finish(self) -> None:
        """Wait until what was sent before is done, where the profile has a question for it."""
        ask = self.profile.line.finish
        if ask is None:
            return
        answer = self.ask(ask)
        with self._blaming(ask):
            if number_of(answer) != 1:
                raise BadAnswer(f"{shown(answer)} is not 1", advice="check `finish` in the profile")

    def number(self, question: Question) -> Decimal:
        """Ask for a value, in the unit of its key."""
        answer = self.ask(question.ask)
        with self._blaming(question.ask):
            return value_of(answer, question)

    def count(self, question: Question) -> int:
        """Ask for a count."""
        answer = self.ask(question.ask)
        with self._blaming(question.ask):
            return count_of(answer, question)

    def state(self, state: State) -> bool:
        """Ask for a yes or no."""
        answer = self.ask(state.ask)
        with self._blaming(state.ask):
            return state_of(answer, state)

    def drop(self) -> None:
        """Close the connection; the next command opens it anew."""
        self._wire.drop()

    def close(self) -> None:
        """Close the connection."""
        self._wire.drop()

    def _errors(self) -> Iterator[tuple[int, str]]:
        """Take errors out of the queue, the oldest first, until there is none."""
        ask = self.profile.errors.ask
        for _ in range(_MOST_ERRORS):
            answer = self.ask(ask)
            with self._blaming(ask):
                code, text = error_of(answer)
            if code == 0:
                return
            yield code, text

    @contextmanager
    def _at(self) -> Iterator[None]:
        try:
            yield
        except InstrumentError as error:
            raise error.at(self.name)  # noqa: B904 - it is the same error

    @contextmanager
    def _blaming(self, command: str) -> Iterator[None]:
        """Say to which command a wrong answer came, and begin anew: what came may have been for another one."""
        try:
            yield
        except BadAnswer as error:
            self._wire.drop()
            raise type(error)(f"{command!r}: {error.message}", advice=error.advice).at(self.name) from None
