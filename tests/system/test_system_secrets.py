"""A whole run with secrets that are easy to recognise, then a search for them in everything that it left or showed."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.identity.install import next_keys
from agent.keys import load_tls_key
from tests.system.mosquitto import mosquitto_conf, running_mosquitto
from tests.system.secret_search import Secret, family_of, files_with, found_in, process_tells
from tests.system.world import metersim, simulator
from tests.young_meters import young_file

MOSQUITTO_PASSWD = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
AGENT = "gw-0007"
CONFIG = """\
[agent]
agent_id = "gw-0007"
state_directory = "state"
[schedule]
spread = "1s"
[requests]
[clock]
ntp = ["{ntp}"]
[keys]
directory = "../secrets/pki/devices/gw-0007"
mdsp = "../secrets/mdsp.jwks"
[anomalies]
[forward]
host = "localhost"
port = {port}
username = "gw-0007"
password_file = "../secrets/broker"
ca = "../secrets/pki/ca.crt"
certificate = "../secrets/pki/devices/gw-0007/device-cert.pem"
key = "../secrets/pki/devices/gw-0007/device-key.pem"
"""
METER = """
[[meters]]
name = "{name}"
url = "{url}"
every = "10s"
expected_meter_id = "{meter_id}"
password_file = "../secrets/{name}"
"""
SECRETS = {
    "optical": b'Q"7\\x-mK2v&Wz',  # shown by Security, over a pty
    "c1221": b"zK4#pW8w",  # the key of Authenticate, over TCP
    "refused": b"wR0ng-5fTy9u",
    "broker": b'Mq"3-bRk7r/Pw+77',
    "badbroker": b"Zy-f4lScH-0815-xx",
    "code": b"C0de<8>XYtrw",  # of the paging carrier
    "passphrase": b"hOrse/b4ttery(sTaple",  # of a backup
    "login": b"eS7-uS3r:qP0%vN9sd2&L",  # of the EST server
    "pin": b"84-pIn-50762913",  # of the token with the document key
}
SEVERAL = """
import json, sys
from agent.cli.main import main
print(json.dumps([main(arguments) for arguments in json.loads(sys.argv[1])]))
"""
MODULE = "/usr/lib/softhsm/libsofthsm2.so"

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@dataclass
class Run:
    """The box's directory, with all that is written beside it, and what processes told meanwhile."""

    root: Path
    port: int
    told: dict[str, bytes] = field(default_factory=dict)
    outputs: int = 0

    @property
    def box(self) -> Path:
        return self.root / "box"

    @property
    def config(self) -> Path:
        return self.box / "mrsp.toml"

    def secret_file(self, name: str) -> Path:
        return self.root / "secrets" / name

    def environment(self) -> dict[str, str]:
        """Temporary files go where they are searched; every warning is shown."""
        return {
            **os.environ,
            "TZ": "UTC",
            "TMPDIR": str(self.box / "tmp"),
            "PYTHONASYNCIODEBUG": "1",
            "HOME": str(self.box),
            "SOFTHSM2_CONF": str(self.root / "softhsm2.conf"),
        }

    def mrsp(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one command, verbose; keep what it prints."""
        return self._python(arguments[0], "-m", "agent.cli.main", arguments[0], "-vv", *arguments[1:])

    def several(self, *commands: Sequence[str | Path]) -> list[int]:
        """Run commands in one process, one after the other, verbose; keep what they print, return their statuses."""
        told = [[str(one[0]), "-vv", *map(str, one[1:])] for one in commands]
        done = self._python(commands[0][0], "-c", SEVERAL, json.dumps(told))
        statuses: list[int] = json.loads(done.stdout.splitlines()[-1])
        return statuses

    def _python(self, name: str | Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=100, check=False,
            env=self.environment(), cwd=Path(__file__).parents[2],
        )  # fmt: skip
        self.outputs += 1
        kept = self.box / "outputs"
        (kept / f"{self.outputs:02}-{name}.out").write_text(done.stdout)
        (kept / f"{self.outputs:02}-{name}.err").write_text(done.stderr)
        return done

    @contextmanager
    def broker(self) -> Iterator[None]:
        more = "allow_anonymous false", f"password_file {self.root}/passwd", f"log_dest file {self.box}/mosquitto.log"
        conf = mosquitto_conf(self.secret_file("pki"), self.port, *more, "log_type all")
        with running_mosquitto(self.root / "mosquitto.conf", conf):
            yield

    @contextmanager
    def mdsp(self) -> Iterator[Iterator[dict[str, Any]]]:
        command = [sys.executable, "-m", "metersim", "mdsp", str(self.secret_file("pki")), "--username", AGENT]
        command += ["--password-file", str(self.secret_file("broker")), "--broker", f"localhost:{self.port}"]
        command += ["--store", str(self.box / "mdsp.db")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert "ready" in process.stdout.readline()
            try:
                yield map(json.loads, process.stdout)
            finally:
                process.terminate()

    @contextmanager
    def agent(self, log: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "agent.cli.main", "run", "-vv", "--config", str(self.config)]
        with (
            (self.box / log).open("w") as file,
            subprocess.Popen(
                command, stderr=subprocess.PIPE, text=True, env=self.environment(), cwd=Path(__file__).parents[2]
            ) as process,
        ):
            try:
                yield process
                for pid in family_of(process.pid):
                    self.told[f"process {pid}"] = process_tells(pid)
                limits = Path(f"/proc/{process.pid}/limits").read_text()
                assert re.search(r"Max core file size +0 +0 ", limits), limits
                process.send_signal(signal.SIGTERM)
                _, rest = process.communicate(timeout=30)
                file.write(rest)
            finally:
                process.kill()


def scenario(root: Path, name: str, base: str, secret: bytes) -> str:
    """Write a scenario whose meter takes this password alone."""
    path, text = root / f"{name}.toml", young_file(base, datetime.now(UTC))
    path.write_text(
        f"{text}\n[psem]\nlockout = 0\npasswords = [{{ password = {json.dumps(secret.decode())}, level = 1 }}]\n"
    )
    return str(path)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Everything that surrounds the agent is running, and every secret is in a file of its own."""
    with ExitStack() as stack:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        one = Run(tmp_path, port)
        for name in ("box/outputs", "box/tmp", "secrets", "sim"):
            (tmp_path / name).mkdir(parents=True)
        for name, secret in SECRETS.items():
            one.secret_file(name).touch(mode=0o600)
            one.secret_file(name).write_bytes(secret + b"\n")
        metersim("pki", str(one.secret_file("pki")), "--agent", AGENT)
        jwks = json.loads((one.secret_file("pki") / "mdsp.jwks").read_text())
        jwks["keys"] = [key for key in jwks["keys"] if key["use"] == "sig"]  # sealed, and not hidden by encryption
        one.secret_file("mdsp.jwks").write_text(json.dumps(jwks))
        subprocess.run(
            [MOSQUITTO_PASSWD, "-b", "-c", str(tmp_path / "passwd"), AGENT, SECRETS["broker"].decode()], check=True
        )
        text = CONFIG.format(ntp=stack.enter_context(simulator("ntp")).split()[0], port=port)
        for name, base, opens, how in (
            ("optical", "residential-tou", "optical", ["--pty"]),
            ("c1221", "commercial-4ch", "c1221", ["--tcp", "0", "--standard", "c1221"]),
            ("refused", "residential-tou", "optical", ["--pty", "--seed", "9"]),
        ):
            made = tmp_path / "sim" / base
            made.mkdir(exist_ok=True)
            if base == "commercial-4ch":
                url = stack.enter_context(_with_password(tmp_path / "sim", base, SECRETS[opens], how))
            else:
                url = stack.enter_context(
                    simulator("meter", "--scenario", scenario(made, name, base, SECRETS[opens]), *how)
                )
            meter_id = {"residential-tou": "87654321", "commercial-4ch": "COM-4401"}[base]
            text += METER.format(name=name, url=url, meter_id=meter_id)
        one.config.write_text(text)
        yield one


@contextmanager
def _with_password(directory: Path, base: str, secret: bytes, how: list[str]) -> Iterator[str]:
    passwords = f"passwords = [{{ password = {json.dumps(secret.decode())}, level = 1 }}]"
    path = directory / f"{base}-secret.toml"
    path.write_text(re.sub(r"(?m)^passwords = .*$", lambda _found: passwords, young_file(base, datetime.now(UTC))))
    with simulator("meter", "--scenario", str(path), *how) as address:
        yield address


def watch(agent: subprocess.Popen[str], log: Path, *wanted: str) -> None:
    """Copy what the service logs until each of these was said."""
    assert agent.stderr is not None
    left = set(wanted)
    with log.open("a") as file:
        while left:
            line = agent.stderr.readline()
            assert line, f"the service ended; it never said {left}"
            file.write(line)
            left = {words for words in left if words not in line}


def test_no_secret_leaves_its_file(run: Run) -> None:
    ids = serve(run)
    at_a_meter(run)
    by_pager(run)
    keys = identities(run)
    keys.append(back_up(run))
    ours = ("--config", run.config)
    run.several(
        ("config", "check", run.config),
        ("requests", "list", *ours),
        ("spool", "list", "--all", "--json", *ours),
        ("spool", "verify", "--json", *ours),
        ("spool", "show", ids[0], *ours),
        ("explain", ids[0], *ours),
        ("audit", "list", "--json", *ours),
        ("report", *ours),
    )

    (run.box / "processes").mkdir()
    for name, told in run.told.items():
        (run.box / "processes" / name).write_bytes(told)
    recordings = list(run.box.rglob("*.rec.gz"))  # the restored agent moved the state aside
    assert len(recordings) >= 3  # there is something to search in
    assert (run.box / "paged.rec").stat().st_size > 100
    assert files_with(run.box, [Secret(name, octets) for name, octets in SECRETS.items()] + keys) == {}


def serve(run: Run) -> list[str]:
    """Let the service read, deliver and answer, with a wrong and the right password of the broker; return readings."""
    with run.broker():
        run.secret_file("broker").write_bytes(SECRETS["badbroker"])
        with run.agent("service-refused.log") as agent:
            watch(agent, run.box / "service-1.log", "optical: reading", "refused: ", "Not authorized")
        run.secret_file("broker").write_bytes(SECRETS["broker"])
        with run.mdsp() as events, run.agent("service-good.log") as agent:
            watch(agent, run.box / "service-2.log", "optical: reading", "c1221: reading", "it is not shown again")
            ids = [event["id"] for event, _ in zip(_new(events), range(3), strict=False)]
            metersim(
                "request", str(run.secret_file("pki")), "--agent", AGENT, "--meter", "COM-4401", "--action", "final",
                "--broker", f"localhost:{run.port}", "--store", str(run.box / "mdsp.db"), "--username", AGENT,
                "--password-file", str(run.secret_file("broker")),
            )  # fmt: skip
            outcomes = (event["outcome"] for event in events if event.get("kind") == "responses")
            assert [next(outcomes), next(outcomes)] == ["accepted", "done"]
    return ids


def at_a_meter(run: Run) -> None:
    """Do by hand what a person does at a meter."""
    url = re.search(r'url = "(/dev/pts/\d+)"', run.config.read_text())
    assert url is not None
    secret = ("--password-file", run.secret_file("optical"))
    recording, document, audit = (run.box / f"by-hand{ending}" for ending in (".rec", ".json", "-audit.jsonl"))
    read = run.mrsp(
        "read", url[1], *secret, "--record", recording, "--format", "json", "--no-clock-check", "--audit-log", audit
    )
    assert read.stdout, read.stderr
    document.write_text(read.stdout)
    assert run.mrsp("read", url[1], "--password-file", run.secret_file("refused"), "--no-clock-check").returncode == 4
    assert run.mrsp("explain", document, "--recording", recording).returncode == 0
    run.mrsp("tables", url[1], "ST01", "ST23", "ST42", "--raw", *secret, "--audit-log", audit)
    run.mrsp("profile", "learn", url[1], *secret, "--audit-log", audit)
    leave = ("--authorized-by", "A", "--reason", "B", "--audit-log", audit)
    run.mrsp("procedure", "run", url[1], "demand_reset", *leave, *secret)


def by_pager(run: Run) -> None:
    """Ask a meter by its pager, with the right security code and with a wrong one."""
    with simulator("pager", "--http", "0", "--code-file", str(run.secret_file("code"))) as address:
        wctp = address.split()[0] if "wctp" in address else f"wctp+{address.split()[0]}"
        joined = "&" if "?" in wctp else "?"
        asked = wctp if "recipient=" in wctp else f"{wctp}{joined}recipient=5550000000&meter=00123456"
        for name in ("code", "refused"):
            run.mrsp(
                "read", asked, "--password-file", run.secret_file(name), "--record", run.box / "paged.rec",
                "--format", "json", "--no-clock-check", "--registers-only",
            )  # fmt: skip


def identities(run: Run) -> list[Secret]:
    """Rotate the key, enrol in vain, make another identity on a token; return the private keys that there are."""
    directory = run.secret_file("pki") / "devices" / AGENT
    found = [_private(directory, "device key")]
    ours = ("--config", run.config)
    est = ("--est", "https://localhost:1", "--est-ca", run.secret_file("pki") / "ca.crt")
    enrol = ("keys", "enroll", *ours, *est, "--est-password-file", run.secret_file("login"))
    assert run.several(*(("keys", verb, *ours) for verb in ("status", "rotate", "csr", "public")), enrol)[:4] == [0] * 4
    rotating = next_keys(directory)
    assert rotating is not None
    found.append(_octets("next key", rotating[0].signing_key().as_dict(private=True)))

    (run.root / "tokens").mkdir()
    (run.root / "softhsm2.conf").write_text(f"directories.tokendir = {run.root}/tokens\nobjectstore.backend = file\n")
    pin = SECRETS["pin"].decode()
    tool = ["softhsm2-util", "--init-token", "--free", "--label", "mrsp", "--pin", pin, "--so-pin", "00000000"]
    subprocess.run(tool, check=True, capture_output=True, env=run.environment())
    on_token = ("--directory", run.root / "on-token")
    place = ("--pkcs11-module", MODULE, "--token", "mrsp", "--pin-file", run.secret_file("pin"))
    request = ("keys", "csr", "--documents", *on_token, "--agent-id", AGENT)
    cancelled = ("keys", "rotate", "--cancel", *ours)
    assert run.several(cancelled, ("keys", "init", *on_token, *place), request) == [0, 0, 0]
    shutil.copy(run.root / "on-token" / "token.json", run.box)
    found.append(_private(run.root / "on-token", "key beside the token"))
    return found


def back_up(run: Run) -> Secret:
    """Back up to a recovery key and to a passphrase, look into it, and restore; return the recovery key."""
    key, archive = run.secret_file("recovery.key"), run.box / "one.backup"
    made = run.mrsp("backup", "keygen", "--output", key)
    public = re.search(r"age1[0-9a-z]{50,}", made.stdout)
    assert public is not None
    config = ("--config", run.config)
    by_phrase = ("--passphrase-file", run.secret_file("passphrase"))
    statuses = run.several(
        ("backup", "create", *config, "--output", archive, "--recipient", public[0]),
        ("backup", "show", archive, "--identity", key),
        ("backup", "create", *config, "--output", run.box / "two.backup", *by_phrase),
        ("backup", "restore", run.box / "two.backup", *config, "--replace", *by_phrase, "--stopped"),
    )
    assert statuses == [0, 0, 0, 0]
    private = re.search(r"AGE-SECRET-KEY-1[0-9A-Z]+", key.read_text())
    assert private is not None
    return Secret("recovery key", private[0].removeprefix("AGE-SECRET-KEY-1").encode())


def _private(directory: Path, name: str) -> Secret:
    return _octets(name, load_tls_key(directory).signing_key().as_dict(private=True))


def _octets(name: str, jwk: Mapping[str, Any]) -> Secret:
    return Secret(name, base64.urlsafe_b64decode(str(jwk["d"]) + "="))


def _new(events: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (event for event in events if event.get("kind") == "readings" and event.get("verdict") == "new")


@pytest.mark.parametrize("name", SECRETS)
def test_the_search_finds_what_it_is_for(tmp_path: Path, name: str) -> None:
    octets = SECRETS[name]
    secret = Secret(name, octets)
    sealed = b".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b"x" * 20, b'{"a":"%s"}' % octets, b"y" * 20)
    )
    for content in (
        b"xx" + octets,
        octets[:7],
        octets.hex().encode(),
        json.dumps({"a": octets.decode()}).encode(),
        base64.b64encode(b"a" + octets + b"b"),
        base64.urlsafe_b64encode(b"ab" + octets + b"b"),
        gzip.compress(b"x" + octets),
        repr(b"\1" + octets).encode(),
        sealed,
    ):
        assert found_in(content, [secret]), content
    assert not found_in(b"nothing of it" + bytes(range(256)), [secret])
