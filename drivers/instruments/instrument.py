"""What all instruments do: say who they are, take commands, answer questions, and keep errors in a queue."""

from __future__ import annotations

from drivers.instruments.schema import InstrumentProfile
from drivers.instruments.talk import Talk
from drivers.instruments.values import InstrumentIdentity
from drivers.instruments.worker import Worker


class Instrument:
    """One open instrument. Every call runs on the instrument's own thread, one after the other.

    A caller that is cancelled goes at once; the command under way ends within the time-out of the profile, and the next
    one follows it. After a time-out or a loss the connection is opened anew by the next command, so that no late answer
    is taken for that to another question.
    """

    def __init__(self, talk: Talk, worker: Worker, identity: InstrumentIdentity) -> None:
        self._talk = talk
        self._worker = worker
        self._identity = identity

    @property
    def profile(self) -> InstrumentProfile:
        """Its profile."""
        return self._talk.profile

    @property
    def name(self) -> str:
        """Return profile and address, as errors name it."""
        return self._talk.name

    @property
    def identity(self) -> InstrumentIdentity:
        """What it answered when it was opened."""
        return self._identity

    async def identify(self) -> InstrumentIdentity:
        """Ask again who it is. Raises `WrongInstrument` if it is not what the profile is for, and `InstrumentError`."""
        return await self._worker.call(self._talk.identify)

    async def close(self) -> None:
        """Close the connection and end the thread, also if the caller is cancelled meanwhile."""
        await self._worker.close(self._talk.close)
