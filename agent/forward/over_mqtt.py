"""A forwarder over MQTT, put together from its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agent.forward.fence import FencedDial
from agent.forward.forwarder import Forwarder
from agent.forward.mqtt import MqttDialer
from agent.forward.settings import ForwardSettings
from agent.forward.uplink import Dial
from agent.forward.window import SendWindow
from agent.identity.proving import proven_dial
from agent.instance import Instance
from agent.keys import MdspKeys
from agent.requests.message import MAX_ROUTE_REQUEST_OCTETS
from agent.spool import Spool


def mqtt_forwarder(
    spool: Spool,
    settings: ForwardSettings,
    mdsp_keys: MdspKeys,
    *,
    status: Callable[[], Mapping[str, Any]] = dict,
    own: Instance | None = None,
    requests: Callable[[bytes], None] | None = None,
) -> Forwarder:
    """Return the forwarder of `spool` over MQTT as `settings` say; `status` is asked what else a status message says.

    `own`: which box this is; with it nothing is sent while another box has this identity (`agent.forward.fence`).
    `requests` is given what the MDSP sends on the request topic.
    """

    def connect(chosen: ForwardSettings) -> Dial:
        dialer = MqttDialer(
            chosen, agent_id=spool.agent_id, requests=requests, largest_request=MAX_ROUTE_REQUEST_OCTETS
        )
        return dialer.dial if own is None else FencedDial(dialer.dial, dialer, own, agent_id=spool.agent_id)

    dial = proven_dial(settings, connect)
    return Forwarder(spool, dial, mdsp_keys, window=SendWindow(settings.window), status=status)
