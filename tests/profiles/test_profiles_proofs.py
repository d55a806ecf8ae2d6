"""Every proof of every profile: the recording is replayed through the driver and must give the expected registers."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from drivers.base import Task
from drivers.data import Identity, MeterData, Register
from drivers.profiles import Profile, Proof, load_profiles
from drivers.profiles.schema import ExpectedRegister
from drivers.registry import driver_for

RECORDINGS = Path(__file__).parents[1] / "recordings"

Replay = Callable[[Profile, Proof], Awaitable[MeterData]]


@pytest.fixture
def replay() -> Replay:
    """Read the recording of a proof as if it were the meter, which names its profile itself where it can."""

    async def read(profile: Profile, proof: Proof) -> MeterData:
        url = f"replay://{RECORDINGS / proof.recording}"
        return await driver_for(url).read(Task(url=url, profile=None if profile.detect else profile.name))

    return read


async def test_every_proof_holds(replay: Replay) -> None:
    broken = {}
    for profile in load_profiles():
        for proof in profile.proof:
            broken[proof.recording] = mismatches(profile, proof, await replay(profile, proof))
    assert not any(broken.values()), broken


def mismatches(profile: Profile, proof: Proof, data: MeterData) -> list[str]:
    """Return what `data` does not say as the proof expects; empty if the proof holds."""
    wrong = []
    if data.broken is not None:
        wrong.append(f"the read broke: {data.broken}")
    if data.profile != profile.name:
        wrong.append(f"read with profile {data.profile}")
    if data.identity.meter_id != proof.meter_id:
        wrong.append(f"meter id {data.identity.meter_id}, expected {proof.meter_id}")
    for expected in proof.register:
        found = [register for register in data.registers if _same(register, expected)]
        values = [(register.value, register.unit) for register in found]
        if values != [(Decimal(expected.value), expected.unit)]:
            wrong.append(f"{expected.quantity} {expected.direction} tier {expected.tier}: {values}")
    return wrong


def _same(register: Register, expected: ExpectedRegister) -> bool:
    return (
        (register.quantity, register.direction, register.kind, register.tier)
        == (expected.quantity, expected.direction, expected.kind, expected.tier)
        and register.season == "current"
        and register.period == "present"
    )


def reading(value: str, meter_id: str = "1234", **more: object) -> MeterData:
    register = Register("kWh", "delivered", "cumulative", 0, "1", Decimal(value), Decimal(1), "kWh")
    return MeterData(Identity(meter_id), "acme-sx", registers=(register,), **more)  # type: ignore[arg-type]


def test_the_judge_sees_every_difference() -> None:
    profile = Profile(name="acme-sx", title="Acme", status="tried on hardware: one SX, 2026")
    expected = ExpectedRegister(quantity="kWh", direction="delivered", value="12.50", unit="kWh")
    proof = Proof(recording="acme.rec", meter_id="1234", register=(expected,))
    assert mismatches(profile, proof, reading("12.5")) == []
    assert mismatches(profile, proof, reading("12.51")) == [
        "kWh delivered tier 0: [(Decimal('12.51'), 'kWh')]",
    ]
    assert mismatches(profile, proof, reading("12.5", meter_id="1235")) == ["meter id 1235, expected 1234"]
    assert mismatches(profile, proof, reading("12.5", broken=TimeoutError("silent"))) == ["the read broke: silent"]
    other = Profile(name="acme-sy", title="Acme", status="tried on hardware: one SY, 2026")
    assert mismatches(other, proof, reading("12.5")) == ["read with profile acme-sx"]
    twice = MeterData(Identity("1234"), "acme-sx", registers=reading("12.5").registers * 2)
    assert len(mismatches(profile, proof, twice)) == 1
