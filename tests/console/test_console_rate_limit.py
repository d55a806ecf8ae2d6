"""Buckets of tries: never more than they hold, full again in time, and never more keys than there is room for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.console.rate_limit import Buckets, network_of


@settings(max_examples=60)
@given(st.integers(1, 6), st.lists(st.floats(0, 30), max_size=40))
def test_in_any_time_no_more_tries_than_bucket_and_refill(tries: int, pauses: list[float]) -> None:
    buckets, now_s, taken = Buckets(tries, 6.0), 0.0, []
    for pause in pauses:
        now_s += pause
        if buckets.wait_s("a", now_s) <= 0:
            buckets.spend("a", now_s)
            taken.append(now_s)
    for index, begin in enumerate(taken):
        for count, end in enumerate(taken[index:], 1):
            assert count <= tries + (end - begin) / 6.0 + 1e-6


def test_after_the_wait_that_was_told_there_is_a_try() -> None:
    buckets = Buckets(2, 10.0)
    for _ in range(2):
        assert buckets.wait_s("a", 0.0) == 0
        buckets.spend("a", 0.0)
    wait_s = buckets.wait_s("a", 0.0)
    assert wait_s == pytest.approx(10.0)
    assert buckets.wait_s("a", wait_s) == 0
    assert buckets.wait_s("b", 0.0) == 0


def test_a_good_try_is_given_back() -> None:
    buckets = Buckets(1, 10.0)
    for now_s in range(20):
        assert buckets.wait_s("a", float(now_s)) == 0
        buckets.spend("a", float(now_s))
        buckets.give_back("a")
    buckets.give_back("never spent")
    assert buckets.wait_s("never spent", 20.0) == 0


def test_memory_is_bounded() -> None:
    buckets = Buckets(1, 10.0, most_keys=3)
    for key in range(10):
        buckets.spend(key, 0.0)
    assert [key for key in range(10) if buckets.wait_s(key, 0.0) > 0] == [7, 8, 9]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_host_with_many_addresses_counts_once(address: str, network: str) -> None:
    assert network_of(address) == network
