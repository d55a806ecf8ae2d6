"""The steps between Identify and the first read: which timers, who we are, and that both sides know the key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from drivers.errors import MeterRefused
from drivers.memory import LineMemory
from drivers.psem.access import Access
from drivers.psem.authentication import Challenge
from drivers.psem.codes import ResponseCode
from drivers.psem.conversation import Conversation
from drivers.psem.link_events import Manner
from drivers.psem.options import PsemOptions, Timing
from drivers.psem.replies import TimingReply
from drivers.psem.services import Security
from drivers.psem.states import State
from drivers.psem.timers import agreed_timing, counts_tries, proposal
from drivers.psem.wiring import Wiring
from drivers.secret import Secret
from drivers.transport.base import Transport


class Opening(Conversation):
    """What is agreed on in each session anew; `Session` decides when."""

    def __init__(
        self,
        transport: Transport,
        options: PsemOptions,
        clock: Callable[[], float],
        remembered: LineMemory,
        wiring: Wiring | None,
    ) -> None:
        super().__init__(transport, options, clock, remembered, wiring)
        self.recoveries = 0  # sessions opened afresh after a failure, in all
        self.access = Access(options)
        self.ticket_used = False  # the one that came with the last Identify
        self._times = True  # the meter may know Timing setup

    def go_by(self, timing: Timing) -> None:
        """Use these timers from now on."""
        self.timing = timing
        self.exchange.link.use_timing(timing)

    async def set_timing(self) -> TimingReply | None:
        """Agree on timers where the line needs others than the meter's own; None if they stay, which is no error."""
        assert self.identity is not None  # noqa: S101 - the state is ID
        asked = proposal(self.options, self.wiring.kind, self.identity, trouble=self.recoveries > 0)
        if asked is None or not self._times:
            return None
        try:
            reply = TimingReply.decode(await self.call(asked))
            tries = counts_tries(asked, reply)
            if tries:
                reply = TimingReply.decode(await self.call(replace(asked, retries=1)))
        except MeterRefused as refused:
            if refused.code == ResponseCode.ISSS:
                raise
            self._times = refused.code != ResponseCode.SNS
            self.exchange.link.forget_peer()  # some meters get their toggle wrong after this refusal
            return None
        self.go_by(agreed_timing(self.timing, reply, tries=tries))
        self.exchange.link.experience.patience.meter_agreed(self.timing.response_s)
        return reply

    async def logon(self, password: Secret | None) -> None:
        """Log on as the options say, then show the password, if any."""
        self.access.use(password)
        await self.log_on()

    async def log_on(self) -> None:
        """Log on, and show or prove that we know the password."""
        await self.call(self.access.logon())
        self.state = State.SESSION
        password = self.access.show()
        if password is None:
            return
        assert self.identity is not None  # noqa: S101 - the state is Session
        challenge = self.access.challenge(self.identity)
        if challenge is None or not await self._authenticate(challenge):
            await self._show(password)
        self.access.accepted()

    async def _show(self, password: Secret) -> None:
        try:
            await self.call(Security(password), repeatable=False)
        except MeterRefused as refused:
            raise self.access.refused(refused) from refused

    async def _authenticate(self, challenge: Challenge) -> bool:
        """Prove that we know the key, and have it proven; False if the meter does not know the service after all.

        Raises `NotAuthentic` for a meter that proves nothing, `MeterRefused` for a key that it does not accept.
        """
        self.ticket_used = True
        expected = Secret(bytes((ResponseCode.OK,)) + challenge.answer())
        manner = Manner(secret=True, hidden_answer=expected)
        try:
            payload = await self.call(challenge.request(), repeatable=False, manner=manner)
        except MeterRefused as refused:
            self.exchange.link.forget_peer()  # some meters get their toggle wrong after this refusal
            if refused.code == ResponseCode.SNS and self.options.authenticate == "auto":
                self.access.without_authenticate()
                return False
            raise self.access.refused(refused, with_password=False) from refused
        challenge.verify(payload)
        return True
