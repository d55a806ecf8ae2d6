"""Can the broker be reached, proven and joined as the forwarder does it? Nothing is published, nothing disturbed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec

from agent.credentials import has_credentials, is_credential
from agent.doctor.finding import Remark, ok, skipped, warning
from agent.doctor.patient import Patient
from agent.forward.mqtt import MqttDialer
from agent.forward.settings import ForwardSettings
from agent.forward.trouble import Cause, ForwardTrouble

TIMEOUT_S = 5.0


def broker(patient: Patient) -> Iterator[Remark]:
    """Connect under the name that looks for other boxes of this identity, and listen to the status topic alone.

    Where the broker wants a password none is sent: that it then refuses the login proves way, TLS and certificates.
    """
    forward = patient.config.forward
    if forward is None:
        yield skipped("there is no [forward] section: readings stay in the spool")
        return
    if is_credential(forward.key) and not has_credentials():
        yield skipped(f"the key {forward.key} is given to the service only")
        return
    where = f"{forward.host}:{forward.port}"
    try:
        asyncio.run(_look(forward, patient.config.agent_id))
    except ForwardTrouble as trouble:
        if forward.password_file is None or trouble.cause is not Cause.NOT_AUTHORISED:
            raise
        yield ok(f"{where} answers, and takes our certificate; its password was not tried")
        return
    yield ok(f"{where} answers, proves itself, and takes our certificate")
    if forward.protocol == "3.1.1":
        yield warning(f"MQTT 3.1.1 is spoken with {where}: a refusal has no reason there", '`protocol = "auto"`')


async def _look(forward: ForwardSettings, agent_id: str) -> None:
    without = msgspec.structs.replace(forward, username=None, password_file=None)
    async with MqttDialer(without, agent_id=agent_id, timeout_s=TIMEOUT_S).look():
        pass
