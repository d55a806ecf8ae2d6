"""A version that does not come up is taken back by the next start, and one that does stays."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.audit_verify import entries
from agent.box import audit_file_of
from agent.cli.run import _valid
from agent.clock.system import SystemClock
from agent.config import load_config
from agent.errors import ConfigError, LocalTrouble, UsageError
from agent.fleet import start as module
from agent.fleet.start import come_up, config_to_run, told_to_stop
from agent.fleet.store import Failure
from agent.keys import create_device_key
from agent.only_one import only_one
from agent.service import Service
from tests.fleet.fleet_kit import NOW, Fleet, Gateway, configuration, make_box


def now() -> datetime:
    return NOW


async def answers() -> object:
    return 1


def start(box: Gateway) -> int | None:
    """Start the service, which fails; return the version that it began with."""
    return config_to_run(box.file, now).fleet_version


def comes_up(box: Gateway) -> int | None:
    config = config_to_run(box.file, now)
    asyncio.run(come_up(config, answers, now, wait_s=0))
    return config.fleet_version


def test_a_version_that_came_up_stays(box: Gateway, fleet: Fleet) -> None:
    box.install(fleet.sign(7))
    assert comes_up(box) == 7
    assert [start(box) for _ in range(6)] == [7] * 6
    assert box.store.deployment().trial is None
    assert box.events() == [("fleet_installed", 7), ("fleet_came_up", 7)]


def test_a_version_that_never_comes_up_is_taken_back(
    box: Gateway, fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    box.install(fleet.sign(7))
    comes_up(box)
    box.install(fleet.sign(8))
    assert [start(box) for _ in range(5)] == [8, 8, 8, 7, 7]
    found = box.store.deployment()
    assert found.failure == Failure(8, NOW, "it did not come up in 3 starts")
    assert (found.current, found.highest, found.trial, found.previous) == (7, 8, None, None)
    assert "version 8 is taken back, version 7 is in force again: it did not come up in 3 starts" in caplog.text
    assert box.events()[-1] == ("fleet_taken_back", 7)
    assert entries(audit_file_of(box.own))[-1]["why"] == "it did not come up in 3 starts"


def test_the_first_version_goes_back_to_the_own_file(box: Gateway, fleet: Fleet) -> None:
    box.install(fleet.sign(7))
    assert [start(box) for _ in range(4)] == [7, 7, 7, 0]
    assert load_config(box.file).settings.meters == ()


def test_the_box_says_how_many_starts_a_version_has(box: Gateway, fleet: Fleet) -> None:
    box.file.write_text(box.file.read_text() + "attempts = 1\n")
    box.install(fleet.sign(7))
    assert [start(box) for _ in range(2)] == [7, 0]


@pytest.mark.parametrize("settled", [False, True])
def test_damaged_files_are_taken_back_at_once(box: Gateway, fleet: Fleet, *, settled: bool) -> None:
    box.install(fleet.sign(7))
    comes_up(box)
    box.install(fleet.sign(8))
    if settled:
        comes_up(box)
    (box.store.files(8) / "rule_sets" / "ours.toml").write_text("")
    assert start(box) == 7
    failure = box.store.deployment().failure
    assert failure is not None
    assert "is not as it was signed" in failure.why


def test_what_the_box_changed_under_a_version_is_noticed(box: Gateway, fleet: Fleet) -> None:
    box.install(fleet.sign(7))
    comes_up(box)
    box.file.write_text(box.file.read_text().replace('meter = "10012345"', ""))
    assert start(box) == 0
    failure = box.store.deployment().failure
    assert failure is not None
    assert "there is no value for {meter}" in failure.why


def test_where_nothing_is_left_to_go_back_to_the_start_fails(box: Gateway, fleet: Fleet) -> None:
    box.install(fleet.sign(7))
    box.store.put(msgspec.structs.replace(box.store.deployment(), previous=None))
    assert [start(box) for _ in range(3)] == [7] * 3
    with pytest.raises(UsageError, match="there is none before"):
        start(box)


def test_a_second_agent_on_the_box_counts_as_no_start(box: Gateway, fleet: Fleet) -> None:
    box.install(fleet.sign(7))
    with only_one(box.own.state_directory):
        assert [start(box) for _ in range(5)] == [7] * 5
    trial = box.store.deployment().trial
    assert trial is not None
    assert trial.starts == 0


def test_a_version_is_on_trial_until_the_spool_answers(box: Gateway, fleet: Fleet) -> None:
    box.install(fleet.sign(7))
    config = config_to_run(box.file, now)

    async def ends() -> object:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(come_up(config, ends, now, wait_s=0))
    assert box.store.deployment().trial is not None


def test_a_service_that_is_told_to_stop_has_not_failed(box: Gateway, fleet: Fleet) -> None:
    async def stopped() -> object:
        raise asyncio.CancelledError

    box.install(fleet.sign(7))
    for _ in range(5):
        config = config_to_run(box.file, now)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(come_up(config, stopped, now, wait_s=0))
        told_to_stop(config)
        assert config.fleet_version == 7
    for _ in range(3):
        told_to_stop(config_to_run(box.file, now))  # before it was ready: by systemd, which waited for it in vain
    assert start(box) == 0


def test_a_reload_leaves_a_new_version_to_the_next_start(box: Gateway, fleet: Fleet) -> None:
    assert _valid(box.file, 0).fleet_version == 0
    box.install(fleet.sign(7))
    with pytest.raises(ConfigError, match=r"restart.*mrsp fleet status"):
        _valid(box.file, 0)


def test_a_version_that_was_installed_meanwhile_has_not_come_up(box: Gateway, fleet: Fleet) -> None:
    box.install(fleet.sign(7))
    config = config_to_run(box.file, now)
    box.install(fleet.sign(8))
    asyncio.run(come_up(config, answers, now, wait_s=0))
    assert box.store.deployment().trial is not None


def test_a_disk_that_refuses_is_tried_again(
    box: Gateway, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    box.install(fleet.sign(7))
    config = config_to_run(box.file, now)
    whole, refusals = module._came_up, iter([LocalTrouble("the disk is full")])

    def refuse_once(*arguments: object) -> None:
        for refusal in refusals:
            raise refusal
        whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_came_up", refuse_once)
    asyncio.run(come_up(config, answers, now, wait_s=0))
    assert box.store.deployment().trial is None
    assert "the disk is full" in caplog.text


def test_an_audit_log_that_is_full_keeps_no_agent_from_starting(
    box: Gateway, fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    box.file.write_text(box.file.read_text() + "attempts = 1\n")
    box.install(fleet.sign(7))
    audit_file_of(box.own).unlink()
    audit_file_of(box.own).mkdir()
    with caplog.at_level(logging.ERROR):
        assert [start(box) for _ in range(2)] == [7, 0]
    assert "cannot be set down" in caplog.text


async def test_the_service_settles_it(box: Gateway, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    box.install(fleet.sign(7, {"mrsp.toml": configuration(7).split("[[meters]]", maxsplit=1)[0]}))
    create_device_key(box.own.key_directory)
    settled = asyncio.Event()
    loop, whole = asyncio.get_running_loop(), module._came_up

    def came_up(*arguments: object) -> None:
        whole(*arguments)  # type: ignore[arg-type]
        loop.call_soon_threadsafe(settled.set)

    monkeypatch.setattr(module, "_came_up", came_up)
    monkeypatch.setattr(come_up, "__kwdefaults__", {"wait_s": 0})
    service = Service(config_to_run(box.file, now), SystemClock())
    running = asyncio.create_task(service.run())
    await settled.wait()
    assert service._status()["configuration_version"] == 7
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert box.store.deployment().trial is None
    assert box.events() == [("fleet_installed", 7), ("fleet_came_up", 7)]


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.sampled_from(["install", "start", "up", "damage"]), max_size=9))
def test_what_runs_is_always_a_version_that_is_whole(
    steps: list[str], fleet: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> None:
    box = make_box(tmp_path_factory.mktemp("life"), fleet)
    number, good, failed = 0, {0}, 0
    for step in steps:
        if step == "install":
            number += 1
            box.install(BUNDLES.setdefault((fleet.directory, number), fleet.sign(number)))
            failed = 0
        elif step == "damage":
            current = box.store.deployment().current
            if current == 0 or box.store.deployment().previous is None:
                continue
            (box.store.files(current) / "mrsp.toml").write_text("")
            good.discard(current)
        elif step == "up":
            running = comes_up(box)
            assert running is not None
            good.add(running)
        else:
            running = start(box)
            failed += 1
            if failed > 4:  # of one version, and of the one before
                assert running in good
        if step in {"up", "start"}:
            assert box.number() == box.store.deployment().current
    assert box.store.deployment().highest == number


BUNDLES: dict[tuple[Path, int], bytes] = {}
