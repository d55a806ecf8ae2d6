"""`mrsp profile learn` from the command line: a recording in, a valid profile out."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.cli.main import main
from tests.system.world import meter, mrsp

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording of a curious visit."""
    path = tmp_path_factory.mktemp("learn") / "visit.rec"
    with meter("--tcp", "0", "--scenario", "minimal") as address:
        assert mrsp("profile", "learn", address, "--record", str(path)).returncode == 0
    return path


def test_a_recording_becomes_a_profile_that_can_be_used(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "acme-mini.toml"
    assert main(["profile", "learn", f"replay://{record}", "--output", str(output)]) == 0
    printed = capsys.readouterr()
    assert f"mrsp profile check {output}" in printed.out
    assert "proposed settings: psem.negotiate" in printed.err
    assert main(["profile", "check", str(output)]) == 0
    assert "acme-mini: SIM MINIMAL" in capsys.readouterr().out


def test_without_output_the_proposal_is_printed_and_nothing_else(
    record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", "learn", f"replay://{record}", "--name", "acme-mini"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# Proposed by `mrsp profile learn`")
    assert 'name = "acme-mini"' in out
    assert 'status = "not tried on hardware"' in out


def test_a_file_is_never_overwritten(record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "mine.toml"
    output.write_text("precious")
    assert main(["profile", "learn", f"replay://{record}", "--output", str(output)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert output.read_text() == "precious"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--site-zone", "Nowhere/Land"], "is not a time zone"),
        (["--name", "Bad Name"], "small letters, digits and single hyphens"),
        (["--tried", "one meter"], "--tried speaks of a real meter"),
    ],
)
def test_mistakes_are_named(record: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "learn", f"replay://{record}", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_meter_that_cannot_be_reached_is_no_proposal() -> None:
    run = mrsp("profile", "learn", "tcp://127.0.0.1:1")
    assert (run.returncode, run.stdout) == (3, "")
