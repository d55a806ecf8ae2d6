"""The way to the MDSP: `Forwarder` drives it, `mqtt` carries it, `file` is the way without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agent.forward.forwarder import Forwarder
from agent.forward.mqtt import MqttDialer
from agent.forward.reconnect import LinkState
from agent.forward.settings import ForwardSettings
from agent.forward.trouble import Cause, ForwardTrouble
from agent.forward.window import SendWindow
from agent.keys import MdspKeys
from agent.spool import Spool


def mqtt_forwarder(
    spool: Spool, settings: ForwardSettings, mdsp_keys: MdspKeys, *, clock: Callable[[], Mapping[str, Any]] = dict
) -> Forwarder:
    """Return the forwarder of `spool` over MQTT as `settings` say; `clock` is asked for each status message."""
    dialer = MqttDialer(settings, agent_id=spool.agent_id)
    return Forwarder(spool, dialer.dial, mdsp_keys, window=SendWindow(settings.window), clock=clock)


__all__ = ["Cause", "ForwardSettings", "ForwardTrouble", "Forwarder", "LinkState", "mqtt_forwarder"]
