"""The simulated air: frames with the check words of real meters, samples that repeat, faults that are what they say."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import UsageError
from drivers.ert.check_words import bch16, crc16, id_crc
from metersim.radio.frames import Load, idm, netidm, scm, scmplus
from metersim.radio.rtl_tcp import GREETING, RtlTcp, TcpFaults
from metersim.radio.samples import Air, Ether, Sent
from metersim.radio.scene import Faults, Meter, compose, load_meters

AIR = Air(seed=7)


def test_frames_have_the_check_words_of_published_captures() -> None:
    assert scm(54585868, 562456, ert_type=12, physical=3).octets[-2:] == bytes.fromhex("101a")
    assert id_crc(11278109) == 60090
    frame = idm(11278109, 1, Load((1, 2)))
    assert frame.octets[-4:-2] == (60090).to_bytes(2, "big")


@pytest.mark.parametrize(("frame", "bits"), [(scm(1, 2), 96), (scmplus(1, 2), 128), (idm(1, 2, Load(())), 736)])
def test_frames_are_as_long_as_on_the_air(frame: object, bits: int) -> None:
    assert len(frame.octets) * 8 == bits  # type: ignore[attr-defined]


@given(st.integers(1, (1 << 26) - 1), st.integers(0, (1 << 24) - 1), st.integers(0, 15))
def test_an_scm_has_its_fields_where_they_belong(meter_id: int, count: int, ert_type: int) -> None:
    number = int.from_bytes(scm(meter_id, count, ert_type=ert_type).octets, "big")
    bits = f"{number:096b}"
    assert bits[:21] == "111110010101001100000"
    assert int(bits[21:23] + bits[56:80], 2) == meter_id
    assert (int(bits[32:56], 2), int(bits[26:30], 2)) == (count, ert_type)
    assert bch16(number.to_bytes(12, "big")[2:10]) == int(bits[80:], 2)


@given(st.lists(st.integers(0, 16_383), min_size=27, max_size=27), st.integers(0, (1 << 32) - 1))
def test_a_netidm_has_its_intervals_and_check(counts: list[int], net: int) -> None:
    octets = netidm(77, net, Load(counts, 9, 16), generation=5).octets
    assert crc16(octets[4:-2]) == int.from_bytes(octets[-2:], "big")
    packed = int.from_bytes(octets[38:86], "big") >> 48 * 8 - 27 * 14
    assert [packed >> 14 * (26 - k) & 16_383 for k in range(27)] == counts


def test_the_same_seed_gives_the_same_samples_and_the_right_number() -> None:
    sent = [Sent(2_000, scm(1, 2)), Sent(40_000, scm(3, 4)), Sent(41_000, scm(5, 6), channel=1)]
    one, two = (b"".join(Ether(AIR).stream(sent, 100_000)) for _ in range(2))
    assert one == two
    assert len(one) == 200_000
    assert one != b"".join(Ether(Air(seed=8)).stream(sent, 100_000))


def test_a_scene_tells_the_truth_about_itself() -> None:
    meters = [Meter("scm", 1, 100, 1), Meter("scmplus", 2, 200)]
    scene = compose(Ether(AIR), meters, 4, 1, Faults(foreign=3, bad_checks=2, collisions=1, clones=(2,), wrap=(1,)))
    own = [frame.count for frame in scene.truth if frame.meter_id == 1]
    assert own == [(1 << 24) - 1, 0, 1, 2]
    assert len({frame.count for frame in scene.truth if frame.meter_id == 2}) == 2
    assert len(scene.truth) == 4 + 8 + 3
    assert len(scene.sent) == len(scene.truth) + 2 + 2
    ends = [(one.at, one.at + Ether(AIR).length(one.frame)) for one in scene.sent]
    assert all(behind <= scene.length for _, behind in ends)


def test_a_read_plan_names_the_meters(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    path.write_text("meter_id,message,multiplier,last_reading\n5,scm,0.1,100\n6,pager,,\n7,idm,,\n")
    first, second = load_meters(path, 1, 2)
    assert (first.meter_id, first.count, first.rise) == (5, 1_012, 2)
    assert second.message == "idm"
    for wrong in (
        "meter_id,message\nx,scm\n",
        "meter_id,message\n1,r900\n",
        "message\nscm\n",
        "meter_id,message\n0,scm\n",
    ):
        path.write_text(wrong)
        with pytest.raises(UsageError, match="line 2"):
            load_meters(path, 1, 0)
    with pytest.raises(UsageError, match="cannot be read"):
        load_meters(tmp_path / "none.csv", 1, 0)


async def greeted(faults: TcpFaults) -> tuple[bytes, RtlTcp]:
    server = RtlTcp(100_000, lambda: [b"\x80" * 4_096], faults)
    port = await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(bytes(5))
        return await (reader.read() if faults.close_after_s is not None else reader.readexactly(12)), server
    finally:
        writer.transport.abort()
        server.close()


async def test_a_dongle_greets_and_hangs_up() -> None:
    told, server = await greeted(TcpFaults(close_after_s=0.1))
    assert told.startswith(GREETING)
    assert len(told) == len(GREETING) + 20_000
    assert server.clients == 1
    assert not (await greeted(TcpFaults(bad_header=True)))[0].startswith(b"RTL0")


async def test_the_command_writes_samples_and_truth(tmp_path: Path) -> None:
    samples, truth = tmp_path / "air.cu8", tmp_path / "truth"
    command = [sys.executable, "-m", "metersim", "radio", "--seconds", "1", "-o", str(samples), "--truth", str(truth)]
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0
    assert len(await asyncio.to_thread(samples.read_bytes)) == 2_048_000
    told = [json.loads(line) for line in (await asyncio.to_thread(truth.read_text)).splitlines()]
    assert {one["meter_id"] for one in told} == {54585868, 11278109}
