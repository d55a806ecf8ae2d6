"""The `[fleet]` part of the configuration: whose bundles this box takes, and what it puts into them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from agent.order import Text

GroupName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
ValueName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
#: Nothing that ends a text of TOML, or begins an escape in it.
Value = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9 ._:/@,+-]{0,200}$")]


class FleetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Signed bundles of configuration and profiles. Only in the file of the box itself, never in a bundle."""

    keys: Text  # JWKS file with the public keys that may sign bundles
    groups: Annotated[tuple[GroupName, ...], msgspec.Meta(max_length=32)] = ()  # that this box belongs to
    values: dict[ValueName, Value] = {}  # what stands for `{name}` in a bundle's configuration, besides `{agent_id}`
    attempts: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3  # starts that a new version has to come up

    def __post_init__(self) -> None:
        if "agent_id" in self.values:
            raise ValueError("`values`: `agent_id` is that of [agent]")
