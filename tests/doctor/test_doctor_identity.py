"""What the doctor finds on keys, certificates and the broker; and the command as it is typed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.doctor.examine import CHECKS, examine
from agent.doctor.finding import Remark
from agent.doctor.patient import Patient
from agent.fleet.store import Deployment, Failure, FleetStore, Trial
from agent.keys import create_device_key
from metersim.pki import Pki, add_agent, create_pki
from tests.doctor.doctor_kit import Case
from tests.forwarding.forwarding_kit import free_port
from tests.system.mosquitto import BY_CERTIFICATE, mosquitto_conf, running_mosquitto

FORWARD = """\
[keys]
directory = "pki/devices/gw-7"
mdsp = "pki/mdsp.jwks"
encrypt = true
[forward]
host = "localhost"
port = {port}
ca = "pki/ca.crt"
certificate = "pki/devices/gw-7/device-cert.pem"
key = "pki/devices/gw-7/device-key.pem"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    pki = create_pki(tmp_path_factory.mktemp("doctor") / "pki", now=datetime.now(UTC))
    add_agent(pki, "gw-7", now=datetime.now(UTC))
    return pki


@pytest.fixture
def case(made: Pki, tmp_path: Path) -> Case:
    shutil.copytree(made.ca.parent, tmp_path / "pki")
    (tmp_path / "state").mkdir(mode=0o700)
    return Case(tmp_path, FORWARD.format(port=free_port()))


@contextmanager
def mosquitto(case: Case, extra: str = "") -> Iterator[None]:
    pki, port = case.directory / "pki", free_port()
    case.text = FORWARD.format(port=port)
    with running_mosquitto(case.directory / "mosquitto.conf", mosquitto_conf(pki, port, extra)):
        yield


def test_an_identity_that_is_whole_is_well(case: Case) -> None:
    checks = ("device_key", "certificate", "broker_ca", "mdsp_keys")
    assert {check: case.worst(check).level for check in checks} == dict.fromkeys(checks, "ok")


def test_a_key_open_to_others_is_told(case: Case) -> None:
    (case.directory / "pki/devices/gw-7/device-key.pem").chmod(0o644)
    assert case.worst("device_key").level == "fault"
    assert "open to other users" in case.worst("certificate").said


def test_a_certificate_of_another_agent_one_of_yesterday_and_none_are_told(case: Case) -> None:
    case.found("certificate")
    path = case.directory / "mrsp.toml"
    text = path.read_text()
    from agent.config import load_config
    from agent.doctor.identity import certificate

    patient = Patient(load_config(path), datetime.now(UTC) + timedelta(days=100_000))
    assert "expired" in next(examine(patient, {"certificate": certificate})).said
    path.write_text(text.replace('"gw-7"', '"gw-8"', 1))
    other = next(examine(Patient(load_config(path), datetime.now(UTC)), {"certificate": certificate}))
    assert (other.level, "CN=gw-8" in other.said) == ("fault", True)
    (case.directory / "pki/devices/gw-7/device-cert.pem").unlink()
    assert "mrsp keys csr" in case.worst("certificate").advice


def test_a_ca_file_that_is_none_and_keys_that_are_none_are_told(case: Case) -> None:
    (case.directory / "pki/ca.crt").write_text("not a certificate")
    (case.directory / "pki/mdsp.jwks").write_text('{"keys": []}')
    assert case.worst("broker_ca").level == "fault"
    assert "no acknowledgement could be verified" in case.worst("mdsp_keys").said


def test_a_broker_that_takes_us_is_well_and_its_password_is_not_sent(case: Case) -> None:
    with mosquitto(case, BY_CERTIFICATE):
        assert case.worst("broker").said.endswith("answers, proves itself, and takes our certificate")
    (case.directory / "nobody").touch(mode=0o600)
    with mosquitto(case, f"password_file {case.directory}/nobody\nallow_anonymous false"):
        (case.directory / "broker.password").write_text("never shown")  # its mode would be refused, if it were read
        assert case.worst("broker").level == "fault"
        case.text += 'username = "gw-7"\npassword_file = "broker.password"\n'
        assert case.worst("broker").said.endswith("its password was not tried")


def test_a_broker_that_is_not_there_is_told_with_what_to_do(case: Case) -> None:
    found = case.worst("broker")
    assert found.level == "fault"
    assert "nothing listens there" in found.said
    assert "check host and port" in found.advice


def test_a_check_that_meets_a_bug_hides_no_other(case: Case) -> None:
    case.found("device_key")

    def broken(_patient: Patient) -> list[Remark]:
        raise ZeroDivisionError

    from agent.config import load_config

    patient = Patient(load_config(case.directory / "mrsp.toml"), datetime.now(UTC))
    found = list(examine(patient, {"broken": broken, "device_key": CHECKS["device_key"]}))
    assert [one.level for one in found] == ["fault", "ok"]
    assert "met a bug" in found[0].said


def test_there_are_at_least_twenty_checks() -> None:
    assert len(CHECKS) >= 20


def test_the_command_tells_all_of_it_as_json_and_its_worst_by_its_status(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    case.text += '[console]\nlisten = "127.0.0.1:8443"\n'
    case.found("device_key")
    assert main(["doctor", "--config", str(case.directory / "mrsp.toml"), "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    levels = {one["check"]: one["level"] for one in said["findings"]}
    assert said["verdict"] == "fault"
    assert levels["configuration"] == "ok"
    assert levels["broker"] == "fault"
    assert levels["console"] in {"ok", "warning"}
    assert any("mrsp console user add" in one["advice"] for one in said["findings"])


def test_a_configuration_that_cannot_be_read_is_the_only_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mrsp.toml").write_text("[agent]\nagent = 1\n")
    assert main(["doctor", "--config", str(tmp_path / "mrsp.toml")]) == 2
    said = capsys.readouterr().out
    assert said.startswith("fault    configuration")
    assert said.endswith("There are faults.\n")


def test_a_configuration_that_is_not_there_is_told_with_the_command_that_makes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--config", str(tmp_path / "mrsp.toml")]) == 2
    assert "install -m 640 -g mrsp /etc/mrsp/mrsp.toml.example" in capsys.readouterr().out


def test_a_read_plan_that_cannot_be_read_is_a_mistake_of_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mrsp.toml").write_text('[agent]\nagent_id = "gw-7"\n[radio]\nplan = "plan.csv"\n')
    assert main(["config", "check", str(tmp_path / "mrsp.toml")]) == 2
    assert "plan.csv cannot be read" in capsys.readouterr().err
    (tmp_path / "plan.csv").write_text("meter_id,message,unit,dials\n12345678,scm,kWh,5\n")
    assert main(["config", "check", str(tmp_path / "mrsp.toml")]) == 0
    assert "1 meters of plan.csv" in capsys.readouterr().out


def test_every_check_stands_in_the_documents_in_its_order() -> None:
    page = Path(__file__).parents[2].joinpath("docs/troubleshooting.md").read_text("utf-8")
    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert rows == ["configuration", *CHECKS, "console"]


def test_a_version_that_was_taken_back_or_is_on_trial_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    case = Case(tmp_path)
    assert case.worst("fleet").level == "skipped"
    case.text = '[fleet]\nkeys = "fleet.jwks"\n'
    assert "fleet.jwks" in case.worst("fleet").said
    key = create_device_key(tmp_path / "operator", "Ed25519")
    (tmp_path / "fleet.jwks").write_text(json.dumps({"keys": [key.public_jwk()]}))
    (tmp_path / "fleet.jwks").chmod(0o644)
    assert case.worst("fleet").said == "the box's own file is in force"
    store, then = FleetStore(case.state), datetime(2026, 3, 1, tzinfo=UTC)
    with store.held():
        store.put(Deployment(highest=7, failure=Failure(7, then, "it did not come up in 3 starts")))
    assert "version 7 of the fleet's configuration was taken back" in case.worst("fleet").said
    with store.held():
        store.put(Deployment(highest=8, trial=Trial(then, 1), failure=Failure(7, then, "it did not")))
    assert "has not come up yet: 1 starts" in case.worst("fleet").said
