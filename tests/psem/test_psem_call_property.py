"""Client and meter as a pair over bad calls, with authentication: read exactly, or failed with a reason; never wrong.

Whatever octets are lost, damaged, doubled or late: no wrong octet is delivered, no password is sent where a key was to
be proved, no cipher is shown more often than twice, no ticket is used twice, and the meter is in Base at the end.
"""

from __future__ import annotations

import random
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import MrspError
from drivers.psem import IdentifyReply, PsemClient, PsemOptions, State
from drivers.psem.authentication import NotAuthentic
from drivers.psem.meter import Ended, MeterLimits
from drivers.psem.options import C12_21_TIMING
from drivers.psem.wiring import LineKind, Wiring
from drivers.secret import Secret
from tests.psem.lines import LONG, Damage, Direction, Line, Tables, clock, doubling, flipping, losing, run, untouched
from tests.soak.virtual_loop import rest

KEY = Secret(b"SECRET-1")
Ill = Literal["whole", "lossy", "damaging", "doubling", "late"]
ILLS: tuple[Ill, ...] = ("whole", "lossy", "damaging", "doubling", "late")


def damage(ill: Ill, rate: float, seed: int) -> Damage:
    makers = {"lossy": losing, "damaging": flipping, "doubling": doubling}
    return makers[ill](rate, seed) if ill in makers else untouched


def direction(ill: Ill, rate: float, seed: int) -> Direction:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    late = (lambda: chance.uniform(0, 2.5)) if ill == "late" else (lambda: 0.0)
    return Direction(damage(ill, rate, seed), late=late)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ILLS),
    st.sampled_from(ILLS),
    st.sampled_from((0.0005, 0.003, 0.02)),
    st.integers(0, 10_000),
    st.sampled_from((LineKind.MODEM, LineKind.NETWORK)),
    st.booleans(),
    st.booleans(),
)
def test_a_pair_over_any_call(  # noqa: PLR0917 - hypothesis fills them in
    there: Ill, back: Ill, rate: float, seed: int, kind: LineKind, knows: bool, stay: bool
) -> None:
    async def main() -> None:
        tables = Tables({1: b"first", 64: LONG}, password=b"no", keys={1: KEY.reveal()}, reply=IdentifyReply(2, 1, 0))
        options = PsemOptions(timing=C12_21_TIMING, key_id=1, packet_size=512)
        line = Line(
            tables,
            options=PsemOptions(timing=C12_21_TIMING),
            limits=MeterLimits(c1221=True),
            baud=2400 if kind is LineKind.MODEM else 0,
            there=direction(there, rate, seed),
            back=direction(back, rate, seed + 1),
        )
        client = PsemClient(line, options, wiring=Wiring(kind, stay=stay), clock=clock)
        failed: MrspError | None = None
        try:
            async with client.session(KEY if knows else Secret(b"SECRET-2")):
                assert await client.read_table(1) == b"first"
                assert await client.read_offset(64, 0, len(LONG)) == LONG
                assert knows
        except MrspError as error:
            failed = error
        assert not isinstance(failed, NotAuthentic)  # the meter does know its key
        assert failed is None or failed.message
        assert knows or failed
        assert client.state is State.BASE
        assert tables.passwords == []
        assert len(set(tables.bodies)) == len(tables.bodies)  # of as many tickets
        if not knows:
            assert len(tables.bodies) <= 2  # the second time only if the answer to the first got lost
        await rest(130)  # the longest that a session may be kept
        assert line.meter.state is State.BASE
        hung_up = any(isinstance(event, Ended) and event.hang_up for _, event in line.happened)
        assert not (hung_up and (stay or kind is LineKind.NETWORK))

    run(main())
