"""The nameplate, as the person at the meter says: asked for where a check needs it, and once more if it differs."""

from __future__ import annotations

import msgspec

from agent.order import Order
from drivers.data import MeterData
from drivers.person import Ask, Question

_WHAT = "type or scan the number on the meter's nameplate"
_LONGEST = 200


async def with_nameplate(order: Order, data: MeterData, ask: Ask | None) -> Order:
    """Return the order with what the nameplate says, where a person read the meter by a probe and did not say yet.

    What the record has is not shown: it is to be compared with what is seen. A number that differs is asked for twice,
    and the second answer stands.
    """
    expected = order.expected_meter_id
    if ask is None or data.method != "optical" or expected is None or order.nameplate_id is not None:
        return order
    answer = await ask(Question("nameplate", _WHAT, example="00123456"))
    if answer.text is not None and answer.text != expected:
        why = "it is not the number on record"
        again = await ask(Question("nameplate", f"look once more and {_WHAT}", why, example="00123456", again=True))
        answer = again if again.text is not None else answer
    if answer.text is None or len(answer.text) > _LONGEST:
        return order
    return msgspec.structs.replace(order, nameplate_id=answer.text)
