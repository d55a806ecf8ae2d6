"""How long is waited: never less than a legal meter may take, more where the line shows that it needs it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.psem.patience import LONGEST_S, NETWORK_S, Patience
from drivers.psem.pauses import Pauses
from drivers.psem.wiring import LineKind

WAITS = st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60)


@given(WAITS, st.booleans(), st.floats(0, 30), st.floats(0.1, 5))
def test_the_meter_gets_its_time_and_nobody_waits_for_ever(
    waits: list[tuple[float, bool]], network: bool, remembered_s: float, meter_s: float
) -> None:
    patience = Patience(meter_s, network=network, remembered_s=remembered_s)
    for waited_s, sure in waits:
        patience.heard(waited_s, sure=sure)
        assert meter_s <= patience.response_s <= max(meter_s, LONGEST_S)
    assert patience.slowest_s == max((waited for waited, sure in waits if sure), default=0.0)


def test_a_serial_line_waits_as_the_standard_says() -> None:
    patience = Patience(2.0, network=False)
    for _ in range(50):
        patience.heard(0.02, sure=True)
    assert patience.response_s == 2.0


def test_a_meter_that_is_always_late_gets_more_time() -> None:
    patience = Patience(2.0, network=False)
    patience.heard(2.3, sure=False)  # only after a repeat
    assert patience.response_s == 3.0
    patience.heard(2.3, sure=True)
    assert 2.3 < patience.response_s < 10


def test_a_network_is_measured_and_its_time_added_to_the_meters() -> None:
    patience = Patience(2.0, network=True)
    assert patience.response_s == 2.0 + NETWORK_S
    for _ in range(30):
        patience.heard(0.1, sure=True)
    assert 2.5 <= patience.response_s < 2.7
    for _ in range(30):
        patience.heard(3.0, sure=True)
    assert patience.response_s > 5.0


def test_what_is_remembered_is_where_to_begin() -> None:
    assert Patience(2.0, network=True, remembered_s=0.2).response_s == 3.5
    assert Patience(2.0, network=True, remembered_s=4.0).response_s == 10.0


def test_another_standard_gives_the_meter_more_time() -> None:
    patience = Patience(2.0, network=False)
    patience.meter_takes(4.0)
    assert patience.response_s == 4.0


# -- pauses inside packets


def test_a_cut_packet_is_waited_for_as_the_standard_says_until_the_line_is_known() -> None:
    pauses = Pauses(0.5, LineKind.PROBE)
    pauses.inside(0.02)
    pauses.whole(200)
    assert pauses.gap_s == 0.5
    pauses.whole(400)
    assert pauses.gap_s == pytest.approx(0.16)


def test_pauses_of_damaged_packets_say_nothing() -> None:
    pauses = Pauses(0.5, LineKind.PROBE)
    pauses.whole(1000)
    pauses.inside(0.4)
    pauses.broken()
    pauses.whole(10)
    assert pauses.gap_s == 0.12
    pauses.inside(0.05)
    pauses.whole(10)
    assert pauses.gap_s == pytest.approx(0.4)


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 1024), st.booleans()), max_size=40), st.booleans())
def test_never_more_than_the_standard_and_never_hasty(found: list[tuple[float, int, bool]], network: bool) -> None:
    pauses = Pauses(1.0, LineKind.NETWORK if network else LineKind.PROBE)
    for seconds, octets, whole in found:
        pauses.inside(seconds)
        if whole:
            pauses.whole(octets)
        else:
            pauses.broken()
        assert (0.4 if network else 0.12) <= pauses.gap_s <= 1.0
