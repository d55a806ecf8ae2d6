"""The configuration file of the agent: TOML, validated as a whole before anything starts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from agent.anomalies import AnomalySettings
from agent.bench.settings import BenchSettings
from agent.call_in_settings import CallInSettings
from agent.clock.settings import ClockSettings
from agent.cmep.dialect import Dialect
from agent.console.settings import ConsoleSettings
from agent.credentials import is_credential
from agent.errors import ConfigError, UsageError
from agent.fleet.settings import FleetSettings
from agent.forward.settings import ForwardSettings
from agent.identity.layout import CERTIFICATE_FILE
from agent.lines import ModemBank, key_of
from agent.listening.pager_settings import PagerSettings
from agent.listening.settings import RadioSettings
from agent.metrics.settings import MetricsSettings
from agent.order import Order, Text
from agent.outlet_settings import OutletSettings
from agent.requests.settings import RequestSettings
from agent.schedule import parse_duration
from agent.scheduling.reads import Standing
from agent.scheduling.settings import (
    DEFAULT_EVERY,
    NO_OFFSET,
    CycleText,
    Planner,
    Route,
    ScheduleSettings,
    check_keys,
)
from drivers.pager.push_settings import PushSettings
from drivers.registry import scheme_of
from drivers.toml_file import load_toml

AgentId = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]  # a level of MQTT topics
GONE = {"gone": True}  # `extra` of a key that is no more, and only there to say what to write instead
LONGEST_KEPT = timedelta(days=36_500)
Duration = Annotated[str, msgspec.Meta(min_length=2, max_length=12)]


class AgentSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who this agent is and where it keeps what must not be lost. Relative paths start at the configuration file."""

    agent_id: AgentId  # a level of MQTT topics: letters, digits, `.`, `_`, `-`; never changes
    state_directory: Text = "/var/lib/mrsp"  # spool, keys, records: what must not be lost
    profile_directories: tuple[Text, ...] = ()  # meter families of one's own: TOML files
    rule_set_directories: tuple[Text, ...] = ()  # rule sets of one's own: TOML files
    code_set_directories: tuple[Text, ...] = ()  # what a person can say at a stop of a route
    recording_directory: Annotated[Text | None, msgspec.Meta(extra=GONE)] = None

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

    # the spool's size at most; then new readings are refused, reports have a reserve
    budget_octets: Annotated[int, msgspec.Meta(ge=1_048_576)] = 1_073_741_824


class RecordingsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The recordings of the visits, from which every value of a reading can be re-derived. Oldest go first."""

    keep: Duration = "400d"  # e.g. 400d; a recording that a waiting document names is kept longer
    budget_octets: Annotated[int, msgspec.Meta(ge=1_048_576)] = 1_073_741_824  # compressed
    directory: Text | None = None  # default: `recordings` in the state directory

    def __post_init__(self) -> None:
        if self.period > LONGEST_KEPT:
            raise ValueError(f"`keep` must be at most {LONGEST_KEPT.days}d")

    @property
    def period(self) -> timedelta:
        return parse_duration(self.keep)


class MeterSection(Order, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A meter that this agent reads by itself: an order that comes again and again.

    When: `cycle`, or `every` with `at`, or as its `route` says, else once a day.
    """

    name: Text  # how the schedule and the log call it
    route: Text | None = None  # of `[[routes]]`: what is not said here is taken from it
    every: Duration | None = None  # e.g. 15m, 1d: the grid of its reads
    at: Duration | None = None  # offset of the grid, e.g. every = "1d", at = "6h" reads at 06:00 UTC
    cycle: CycleText | None = None  # by the site's clock, e.g. "daily at 00:15", "monthly on business day 1 at 06:00"
    call_window: Text | None = None  # e.g. "22:00-05:00", the site's time: no visit outside
    call_days: Text | None = None  # on which the window begins, e.g. "mon-fri"
    deadline: Text | None = None  # local, of the day on which a read falls due, e.g. "21:00"
    longest_call: Duration | None = None  # a visit is ended after it

    def __post_init__(self) -> None:
        if self.cycle is not None and (self.every is not None or self.at is not None):
            raise ValueError("`cycle` says when; it goes without `every` and `at`")
        if self.period < timedelta(seconds=10):
            raise ValueError("`every` must be at least 10s")
        if self.offset >= self.period:
            raise ValueError("`at` must be less than `every`")
        check_keys(self)
        try:
            scheme_of(self.url)
        except UsageError as error:
            raise ValueError(f"`url`: {error}") from error

    @property
    def period(self) -> timedelta:
        """Of the grid."""
        return parse_duration(self.every or DEFAULT_EVERY)

    @property
    def offset(self) -> timedelta:
        """Of the grid."""
        return timedelta(0) if self.at is None or self.at == NO_OFFSET else parse_duration(self.at)

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
    schedule: ScheduleSettings = ScheduleSettings()
    modem_banks: tuple[ModemBank, ...] = ()
    routes: tuple[Route, ...] = ()
    radio: RadioSettings | None = None
    pager: PagerSettings | None = None
    pager_push: PushSettings | None = None
    cmep: Dialect = Dialect()
    call_in: CallInSettings | None = None
    requests: RequestSettings | None = None
    outlet: OutletSettings = OutletSettings()
    console: ConsoleSettings | None = None
    metrics: MetricsSettings | None = None
    fleet: FleetSettings | None = None
    bench: BenchSettings = BenchSettings()
    meters: tuple[MeterSection, ...] = ()

    def __post_init__(self) -> None:
        for key, sections in (("meters", self.meters), ("routes", self.routes), ("modem_banks", self.modem_banks)):
            twice = [name for name, count in Counter(one.name for one in sections).items() if count > 1]
            if twice:
                raise ValueError(f"`{key}`: the name {twice[0]!r} is used twice")
        self._check_call_in()
        self.standings()
        if self.forward is not None and self.keys.mdsp is None:
            raise ValueError("`forward` needs `keys.mdsp`: acknowledgements are verified with the MDSP's keys")
        if self.requests is not None and self.forward is None:
            raise ValueError("`requests` needs `forward`: they come from the broker that takes the readings")
        self.outlet.check(forwards=self.forward is not None, verifies=self.keys.mdsp is not None)

    @property
    def banks(self) -> dict[str, ModemBank]:
        """The banks of modems by name."""
        return {bank.name: bank for bank in self.modem_banks}

    def standings(self) -> list[Standing]:
        """Return how each meter is read. Raises `ValueError` for what cannot be."""
        routes = {route.name: route for route in self.routes}
        planner = Planner(self.schedule, routes, self.banks, self.clock.zone)
        waited_for = self.waited_for
        return [planner.standing(meter, meter.site.zone, calls=meter.name in waited_for) for meter in self.meters]

    @property
    def waited_for(self) -> frozenset[str]:
        """The meters that call by themselves when they are to be read."""
        calling = () if self.call_in is None else self.call_in.meters
        return frozenset(one.meter for one in calling if one.cycle is None)

    def _check_call_in(self) -> None:
        """Refuse calls of a meter that is not there, and on modems that are used otherwise."""
        if self.call_in is None:
            return
        known = {meter.name for meter in self.meters}
        if missing := [one.meter for one in self.call_in.meters if one.meter not in known]:
            raise ValueError(f"`call_in.meters`: there is no meter {missing[0]!r} among [[meters]]")
        waiting = set(map(key_of, self.call_in.modems))
        for bank in self.modem_banks:
            if both := waiting & set(map(key_of, bank.urls)):
                raise ValueError(f"`call_in.modems`: {both.pop()} waits for calls, and is in the bank {bank.name!r}")


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration and where it was read from."""

    settings: Settings
    base: Path  # directory of the file
    fleet_version: int | None = None  # that it is of; 0: the box's own file; None: the box takes no bundles

    def path(self, text: str) -> Path:
        """Return a path of the configuration; relative ones start at the file's directory. A credential is none."""
        return Path(text) if is_credential(text) else self.base / Path(text).expanduser()

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
    def tls_certificate(self) -> Path:
        """The certificate that the broker is shown."""
        forward = self.settings.forward
        return self.path(forward.certificate) if forward is not None else self.key_directory / CERTIFICATE_FILE

    @property
    def forward(self) -> ForwardSettings | None:
        """The `[forward]` section with its files named from the configuration's directory."""
        found = self.settings.forward
        if found is None:
            return None
        files = {name: getattr(found, name) for name in ("ca", "certificate", "key", "password_file")}
        return msgspec.structs.replace(found, **{name: str(self.path(file)) for name, file in files.items() if file})

    @property
    def spool_file(self) -> Path:
        return self.state_directory / "spool.sqlite"


def load_config(path: Path) -> Config:
    """Return the configuration in `path`, or that of the bundle which took its place (`[fleet]`).

    Raises `ConfigError` naming file, line, key and what is allowed.
    """
    own = load_own_config(path)
    if own.settings.fleet is None:
        return own
    from agent.fleet.effective import in_force  # noqa: PLC0415 - only where bundles are taken

    return in_force(own)


def load_own_config(path: Path) -> Config:
    """Return the configuration in `path` itself. Raises as `load_config`."""
    try:
        settings = load_toml(path, Settings, what="configuration")
    except UsageError as error:
        raise ConfigError(error.message, advice=error.advice) from error
    return Config(settings, path.parent.resolve())
