"""The meter's offset is corrected for the time that the bytes take."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from agent.clock.instant import Instant
from agent.clock.proof import ClockProof
from agent.meter_clock import meter_offset
from drivers.data import ClockSample

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
NS = 1_000_000_000
BOOT = Instant(boottime_ns=1000 * NS, realtime_ns=int(NOON.timestamp()) * NS)


def proof(offset: str = "0", uncertainty: str | None = "0.020") -> ClockProof:
    from agent.clock.proof import Policy

    return ClockProof(
        synchronized=True,
        source="ntp",
        measured=BOOT,
        policy=Policy(ppm=Decimal(0)),
        offset_s=Decimal(offset),
        uncertainty_s=None if uncertainty is None else Decimal(uncertainty),
        heard_at=NOON,
    )


def sample(meter_time: datetime, *, trip_ns: int = 0, request: str = "0", reply: str = "0") -> ClockSample:
    start = BOOT.boottime_ns
    return ClockSample(meter_time, start, start + trip_ns, Decimal(request), Decimal(reply), Decimal(1))


def test_an_instant_answer_is_compared_as_it_is() -> None:
    found = meter_offset(sample(NOON + timedelta(seconds=181)), proof())
    assert found.offset_s == 181
    assert found.latency_s == 0
    assert found.uncertainty_s == Decimal("1.020")


def test_the_middle_of_the_round_trip_counts_less_the_reply_on_the_wire() -> None:
    # 0.2 s in all, of which the reply is 0.1 s on the wire: the meter looked at its clock after 0.05 s
    found = meter_offset(sample(NOON + timedelta(milliseconds=50), trip_ns=NS // 5, reply="0.1"), proof())
    assert found.offset_s == 0
    assert found.latency_s == Decimal("0.100")


def test_request_and_reply_of_equal_length_leave_the_middle() -> None:
    found = meter_offset(sample(NOON + timedelta(seconds=1), trip_ns=2 * NS, request="0.5", reply="0.5"), proof())
    assert found.offset_s == 0


def test_the_agents_own_error_is_taken_out() -> None:
    # the box is 3 s fast: what it calls noon is 11:59:57
    found = meter_offset(sample(NOON - timedelta(seconds=3)), proof(offset="3"))
    assert found.offset_s == 0


def test_without_a_reference_the_uncertainty_is_not_known() -> None:
    assert meter_offset(sample(NOON), proof(uncertainty=None)).uncertainty_s is None
