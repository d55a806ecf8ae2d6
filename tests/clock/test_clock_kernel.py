"""The kernel's word on its clock."""

from __future__ import annotations

from decimal import Decimal

import pytest

from agent.clock.kernel import KernelState, ask, read_kernel
from agent.clock.samples import NoTime, TimeSample
from tests.clock.clock_kit import VirtualClock

BOX = VirtualClock()


async def test_a_disciplined_clock_is_bounded() -> None:
    heard = await ask(BOX, lambda: KernelState(state=0, status=0x2001, offset=-1_500_000, maxerror_us=250_000))
    assert isinstance(heard, TimeSample)
    assert (heard.offset_s, heard.uncertainty_s) == (Decimal(0), Decimal("5.2515"))


async def test_without_nanoseconds_the_offset_is_in_microseconds() -> None:
    heard = await ask(BOX, lambda: KernelState(state=1, status=0x0011, offset=1_500, maxerror_us=0))
    assert isinstance(heard, TimeSample)
    assert heard.uncertainty_s == Decimal("5.0015")
    assert heard.leap == "insert"


@pytest.mark.parametrize("kernel", [KernelState(5, 0x0040, 0, 16_000_000), KernelState(0, 0x0040, 0, 0)])
async def test_an_undisciplined_clock_is_refused(kernel: KernelState) -> None:
    heard = await ask(BOX, lambda: kernel)
    assert isinstance(heard, NoTime)
    assert "STA_UNSYNC" in heard.reason


async def test_a_kernel_that_refuses() -> None:
    def refuse() -> KernelState:
        raise OSError(1, "Operation not permitted")

    heard = await ask(BOX, refuse)
    assert isinstance(heard, NoTime)
    assert "Operation not permitted" in heard.reason


def test_this_kernel_answers_and_is_not_touched() -> None:
    first, second = read_kernel(), read_kernel()
    assert 0 <= first.state <= 5
    assert first.status & ~0x2000 == second.status & ~0x2000
    assert first.maxerror_us >= 0
