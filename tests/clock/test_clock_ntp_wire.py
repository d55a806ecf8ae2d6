"""Real UDP on loopback against `metersim ntp`, each way to misbehave; then whole proofs over several servers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import pytest

from agent.clock import ClockSettings, NoTime, SystemClock, TimeSample, prove, read_instant
from agent.clock.ntp import Asking, ask
from agent.clock.settings import Server
from metersim.ntp import Behaviour, NtpServer
from tests.clock.clock_kit import VirtualClock

CLOCK = SystemClock()
QUICK = Asking(timeout_s=0.1)  # for servers that stay silent; the others answer in well under a millisecond
PATIENT = Asking(timeout_s=10)

Serve = Callable[..., Coroutine[Any, Any, Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def start(behaviour: Behaviour | None = None, host: str = "127.0.0.1") -> Server:
            server = NtpServer(behaviour)
            stack.callback(server.close)
            return Server(*await server.start(host))

        yield start


async def test_a_good_server(serve: Serve) -> None:
    server = await serve()
    heard = await ask(server, CLOCK, PATIENT)
    assert isinstance(heard, TimeSample)
    assert abs(heard.offset_s) <= heard.uncertainty_s
    assert (heard.source, heard.name, heard.peer, heard.reference) == ("ntp", str(server), str(server), "SIM")
    assert "stratum 1, 4 of 4 answers" in heard.detail


@pytest.mark.parametrize("offset", [90.0, -90.0, 3_000_000_000.0, -500_000_000.0])
async def test_a_wrong_server_shows_as_our_clock_being_wrong_the_other_way(serve: Serve, offset: float) -> None:
    heard = await ask(await serve(Behaviour(offset_s=offset)), CLOCK, PATIENT)
    assert isinstance(heard, TimeSample)
    assert abs(heard.offset_s + int(offset)) <= heard.uncertainty_s


async def test_our_own_clock_may_be_decades_off(serve: Serve) -> None:
    """A box without a battery, just booted: the server is asked all the same."""

    class JustBooted(SystemClock):
        def realtime_ns(self) -> int:
            return super().boottime_ns()  # 1970

    heard = await ask(await serve(), JustBooted(), PATIENT)
    assert isinstance(heard, TimeSample)
    assert heard.offset_s < -1_700_000_000


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (Behaviour(kiss="DENY"), "kiss-o'-death DENY: access denied"),
        (Behaviour(kiss="RATE"), "kiss-o'-death RATE: asked too often"),
        (Behaviour(leap=3), "leap indicator 3"),
        (Behaviour(stratum=16), "stratum 16"),
        (Behaviour(root_dispersion_s=2), "root distance"),
        (Behaviour(jump_s=10), "contradict each other"),
        (Behaviour(held_s=5), "impossible"),
    ],
)
async def test_a_server_that_answers_but_gives_no_time(serve: Serve, behaviour: Behaviour, words: str) -> None:
    heard = await ask(await serve(behaviour), CLOCK, PATIENT)
    assert isinstance(heard, NoTime)
    assert words in heard.reason


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (Behaviour(silent=True), "no answer"),
        (Behaviour(other_port=True), "no answer"),  # the kernel drops what is not from whom we asked
        (Behaviour(wrong_origin=True), "2 datagrams were not taken for one: its originate timestamp"),
        (Behaviour(mode=1), "mode 1"),
        (Behaviour(short=True), "40 octets are too few"),
    ],
)
async def test_a_server_without_one_valid_answer(serve: Serve, behaviour: Behaviour, words: str) -> None:
    heard = await ask(await serve(behaviour), CLOCK, QUICK)
    assert isinstance(heard, NoTime)
    assert words in heard.reason


async def test_a_kiss_stops_the_asking(serve: Serve) -> None:
    server = NtpServer(Behaviour(kiss="DENY"))
    host, port = await server.start()
    await ask(Server(host, port), CLOCK, PATIENT)
    server.close()
    assert server.asked == 1


async def test_what_was_heard_before_a_kiss_counts(serve: Serve) -> None:
    heard = await ask(await serve(Behaviour(kiss="RATE", kiss_after=2)), CLOCK, PATIENT)
    assert isinstance(heard, TimeSample)
    assert "2 of 4 answers" in heard.detail
    assert "then: kiss-o'-death RATE" in heard.detail


async def test_a_lost_answer_is_asked_for_again() -> None:
    class LosesTheFirst(NtpServer):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.asked += 1
            if self.asked > 1:
                super().datagram_received(data, addr)

    server = LosesTheFirst()
    heard = await ask(Server(*await server.start()), CLOCK, QUICK)
    server.close()
    assert isinstance(heard, TimeSample)
    assert "3 of 4 answers" in heard.detail


async def test_forgeries_before_the_answer_do_not_keep_us_from_it() -> None:
    class Forged(NtpServer):
        """Somebody guesses, twenty times, before the server answers."""

        def answer(self, question: bytes, now_ns: int) -> bytes:
            good = super().answer(question, now_ns)
            if self._transport is not None and self._asker is not None:
                for guess in range(20):
                    self._transport.sendto(good[:24] + guess.to_bytes(8, "big") + good[32:], self._asker)
            return good

        _asker: tuple[str, int] | None = None

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self._asker = addr
            super().datagram_received(data, addr)

    server = Forged()
    heard = await ask(Server(*await server.start()), CLOCK, PATIENT)
    server.close()
    assert isinstance(heard, TimeSample)
    assert "4 of 4 answers" in heard.detail


async def test_a_port_where_nobody_listens_fails_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    heard = await ask(Server("127.0.0.1", port), CLOCK, Asking(timeout_s=50))
    assert heard == NoTime("ntp", f"127.0.0.1:{port}", "Connection refused")


async def test_ipv6(serve: Serve) -> None:
    try:
        server = await serve(host="::1")
    except OSError:
        pytest.skip("this box has no IPv6 loopback")
    heard = await ask(server, CLOCK, PATIENT)
    assert isinstance(heard, TimeSample)
    assert heard.name == f"[::1]:{server.port}"


async def test_a_name_is_resolved_and_its_addresses_tried(serve: Serve) -> None:
    """`localhost` may be ::1 first, where nobody listens."""
    server = await serve()
    heard = await ask(Server("localhost", server.port), CLOCK, PATIENT)
    assert isinstance(heard, TimeSample)
    assert heard.peer == str(server)


async def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    heard = await ask(Server("time.invalid", 123), CLOCK)
    assert heard == NoTime("ntp", "time.invalid:123", "its name cannot be resolved: Name or service not known")


async def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> list[object]:
        await asyncio.get_running_loop().create_future()
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    heard = await ask(Server("time.invalid", 123), CLOCK, Asking(timeout_s=0.01))
    assert isinstance(heard, NoTime)
    assert "not resolved in time" in heard.reason


async def test_an_address_without_a_route_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(*_: object, **__: object) -> object:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_datagram_endpoint", unreachable)
    assert await ask(Server("127.0.0.1", 123), CLOCK) == NoTime("ntp", "127.0.0.1:123", "Network is unreachable")


async def test_cancelled_while_waiting_ends_at_once() -> None:
    asked = asyncio.Event()

    class Silent(NtpServer):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            super().datagram_received(data, addr)
            asked.set()

    server = Silent(Behaviour(silent=True))
    address = await server.start()
    task = asyncio.create_task(ask(Server(*address), CLOCK, Asking(timeout_s=50)))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.close()


class TestProof:
    async def test_of_three_with_a_liar(self, serve: Serve) -> None:
        servers = [await serve(), await serve(), await serve(Behaviour(offset_s=90))]
        proof = await prove(_asking(*servers), CLOCK)
        assert proof.synchronized
        assert proof.source == "ntp"
        assert proof.offset_s is not None
        assert abs(proof.offset_s) < 1
        assert any(f"{servers[2]} is not believed" in reason for reason in proof.reasons)
        assert proof.permits("interval", read_instant(CLOCK)).allowed

    async def test_of_two_that_disagree(self, serve: Serve) -> None:
        proof = await prove(_asking(await serve(), await serve(Behaviour(offset_s=-5))), CLOCK)
        assert (proof.synchronized, proof.source) == (False, "none")
        assert not proof.permits("tou", read_instant(CLOCK)).allowed
        assert proof.permits("cumulative", read_instant(CLOCK)).allowed

    async def test_of_a_clock_ninety_seconds_slow(self, serve: Serve) -> None:
        proof = await prove(_asking(await serve(Behaviour(offset_s=90))), CLOCK)
        assert proof.offset_s is not None
        assert abs(proof.offset_s + 90) < 1
        assert "slow" in proof.permits("interval", read_instant(CLOCK)).reason

    async def test_one_server_under_two_names_has_one_vote(self, serve: Serve) -> None:
        liar, honest = await serve(Behaviour(offset_s=90)), await serve()
        proof = await prove(_asking(liar, Server("localhost", liar.port), honest), CLOCK)
        assert proof.source == "none"

    async def test_absent_chrony_beside_servers_is_a_remark(self, serve: Serve) -> None:
        settings = ClockSettings(ntp=(str(await serve()),), chronyc=("/nonexistent/chronyc",))
        proof = await prove(settings, CLOCK)
        assert proof.synchronized
        assert isinstance(proof.outcomes[0], NoTime)
        assert "No such file" in proof.outcomes[0].reason

    async def test_a_kernel_is_asked_if_configured(self, serve: Serve) -> None:
        settings = ClockSettings(sources=("kernel",), ntp=(str(await serve()),), zone="America/Denver")
        proof = await prove(settings, CLOCK)
        assert [outcome.source for outcome in proof.outcomes] == ["kernel", "ntp"]
        assert str(proof.policy.zone) == "America/Denver"

    async def test_with_nobody_to_ask(self) -> None:
        proof = await prove(ClockSettings(sources=()), VirtualClock())
        assert "No source of time is configured" in proof.reasons[0]
        assert proof.offset_s is None


def _asking(*servers: Server) -> ClockSettings:
    return ClockSettings(sources=("ntp",), ntp=tuple(map(str, servers)), ntp_timeout_s=10, ppm=Decimal(50))
