"""The sealer of a configured agent: its device key, and whom it encrypts to."""

from __future__ import annotations

from agent.config import Config
from agent.identity.present import DeviceKeys
from agent.keys import MdspKeys
from agent.seal import Sealer


def sealer_of(config: Config) -> tuple[Sealer, MdspKeys | None]:
    """Return the sealer that `config` describes, and the MDSP's keys where they are named. Raises `LocalTrouble`."""
    keys = DeviceKeys(config.key_directory)
    keys.present()
    if config.settings.keys.mdsp is None:
        return Sealer(keys.present), None
    mdsp = MdspKeys(config.path(config.settings.keys.mdsp), require_encryption=config.settings.keys.encrypt)
    mdsp.load()
    return Sealer(keys.present, lambda: mdsp.load().encryption), mdsp
