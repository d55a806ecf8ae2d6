"""`mrsp route load|status|export`."""

from __future__ import annotations

import argparse
import csv
import json
import os
from pathlib import Path

import pytest

from agent.cli import route as command
from agent.errors import LocalTrouble, UsageError
from agent.routes.book import ROUTES_FILE, NoSuchRoute
from agent.routes.standing import Said, Taking, Who, settled, skipped, troubled
from agent.routes.store import RouteStore
from tests.routes.routes_kit import NOW, octets, route, stop

PAST = "2020-03-02"
Out = pytest.CaptureFixture[str]


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "mrsp.toml").write_text('[agent]\nagent_id = "gw-0001"\nstate_directory = "state"\n')
    return str(tmp_path / "mrsp.toml")


def run(config: str, verb: str, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([verb, "--config", config, *arguments]))


def written(tmp_path: Path, content: bytes, name: str = "route.json") -> str:
    (tmp_path / name).write_bytes(content)
    return str(tmp_path / name)


def test_a_route_is_loaded_once_and_replaced_while_nothing_is_done(tmp_path: Path, config: str, capsys: Out) -> None:
    file = written(tmp_path, octets(route(2, day=PAST)))
    assert run(config, "load", file, "--by", "dispatch") == 0
    assert capsys.readouterr().out == (
        "R-1: loaded: Mill Street, 2020-03-02: 2 stops, 0 read, 0 without a reading, 2 left (0 skipped);"
        " deadline 2020-03-02 17:00 PST, LATE\n"
    )
    assert run(config, "load", file, "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["new"], again["loaded_by"], again["total"], again["deadline"]) == (
        False, "dispatch", 2, "2020-03-03T01:00:00Z",
    )  # fmt: skip
    table = "route_id,route_name,day,zone,meter_id\nR-1,Mill Street,2026-03-02,UTC,1\n"
    assert run(config, "load", written(tmp_path, table.encode(), "r.CSV"), "--json") == 0
    assert (json.loads(capsys.readouterr().out)["new"], oct((tmp_path / "state" / ROUTES_FILE).stat().st_mode)) == (
        True, "0o100600",
    )  # fmt: skip


def test_code_sets_are_those_of_the_configuration_and_of_the_command(tmp_path: Path, config: str) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.toml").write_text(f'name = "{name}"\ntitle = "x"\nbased_on = "mrsp-field"\n')
    with Path(config).open("a") as file:
        file.write('code_set_directories = ["ours"]\n')
    assert run(config, "load", written(tmp_path, octets(route(codes="ours")))) == 0
    theirs = written(tmp_path, octets(route(codes="theirs", route_id="R-2")))
    with pytest.raises(UsageError, match="there is no code set 'theirs'"):
        run(config, "load", theirs)
    assert run(config, "load", theirs, "--code-set-dir", str(tmp_path / "theirs")) == 0


def test_what_is_wrong_is_named_and_nothing_is_loaded(tmp_path: Path, config: str) -> None:
    file = written(tmp_path, octets(route(0, orders=[stop(1), stop(1)])))
    with pytest.raises(
        UsageError, match=r"route\.json, line 24, `orders\[1\]\.order\.order_id`: WO-1 is there already"
    ):
        run(config, "load", file)
    for content, kind, says in (
        (b"{}" + b" " * 9_000_000, "json", "larger than 8,388,608"),
        (b"caf\xe9,", "csv", "not UTF-8"),
    ):
        with pytest.raises(UsageError, match=says):
            run(config, "load", written(tmp_path, content, "file"), "--kind", kind)
    with pytest.raises(UsageError, match=r"neither \.json nor \.csv"):
        run(config, "load", written(tmp_path, b"", "route.txt"))
    with pytest.raises(UsageError, match="cannot be read"):
        run(config, "load", str(tmp_path))
    with pytest.raises(UsageError, match="--by: character 1"):
        run(config, "load", file, "--by", "\x1b[2J")
    with pytest.raises(LocalTrouble, match="there are no routes"):
        run(config, "status")


def walk(tmp_path: Path) -> None:
    """Let somebody do half of it."""
    store = RouteStore(tmp_path / "state" / ROUTES_FILE, create=False)
    one, two, three, _ = (each.stop_id for each in store.view("R-1", NOW).stops)
    ann = Who("ann", NOW, 1)
    store.change(one, ann, lambda was, who, known: settled(was, who, Taking("r-1", "keyed", ("spike",)), known))
    store.change(two, ann, lambda was, who, known: troubled(was, who, ("locked",), known, Said("=1")))
    store.change(three, ann, lambda was, who, _: skipped(was, who, None))
    store.out_of_route("R-1", "777", "ann", NOW)
    store.close()


def test_status_and_export_say_what_became_of_it(tmp_path: Path, config: str, capsys: Out) -> None:
    run(config, "load", written(tmp_path, octets(route(4, day=PAST))))
    walk(tmp_path)
    capsys.readouterr()
    assert run(config, "status") == 1  # the day is long over
    head, _, line = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["route", "day", "name"]
    assert line.split("  ")[0] == "R-1"
    assert "2/4" in line
    assert "2020-03-02 17:00 PST LATE" in line
    assert run(config, "status", "R-1") == 1
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[4:]] == [
        "1 read 10010001 keyed ann 2026-03-02 09:00 PST spike failed, to decide",
        "2 unread 10010002 probe ann 2026-03-02 09:00 PST locked",
        "3 skipped 10010003 probe ann 2026-03-02 09:00 PST -",
        "4 pending 10010004 probe - - -",
        "5 pending 777 probe - - out of route",
    ]
    assert run(config, "status", "R-1", "--json") == 1
    facts = json.loads(capsys.readouterr().out)
    assert [one["state"] for one in facts["stops"]] == ["read", "unread", "skipped", "pending", "pending"]
    assert (facts["read"], facts["to_decide"], facts["out_of_route"], facts["late"]) == (1, 1, 1, True)

    assert run(config, "export", "R-1", "--format", "csv", "--output", str(tmp_path / "out.csv")) == 0
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        assert [row["remark"] for row in csv.DictReader(file)] == ["", "'=1", "", "", ""]
    assert oct((tmp_path / "out.csv").stat().st_mode) == "0o100600"
    assert capsys.readouterr().out == ""
    with pytest.raises(NoSuchRoute, match="there is no route 'R-2'"):
        run(config, "export", "R-2")


def test_an_export_goes_to_standard_output(
    tmp_path: Path, config: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    run(config, "load", written(tmp_path, octets(route(1))), "--json")
    capsysbinary.readouterr()
    assert run(config, "export", "R-1") == 0
    assert json.loads(capsysbinary.readouterr().out)["schema"] == "mrsp.route-result/1"


def test_a_box_without_routes_says_so(tmp_path: Path, config: str, capsys: Out) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    RouteStore(tmp_path / "state" / ROUTES_FILE, create=True).close()
    assert run(config, "status") == 0
    assert capsys.readouterr().out == "no route is loaded\n"


def test_nobody_makes_a_file_that_the_service_cannot_open(
    tmp_path: Path, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with pytest.raises(LocalTrouble, match=rf"belongs to user {user}, not to {user + 1} \(run this as the user of"):
        run(config, "load", written(tmp_path, octets(route(1))))
