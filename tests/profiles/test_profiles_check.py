"""`mrsp profile check`: everything that is wrong with one file, beside the others, and what its writer should know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli.main import main
from drivers.profiles import check_profile
from drivers.toml_library import SHIPPED

HEAD = 'name = "acme-sx"\ntitle = "Acme SX"\nstatus = "not tried on hardware"\n'
DETECT = '[detect]\nmanufacturer = "ACME"\nmodel = "SX*"\n'
FACT = '[[fact]]\nfact = "So it is."\nsource = "Acme manual"\nkeys = ["detect.manufacturer", "detect.model"]\n'


def write(directory: Path, text: str, name: str = "acme-sx") -> Path:
    path = directory / f"{name}.toml"
    path.write_text(text)
    return path


def test_a_good_profile_has_no_mistakes_and_no_remarks(tmp_path: Path) -> None:
    report = check_profile(write(tmp_path, HEAD + DETECT + FACT))
    assert (report.mistakes, report.remarks) == ((), ())
    assert report.profile is not None


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    text = HEAD.replace("acme-sx", "acme") + '[c1219]\ntables_absent = ["ST00"]\n[c1219.override]\n"ST61.nothing" = 1\n'
    mistakes = check_profile(write(tmp_path, text)).mistakes
    assert [mistake.partition("acme-sx.toml, ")[2].partition(":")[0] for mistake in mistakes] == [
        "line 1",
        "line 5",
        "line 7",
    ]


def test_a_mistake_of_the_schema_is_the_only_one(tmp_path: Path) -> None:
    report = check_profile(write(tmp_path, HEAD + "[psem]\npackets = 0\n[c1219]\nnothing = 1\n"))
    assert report.profile is None
    assert len(report.mistakes) == 1
    assert "line 5: `psem.packets`: " in report.mistakes[0]
    assert "a whole number from 1 to 255" in report.mistakes[0]


def test_remarks_do_not_keep_it_from_being_used(tmp_path: Path) -> None:
    text = HEAD.replace("not tried on hardware", "tried on hardware: one SX") + DETECT
    text += "[psem]\nnegotiate = false\npackets = 8\n[line]\nbaud = 9600\n"
    report = check_profile(write(tmp_path, text))
    assert report.mistakes == ()
    said = [remark.partition("toml, ")[2] for remark in report.remarks]
    assert said == [
        "line 10: `line`: [line] applies only where the profile is named (--profile): "
        "the session is open before the meter is recognised",
        "line 7: `psem`: [psem] applies only where the profile is named (--profile): "
        "the session is open before the meter is recognised",
        "line 3: `status`: says tried, without a [[proof]]: profiles that ship need a recording",
        "line 5: `detect.manufacturer`: no [[fact]] says where this comes from",
        "line 6: `detect.model`: no [[fact]] says where this comes from",
        "line 8: `psem.negotiate`: no [[fact]] says where this comes from",
        "line 9: `psem.packets`: no [[fact]] says where this comes from",
        "line 11: `line.baud`: no [[fact]] says where this comes from",
        "line 9: `psem.packets`: changes nothing while negotiate = false",
    ]


def test_two_profiles_that_could_mean_one_meter(tmp_path: Path) -> None:
    text = (HEAD + DETECT).replace('"ACME"', '"*"').replace('"SX*"', '"*1800*"').replace("acme-sx", "rival")
    shipped = (HEAD + DETECT).replace('"ACME"', '"*"').replace('"SX*"', '"A180*"')
    others = tmp_path / "others"
    others.mkdir()
    write(others, text, "rival")
    report = check_profile(write(tmp_path, shipped), [others])
    assert report.mistakes == (
        f"profile {tmp_path}/acme-sx.toml, line 4: `detect`: rival could mean the same meter equally well "
        "(make one of them more special: more of the model, or a range of firmware)",
    )


def test_a_name_that_ships_already_is_refused_and_the_shipped_file_is_not(tmp_path: Path) -> None:
    report = check_profile(write(tmp_path, HEAD.replace("acme-sx", "ge-kv2c"), "ge-kv2c"))
    assert "a profile ge-kv2c ships already: " in report.mistakes[0]
    assert check_profile(SHIPPED / "ge-kv2c.toml").mistakes == ()


def test_generic_recognises_nothing(tmp_path: Path) -> None:
    text = (SHIPPED / "generic-c1219.toml").read_text() + DETECT
    mistakes = check_profile(write(tmp_path, text, "generic-c1219")).mistakes
    assert any("is for the meters that nobody recognises" in mistake for mistake in mistakes)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_everything_that_ships_passes(path: Path) -> None:
    report = check_profile(path)
    assert report.mistakes == ()
    assert not [remark for remark in report.remarks if "[[fact]]" in remark or "changes nothing" in remark]


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "check", str(tmp_path / "none.toml")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_the_command_prints_what_a_good_profile_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, HEAD + DETECT + FACT + '[c1219.channel_status]\n9 = "missing"\n')
    assert main(["profile", "check", str(path)]) == 0
    printed = capsys.readouterr()
    assert "can be used" in printed.out
    assert "manufacturer ACME, model SX*" in printed.out
    assert 'c1219.channel_status = {"9":"missing"}' in printed.out
    assert "remark: profile " in printed.err


def test_the_command_ends_with_2_for_a_bad_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, HEAD + "[c1219]\nscaling = 1\n")
    assert main(["profile", "check", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "line 5: `c1219.scaling`: " in printed.err


def test_the_command_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path, HEAD + DETECT + FACT)
    assert main(["profile", "check", "--json", str(good)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["valid"], said["mistakes"], said["profile"]["name"]) == (True, [], "acme-sx")
    bad = write(tmp_path, HEAD.replace("acme-sx", "other"))
    assert main(["profile", "check", "--json", str(bad)]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["valid"] is False
    assert "line 1: `name`" in said["mistakes"][0]
