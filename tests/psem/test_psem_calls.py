"""Visits by telephone: which services end them, several meters on one call, timers, and a carrier that is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import msgspec
import pytest

from drivers.base import Task
from drivers.data import MeterData
from drivers.errors import DataError, LineLost, MeterRefused, MeterSilent, UsageError
from drivers.profiles import load_profiles
from drivers.psem import PsemClient
from drivers.psem.authentication import NotAuthentic, encipher
from drivers.psem.driver import PsemDriver
from drivers.psem.packet import Packet
from drivers.psem.place import kind_of, session_options, wiring_of
from drivers.psem.wiring import LineKind
from drivers.secret import Secret
from drivers.transport.masking import PROOF
from drivers.transport.replay import ReplayDiverged
from metersim.meter.serving import Serving
from tests.psem.calls import NAME, Call, called, serving
from tests.psem.lines import clock, run

T = TypeVar("T")
URL = "modem:///dev/ttyS0?dial=5550100"
PASSWORD = Secret(b"00000000")
IDENTIFY, TERMINATE, DISCONNECT, SECURITY, LOGOFF, AUTHENTICATE, TIMING = 0x20, 0x21, 0x22, 0x51, 0x52, 0x53, 0x71
NEGOTIATE_WITHOUT_SPEED = 0x60


def telephone(story: Callable[[Call], Awaitable[T]], *servings: Serving) -> T:
    """Run a story with a call to these meters, in virtual time."""

    async def main() -> T:
        async with called(*(servings or (serving(),))) as call:
            with patch.dict(PsemClient.__init__.__kwdefaults__, {"clock": clock}):
                return await story(call)

    return run(main())


def task(call: Call, url: str = URL, **more: Any) -> Task:
    more = {"password": PASSWORD, "line": call, **more}
    return Task(url, monotonic_ns=lambda: int(clock() * 1e9), **more)


async def read(call: Call, url: str = URL, **more: Any) -> MeterData:
    return await PsemDriver().read(task(call, url, **more))


def test_a_visit_by_telephone() -> None:
    async def story(call: Call) -> None:
        data = await read(call)
        assert data.method == "modem"
        assert data.registers
        assert data.broken is None
        assert call.services()[:4] == [IDENTIFY, NEGOTIATE_WITHOUT_SPEED, 0x50, AUTHENTICATE]
        assert call.services()[-2:] == [LOGOFF, DISCONNECT]
        assert call.closed
        assert data.line is not None
        assert data.line.packet_size == 512
        assert data.line.baud == 2400

    telephone(story, serving("residential-tou"))


def test_a_meter_of_c12_18_behind_a_modem_is_terminated() -> None:
    async def story(call: Call) -> None:
        data = await read(call)
        assert data.method == "modem"
        assert call.services()[-3:] == [LOGOFF, DISCONNECT, TERMINATE]
        assert SECURITY in call.services()

    telephone(story, serving(standard="c1218"))


def test_the_meter_hangs_up_after_disconnect() -> None:
    async def story(call: Call) -> None:
        async with PsemClient(call, wiring=wiring_of(task(call), load_profiles().generic, LineKind.MODEM)) as client:
            await client.identify()
        await call.ended()
        assert not call.up
        assert not call.closed

    telephone(story)


def test_two_meters_on_one_call() -> None:
    first, second = serving(identity=1), serving("residential-tou", identity=2)

    async def story(call: Call) -> tuple[MeterData, MeterData]:
        one = await read(call, f"{URL}&identity=1", stay=True)
        assert call.up
        assert not call.closed
        assert call.services()[-2:] == [LOGOFF, TERMINATE]
        other = await read(call, f"{URL}&identity=2")
        assert call.services()[-2:] == [LOGOFF, DISCONNECT]
        return one, other

    one, other = telephone(story, first, second)
    assert one.identity.meter_id == first.scenario.identity.meter_id
    assert other.identity.meter_id == second.scenario.identity.meter_id


def test_the_profile_may_say_the_identity(tmp_path: Path) -> None:
    (tmp_path / "third.toml").write_text(
        'name = "third"\ntitle = "The third meter"\nstatus = "not tried on hardware"\n[psem]\nidentity = 3\n'
    )

    async def story(call: Call) -> None:
        data = await read(call, profile="third", profile_dirs=(tmp_path,))
        assert data.registers
        assert {chunk.lstrip(b"\6\x15")[1] for chunk in call.sent if len(chunk) > 2} == {3}

    telephone(story, serving(identity=1), serving(identity=3))


def test_identity_0_is_answered_by_the_first_meter() -> None:
    first = serving("residential-tou", identity=4)

    async def story(call: Call) -> None:
        data = await read(call)
        assert data.identity.meter_id == first.scenario.identity.meter_id

    telephone(story, first, serving(identity=5))


def test_nobody_answers_to_an_identity_that_no_meter_has() -> None:
    async def story(call: Call) -> None:
        with pytest.raises(MeterSilent, match="no answer to Identify"):
            await read(call, f"{URL}&identity=9")

    telephone(story, serving(identity=1), serving(identity=2))


def test_an_answer_with_another_identity_is_not_taken() -> None:
    def with_its_own(chunk: bytes) -> bytes:
        """A meter that does not look at the identity octet."""
        packet = chunk.lstrip(b"\6")
        return b"\6" + replace(Packet.parse(packet), identity=7).to_bytes() if packet else chunk

    async def story(call: Call) -> None:
        call.tamper = with_its_own
        with pytest.raises(MeterSilent, match=r"meter 7 answers, and meter 2 does not.*identity"):
            await read(call, f"{URL}&identity=2")

    telephone(story, serving(identity=2))


def test_to_stay_on_a_line_takes_a_line() -> None:
    with pytest.raises(UsageError, match="stays on the line"):
        run(PsemDriver().read(Task("tcp://127.0.0.1:9", stay=True)))


def test_a_kept_line_is_recorded_for_each_meter_on_its_own(tmp_path: Path) -> None:
    first, second = tmp_path / "first.rec", tmp_path / "second.rec"

    async def story(call: Call) -> None:
        await read(call, f"{URL}&identity=1", stay=True, record=first)
        assert call.up
        await read(call, f"{URL}&identity=2", record=second)
        assert call.closed

    telephone(story, serving(identity=1), serving(identity=2))
    assert [path.read_text().count("mrsp-recording") for path in (first, second)] == [1, 1]


# -- carrier


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_what_was_whole_when_the_carrier_was_lost_is_delivered_and_nothing_else(share: float) -> None:
    async def whole(call: Call) -> tuple[MeterData, int]:
        data = await read(call)
        return data, call.octets

    async def cut(call: Call, after: int) -> tuple[MeterData, float]:
        call.cut_after = after
        began = clock()
        data = await read(call)
        return data, clock() - began

    meter = serving("residential-tou")
    truth, octets = telephone(whole, meter)
    data, seconds = telephone(partial(cut, after=int(octets * share)), meter)
    assert isinstance(data.broken, LineLost)
    assert data.registers == truth.registers
    assert all(block in truth.blocks for block in data.blocks)
    assert len(data.blocks) < len(truth.blocks) or len(data.events) < len(truth.events)
    assert seconds < 3  # nobody waits for a carrier that is gone


def test_a_carrier_lost_at_once_is_an_error_and_no_reading() -> None:
    async def story(call: Call) -> None:
        call.cut_after = 60
        with pytest.raises((LineLost, DataError)):
            await read(call)

    telephone(story)


def test_the_next_call_finds_a_meter_that_has_forgotten_the_broken_session() -> None:
    async def story(call: Call) -> None:
        call.cut_after = 1500
        broken = await read(call)
        assert isinstance(broken.broken, LineLost)
        call.redial()
        began = clock()
        data = await read(call)
        assert data.broken is None
        assert data.registers == broken.registers
        assert clock() - began < 20  # the meter hung up, too: nothing is to be waited out

    telephone(story, serving("residential-tou"))


# -- where a meter is


@pytest.mark.parametrize(
    ("url", "name", "baud", "kind"),
    [
        ("/dev/ttyUSB0", "/dev/ttyUSB0", 9600, LineKind.PROBE),
        ("tcp://h:1", "tcp://h:1", 0, LineKind.NETWORK),
        ("rfc2217://h:1", "rfc2217://h:1", 9600, LineKind.NETWORK),
        ("modem:///dev/ttyS0?dial=5", NAME, 2400, LineKind.MODEM),
        ("modem+tcp://h:1?dial=5", "tcp://h:1 (call to 5)", 1200, LineKind.MODEM),
        ("serial:///dev/ttyS0", "/dev/ttyS0 (call-in)", 2400, LineKind.MODEM),
    ],
)
def test_the_kind_of_a_line(url: str, name: str, baud: int, kind: LineKind) -> None:
    async def main() -> None:
        assert kind_of(Task(url), Call(name, baud)) is kind

    run(main())


def test_what_each_kind_of_line_begins_with() -> None:
    generic = load_profiles().generic
    probe, modem, network = (session_options(Task("/dev/x"), generic, kind) for kind in LineKind)
    assert (probe.timing.inter_character_s, modem.timing.inter_character_s) == (0.5, 1.0)
    assert network.timing.inter_character_s == 2.0
    assert (modem.timing.response_s, modem.timing.channel_traffic_s) == (4.0, 30.0)
    assert (probe.packet_size, modem.packet_size, network.packet_size) == (1024, 512, 1024)


@pytest.mark.parametrize(
    ("url", "kind", "profiled", "addressed"),
    [
        ("tcp://h:1", LineKind.NETWORK, 0, False),
        ("tcp://h:1?identity=3", LineKind.NETWORK, 0, True),
        ("tcp://h:1", LineKind.NETWORK, 5, False),
        ("/dev/x", LineKind.PROBE, 5, False),
        ("modem:///dev/x?dial=5", LineKind.MODEM, 5, True),
        ("modem:///dev/x?dial=5&identity=3", LineKind.MODEM, 5, True),
    ],
)
def test_when_answers_must_carry_the_identity(url: str, kind: LineKind, profiled: int, addressed: bool) -> None:
    generic = load_profiles().generic
    profile = msgspec.structs.replace(generic, psem=msgspec.structs.replace(generic.psem, identity=profiled or None))
    assert wiring_of(Task(url), profile, kind).addressed is addressed
    identity = session_options(Task(url), profile, kind).identity
    assert identity == (3 if "identity" in url else profiled)


# -- recordings


def recorded(path: Path, meter: Serving, **more: Any) -> MeterData:
    return telephone(partial(read, record=path, **more), meter)


def replayed(path: Path, **more: Any) -> MeterData:
    more = {"password": PASSWORD, **more}
    return asyncio.run(PsemDriver().read(Task(f"replay://{path}", **more)))


def test_a_recorded_call_with_authentication_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "call.rec"
    data = recorded(path, serving("residential-tou"))
    again = replayed(path)
    assert again.registers == data.registers
    assert again.blocks == data.blocks
    assert again.broken is None
    assert again.method == "modem"


def test_whoever_replays_with_another_key_gets_the_same_reading(tmp_path: Path) -> None:
    """The recording shows that the meter was authentic then; which key it was is nobody's business."""
    path = tmp_path / "call.rec"
    data = recorded(path, serving())
    assert replayed(path, password=Secret(b"ANYTHING")).registers == data.registers


def test_neither_cipher_nor_proof_is_in_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "call.rec"

    async def story(call: Call) -> tuple[bytes, bytes]:
        await read(call, record=path)
        (request,) = call.secrets
        (answer,) = [chunk for chunk in call.heard if PROOF in chunk]
        return request[-10:-2], answer[-10:-2]

    cipher, proof = telephone(story)
    text = path.read_text()
    assert encipher(PASSWORD, cipher) == proof
    assert cipher.hex() not in text
    assert proof.hex() not in text
    assert '"dir":"<","hex":"**' in text


def test_a_refused_key_is_replayed_as_refused(tmp_path: Path) -> None:
    path = tmp_path / "refused.rec"
    wrong = Secret(b"WRONGKEY")
    with pytest.raises(MeterRefused, match="key or its number is wrong"):
        recorded(path, serving(), password=wrong)
    with pytest.raises(MeterRefused, match="key or its number is wrong"):
        replayed(path, password=wrong)


def test_a_replay_without_the_password_says_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "call.rec"
    recorded(path, serving())
    with pytest.raises(ReplayDiverged):
        replayed(path, password=None)


@pytest.mark.parametrize("standard", ["c1218", "c1221"])
def test_the_identity_octet_is_no_secret_in_a_recording(standard: str, tmp_path: Path) -> None:
    """Question and answer have it in common; an answer masked for it could not be replayed."""
    path = tmp_path / "call.rec"
    data = telephone(lambda call: read(call, f"{URL}&identity=2", record=path), serving(standard=standard, identity=2))
    again = asyncio.run(PsemDriver().read(Task(f"replay://{path}?identity=2", password=PASSWORD)))
    assert again.registers == data.registers


def test_a_proof_that_came_long_after_its_acknowledgement_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "call.rec"

    async def story(call: Call) -> MeterData:
        lost: list[bytes] = []

        def losing_the_first_proof(chunk: bytes) -> bytes:
            if PROOF in chunk and not lost:
                lost.append(chunk)
                return chunk[: chunk.index(0xEE)]
            return chunk

        call.tamper = losing_the_first_proof
        return await read(call, record=path)

    data = telephone(story)
    assert data.line is not None
    assert data.line.seconds > 4
    assert replayed(path).registers == data.registers


def test_a_line_that_was_given_is_closed_whatever_is_wrong_with_the_task() -> None:
    async def story(call: Call) -> None:
        with pytest.raises(UsageError, match="no profile is called"):
            await read(call, profile="no-such-profile")
        assert call.closed

    telephone(story)


def test_a_profile_that_requires_authenticate_needs_a_password(tmp_path: Path) -> None:
    (tmp_path / "sure.toml").write_text(
        'name = "sure"\ntitle = "Sure"\nstatus = "not tried on hardware"\n[psem]\nauthenticate = "required"\n'
    )

    async def story(call: Call) -> None:
        with pytest.raises(UsageError, match="requires Authenticate"):
            await read(call, profile="sure", profile_dirs=(tmp_path,), password=None)
        call.redial()
        assert (await read(call, profile="sure", profile_dirs=(tmp_path,))).registers

    telephone(story)


def test_a_meter_with_a_wrong_proof_gives_no_reading() -> None:
    async def story(call: Call) -> None:
        with pytest.raises(NotAuthentic, match="its proof is wrong") as caught:
            await read(call)
        assert caught.value.exit_code == 4
        assert 0x30 not in call.services()
        assert call.services()[-2:] == [LOGOFF, DISCONNECT]

    telephone(story, serving(faults=["wrong_proof"]))
