"""An AC source: set while it is off or on, switched on and off, and never believed without having been asked."""

from __future__ import annotations

from decimal import Decimal

from drivers.errors import UsageError
from drivers.instruments.errors import InstrumentError, OutputNotOn, OutputStillOn
from drivers.instruments.instrument import Instrument
from drivers.instruments.limits import check_setting, setting_commands
from drivers.instruments.schema import Question
from drivers.instruments.schema import Source as SourceSection
from drivers.instruments.talk import Talk
from drivers.instruments.values import Measured, Setting


def turn_off(talk: Talk) -> None:
    """Send OFF and ask until the source says that it is off, twice at most. Blocks. Raises `OutputStillOn`."""
    source = section(talk)
    for last in (False, True):
        try:
            talk.send(source.off)
            if not last:
                talk.finish()  # relays take their time; a source that cannot tell is told again all the same
            if not talk.state(source.state):
                return
        except InstrumentError as error:
            if last:
                raise OutputStillOn(f"whether the output is off is not known: {error.message}", advice=_LIVE).at(
                    talk.name
                ) from error
            talk.drop()
    raise OutputStillOn(f"{source.off!r} was sent twice, and {source.state.ask!r} still says on", advice=_LIVE).at(
        talk.name
    )


_LIVE = "take the bench for live: switch the source off by hand"


def section(talk: Talk) -> SourceSection:
    """Return the table `[source]` of the profile."""
    if talk.profile.source is None:
        raise UsageError(f"the instrument profile {talk.profile.name} is of no source")
    return talk.profile.source


class Source(Instrument):
    """An AC source. Leaving the context of `open_source` turns it off, whatever happened."""

    @property
    def _section(self) -> SourceSection:
        return section(self._talk)

    @property
    def has_watchdog(self) -> bool:
        """Whether it can turn itself off when nobody speaks to it."""
        return self._section.watchdog is not None

    async def set_output(
        self,
        *,
        volts: Decimal,
        amps: Decimal,
        frequency_hz: Decimal,
        power_factor: Decimal = Decimal(1),
        leading: bool = False,
    ) -> None:
        """Set what it puts out; whether it is on does not change.

        Raises `OutOfRange` before anything is sent, `InstrumentRefused` if the source takes a setting for wrong, and
        `InstrumentError`.
        """
        await self.apply(Setting(volts, amps, frequency_hz, power_factor, leading))

    async def apply(self, setting: Setting) -> None:
        """`set_output` of a `Setting`."""
        check_setting(self.profile, setting)
        await self._worker.call(self._talk.command, *setting_commands(self._section, setting))

    async def on(self) -> None:
        """Switch the output on and ask whether it is. Raises `OutputNotOn`, `InstrumentRefused`, `InstrumentError`."""
        await self._worker.call(self._turn_on)

    async def off(self) -> None:
        """Switch the output off and ask whether it is; try once more over a new connection if there is no answer.

        A caller that is cancelled waits for the outcome all the same. Raises `OutputStillOn` unless it says off.
        """
        await self._worker.insist(turn_off, self._talk)

    async def is_on(self) -> bool:
        """Ask whether the output is on. Raises `InstrumentError`."""
        return await self._worker.call(self._talk.state, self._section.state)

    async def is_locked_out(self) -> bool:
        """Ask whether a protection keeps the output off; False if it cannot say. Raises `InstrumentError`."""
        lockout = self._section.lockout
        return lockout is not None and await self._worker.call(self._talk.state, lockout)

    async def watch(self, seconds: int) -> None:
        """Let the source turn itself off if it hears nothing for so long; any question feeds it, 0 ends it.

        Raises `UsageError` for a source that has no watchdog, and `InstrumentError`.
        """
        if self._section.watchdog is None:
            raise UsageError(
                f"{self.name} has no watchdog", advice="leave it out; the bench turns the source off itself"
            )
        await self._worker.call(self._talk.command, self._section.watchdog.format(seconds=seconds))

    async def measured(self) -> Measured:
        """Ask what it puts out, where it can say. Raises `InstrumentError`."""
        source = self._section
        return Measured(await self._asked(source.measured_volts), await self._asked(source.measured_amps))

    async def _asked(self, question: Question | None) -> Decimal | None:
        return None if question is None else await self._worker.call(self._talk.number, question)

    def _turn_on(self) -> None:
        source = self._section
        self._talk.command(source.on)
        if not self._talk.state(source.state):
            raise OutputNotOn(
                f"{source.on!r} was sent, and {source.state.ask!r} says off",
                advice="look for an interlock, a protection that has tripped, or a lockout",
            ).at(self.name)
