"""The configuration file of the agent: TOML, validated as a whole before anything starts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from agent.anomalies import AnomalySettings
from agent.clock.settings import ClockSettings
from agent.errors import ConfigError, UsageError
from agent.forward.settings import ForwardSettings
from agent.order import Order, Text
from agent.schedule import parse_duration
from drivers.registry import scheme_of
from drivers.toml_file import load_toml

AgentId = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]  # a level of MQTT topics
LONGEST_KEPT = timedelta(days=36_500)
Duration = Annotated[str, msgspec.Meta(min_length=2, max_length=12)]


class AgentSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who this agent is and where it keeps what must not be lost. Relative paths start at the configuration file."""

    agent_id: AgentId
    state_directory: Text = "/var/lib/mrsp"
    profile_directories: tuple[Text, ...] = ()
    rule_set_directories: tuple[Text, ...] = ()
    recording_directory: Text | None = None  # where it was before `[recordings]`: refused, with what to write instead

    def __post_init__(self) -> None:
        if self.recording_directory is not None:
            raise ValueError(
                "the key `recording_directory` is no more: every visit is recorded and kept by itself; to keep the"
                f' recordings there, write `directory = "{self.recording_directory}"` under `[recordings]` instead'
            )


class KeysSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The device key and the MDSP's keys."""

    directory: Text | None = None  # default: `keys` in the state directory
    mdsp: Text | None = None  # JWKS file with the MDSP's keys; required to forward
    encrypt: bool = False  # refuse to start unless the MDSP's file has an encryption key


class SpoolSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The durable queue."""

    budget_octets: Annotated[int, msgspec.Meta(ge=1_048_576)] = 1_073_741_824


class RecordingsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The recordings of the visits, from which every value of a reading can be re-derived. Oldest go first."""

    keep: Duration = "400d"
    budget_octets: Annotated[int, msgspec.Meta(ge=1_048_576)] = 1_073_741_824  # compressed
    directory: Text | None = None  # default: `recordings` in the state directory

    def __post_init__(self) -> None:
        if self.period > LONGEST_KEPT:
            raise ValueError(f"`keep` must be at most {LONGEST_KEPT.days}d")

    @property
    def period(self) -> timedelta:
        return parse_duration(self.keep)


class MeterSection(Order, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A meter that this agent reads by itself: an order that comes again and again."""

    name: Text
    every: Duration = "1d"
    at: Duration = "0s"  # offset of the grid, e.g. every = "1d", at = "6h" reads at 06:00 UTC

    def __post_init__(self) -> None:
        every = parse_duration(self.every)
        if every < timedelta(seconds=10):
            raise ValueError("`every` must be at least 10s")
        if self.offset >= every:
            raise ValueError("`at` must be less than `every`")
        try:
            scheme_of(self.url)
        except UsageError as error:
            raise ValueError(f"`url`: {error}") from error

    @property
    def period(self) -> timedelta:
        return parse_duration(self.every)

    @property
    def offset(self) -> timedelta:
        return timedelta(0) if self.at == "0s" else parse_duration(self.at)

    def order(self) -> Order:
        """Return what a visit needs, without the schedule."""
        return Order(**{name: getattr(self, name) for name in Order.__struct_fields__})


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. Without `[forward]` readings stay in the spool."""

    agent: AgentSection
    clock: ClockSettings = ClockSettings()
    keys: KeysSection = KeysSection()
    spool: SpoolSection = SpoolSection()
    recordings: RecordingsSection = RecordingsSection()
    forward: ForwardSettings | None = None
    anomalies: AnomalySettings = AnomalySettings()
    meters: tuple[MeterSection, ...] = ()

    def __post_init__(self) -> None:
        twice = [name for name, count in Counter(meter.name for meter in self.meters).items() if count > 1]
        if twice:
            raise ValueError(f"`meters`: the name {twice[0]!r} is used twice")
        if self.forward is not None and self.keys.mdsp is None:
            raise ValueError("`forward` needs `keys.mdsp`: acknowledgements are verified with the MDSP's keys")


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration and where it was read from."""

    settings: Settings
    base: Path  # directory of the file

    def path(self, text: str) -> Path:
        """Return a path of the configuration; relative ones start at the file's directory."""
        return self.base / Path(text).expanduser()

    @property
    def agent_id(self) -> str:
        return self.settings.agent.agent_id

    @property
    def state_directory(self) -> Path:
        return self.path(self.settings.agent.state_directory)

    @property
    def key_directory(self) -> Path:
        directory = self.settings.keys.directory
        return self.path(directory) if directory else self.state_directory / "keys"

    @property
    def recording_directory(self) -> Path:
        directory = self.settings.recordings.directory
        return self.path(directory) if directory else self.state_directory / "recordings"

    @property
    def spool_file(self) -> Path:
        return self.state_directory / "spool.sqlite"


def load_config(path: Path) -> Config:
    """Return the configuration in `path`. Raises `ConfigError` naming file, line, key and what is allowed."""
    try:
        settings = load_toml(path, Settings, what="configuration")
    except UsageError as error:
        raise ConfigError(error.message, advice=error.advice) from error
    return Config(settings, path.parent.resolve())
