"""The NTP core: octets in, a verdict out. The other side is `metersim`, which encodes them by itself."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock.instant import NS, Instant
from agent.clock.ntp_packet import Measurement, NotOurs, Reply, Unusable, judge, measure, question, unix_ns
from agent.clock.plausible import EPOCH
from metersim.ntp import Behaviour, NtpServer, timestamp

NONCE = 0x0123_4567_89AB_CDEF
NOW_NS = 1_772_884_800 * NS  # 2026-03-07 12:00 UTC
nonces = st.integers(0, (1 << 64) - 1)


def answered(behaviour: Behaviour | None = None, *, nonce: int = NONCE, now_ns: int = NOW_NS) -> bytes:
    return NtpServer(behaviour).answer(question(nonce), now_ns)


def reply(behaviour: Behaviour | None = None, *, now_ns: int = NOW_NS) -> Reply:
    verdict = judge(answered(behaviour, now_ns=now_ns), NONCE)
    assert isinstance(verdict, Reply)
    return verdict


@given(nonces)
def test_a_question_is_a_version_4_client_packet_that_tells_nothing_but_the_nonce(nonce: int) -> None:
    octets = question(nonce)
    assert octets == bytes([4 << 3 | 3]) + bytes(39) + nonce.to_bytes(8, "big")


def test_a_good_answer() -> None:
    verdict = reply(Behaviour(stratum=1, reference="GPS", root_delay_s=0.25, root_dispersion_s=0.5))
    assert verdict == Reply(
        received_ns=NOW_NS,
        sent_ns=NOW_NS,
        stratum=1,
        reference="GPS",
        root_delay_s=Decimal("0.25"),
        root_dispersion_s=Decimal("0.5"),
        precision_s=Decimal(2) ** -20,
        leap="none",
        smeared=False,
    )


@pytest.mark.parametrize(
    ("behaviour", "kind", "words"),
    [
        (Behaviour(kiss="DENY"), Unusable, "kiss-o'-death DENY: access denied"),
        (Behaviour(kiss="RSTR"), Unusable, "kiss-o'-death RSTR"),
        (Behaviour(kiss="RATE"), Unusable, "kiss-o'-death RATE: asked too often"),
        (Behaviour(kiss="XFUN"), Unusable, "kiss-o'-death XFUN"),
        (Behaviour(kiss="\x1b[A"), Unusable, "kiss-o'-death 1B5B4100"),
        (Behaviour(stratum=0, reference="INIT"), Unusable, "kiss-o'-death INIT: not synchronised yet"),
        (Behaviour(stratum=0, reference=""), Unusable, "stratum 0"),
        (Behaviour(leap=3), Unusable, "leap indicator 3"),
        (Behaviour(stratum=16), Unusable, "stratum 16"),
        (Behaviour(stratum=255), Unusable, "stratum 255"),
        (Behaviour(wrong_origin=True), NotOurs, "originate timestamp"),
        (Behaviour(wrong_origin=True, kiss="DENY"), NotOurs, "originate timestamp"),
        (Behaviour(mode=3), NotOurs, "mode 3"),
        (Behaviour(mode=5), NotOurs, "mode 5"),
    ],
)
def test_refusals(behaviour: Behaviour, kind: type[Unusable | NotOurs], words: str) -> None:
    verdict = judge(answered(behaviour), NONCE)
    assert isinstance(verdict, kind)
    assert words in verdict.reason


@given(nonces, nonces)
def test_only_the_answer_to_our_own_question_counts(ours: int, theirs: int) -> None:
    verdict = judge(answered(nonce=theirs), ours)
    assert isinstance(verdict, Reply if ours == theirs else NotOurs)


@given(st.binary(max_size=100))
def test_any_octets_are_judged(octets: bytes) -> None:
    assert isinstance(judge(octets, NONCE), NotOurs)


@given(st.binary(min_size=48, max_size=60), st.integers(-NS, 10 * NS))
def test_any_answer_that_echoes_us_is_judged_and_measured(octets: bytes, elapsed: int) -> None:
    """Whatever stands in the other fields, no exception, and no measurement vaguer than the limit."""
    echoed = bytes([octets[0] & 0xF8 | 4]) + octets[1:24] + NONCE.to_bytes(8, "big") + octets[32:]
    verdict = judge(echoed, NONCE)
    assert isinstance(verdict, Reply | Unusable)
    if isinstance(verdict, Reply):
        measured = measure(verdict, Instant(NS, NOW_NS), NS + elapsed)
        assert isinstance(measured, Unusable) or 0 < measured.uncertainty_s <= Decimal("2.5")


@pytest.mark.parametrize("length", range(48))
def test_short_packets_are_not_ours(length: int) -> None:
    assert isinstance(judge(answered()[:length], NONCE), NotOurs)


def test_an_answer_without_a_time_is_refused() -> None:
    empty = answered()[:40] + bytes(8)
    assert judge(empty, NONCE) == Unusable("the server's answer carries no time")


@pytest.mark.parametrize(
    ("stratum", "ref_id", "words"),
    [
        (2, b"\xc0\x00\x02\x01", "192.0.2.1"),
        (2, b"\x7f\x7f\x01\x01", "its own local clock"),
        (1, b"PPS\0", "PPS"),
        (1, b"\x00\x00\x00\x00", "00000000"),
        (1, b"\xff\xfe\x01\x02", "FFFE0102"),
    ],
)
def test_the_reference_is_named(stratum: int, ref_id: bytes, words: str) -> None:
    octets = bytearray(answered(Behaviour(stratum=stratum)))
    octets[12:16] = ref_id
    verdict = judge(bytes(octets), NONCE)
    assert isinstance(verdict, Reply)
    assert verdict.reference == words


@pytest.mark.parametrize("ref_id", [b"\x7f\x7f\x01\xff", b"\xfe\x00\x12\x34"])
def test_a_smearing_server_is_a_second_less_sure(ref_id: bytes) -> None:
    octets = bytearray(answered(Behaviour(stratum=2)))
    octets[12:16] = ref_id
    verdict = judge(bytes(octets), NONCE)
    assert isinstance(verdict, Reply)
    measured = measure(verdict, Instant(0, NOW_NS), 0)
    assert isinstance(measured, Measurement)
    assert measured.uncertainty_s > 1


class TestEra:
    @given(st.datetimes(datetime(2000, 1, 1), datetime(2136, 2, 7)))  # noqa: DTZ001  # strategies want naive bounds
    def test_any_time_of_this_and_the_next_century_is_read(self, at: datetime) -> None:
        ns = (at.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) * 1_000
        assert abs(unix_ns(timestamp(ns)) - ns) <= 1

    def test_2036_is_no_wall(self) -> None:
        wrap_ns = ((1 << 32) - 2_208_988_800) * NS
        server = reply(now_ns=wrap_ns + NS // 2)
        measured = measure(server, Instant(0, wrap_ns + NS // 2), 0)
        assert isinstance(measured, Measurement)
        assert measured.offset_s == 0

    def test_a_box_that_booted_in_1970_learns_how_wrong_it_is(self) -> None:
        measured = measure(reply(now_ns=2_300_000_000 * NS), Instant(5, 0), 5)  # November 2042
        assert isinstance(measured, Measurement)
        assert measured.offset_s == -2_300_000_000


class TestMeasurement:
    @given(
        offset=st.integers(-100 * NS, 100 * NS),
        there=st.integers(0, NS // 2),
        held=st.integers(0, NS // 10),
        back=st.integers(0, NS // 2),
    )
    def test_the_truth_is_inside_however_unequal_the_ways(self, offset: int, there: int, held: int, back: int) -> None:
        """Our clock is `offset` fast; question and answer take their own time."""
        arrives = NOW_NS + there
        server = dataclasses.replace(reply(), received_ns=arrives, sent_ns=arrives + held)
        measured = measure(server, Instant(7, NOW_NS + offset), 7 + there + held + back)
        assert isinstance(measured, Measurement)
        assert abs(measured.offset_s - Decimal(offset) / NS) <= measured.uncertainty_s
        assert measured.delay_s == Decimal(there + back) / NS

    def test_positive_means_that_our_clock_is_fast(self) -> None:
        measured = measure(reply(), Instant(0, NOW_NS + 90 * NS), 0)
        assert isinstance(measured, Measurement)
        assert measured.offset_s == 90

    def test_uncertainty_is_the_root_distance(self) -> None:
        server = reply(Behaviour(root_delay_s=0.5, root_dispersion_s=0.125))
        measured = measure(server, Instant(0, NOW_NS), NS // 2)
        assert isinstance(measured, Measurement)
        assert measured.uncertainty_s == Decimal("0.625") + Decimal(2) ** -20 + Decimal("0.000001")

    @pytest.mark.parametrize(
        "behaviour", [Behaviour(root_dispersion_s=1.5), Behaviour(root_delay_s=3), Behaviour(root_dispersion_s=65_535)]
    )
    def test_a_distant_server_is_refused(self, behaviour: Behaviour) -> None:
        verdict = measure(reply(behaviour), Instant(0, NOW_NS), 0)
        assert isinstance(verdict, Unusable)
        assert "root distance" in verdict.reason

    @pytest.mark.parametrize("held_s", [0.01, -0.01, 50.0])
    def test_impossible_times_are_refused(self, held_s: float) -> None:
        verdict = measure(reply(Behaviour(held_s=held_s)), Instant(0, NOW_NS), 1_000)
        assert isinstance(verdict, Unusable)
        assert "impossible" in verdict.reason
