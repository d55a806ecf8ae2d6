"""Targets of files that people and other programs write: plans, entries, formats, register maps, CMEP, cycles, keys."""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from agent.audit_chain import BrokenChain, Chain, lines_of
from agent.cmep.dialect import Dialect
from agent.cmep.parse import CmepError, parsed
from agent.credentials import load_password, load_secret
from agent.errors import LocalTrouble
from agent.keys import MdspKeys
from agent.listening.plan import ReadPlan, parse_plan
from agent.recordings import inflate
from agent.scheduling.cycle_text import parse_cycle
from drivers.errors import DataError, UsageError
from drivers.modbus.library import check_map, load_map
from drivers.pager.formats import compile_format
from drivers.pager.formats_compile import FormatMistake
from drivers.pager.formats_schema import FormatFile
from drivers.toml_file import parse_toml
from drivers.visual.loading import load_entry
from tests.fuzz.chance import Chance
from tests.fuzz.target import Target, plain

PROFILES = Path(__file__).parents[2] / "firmware_profiles"
PLAN = (
    b"meter_id,message,commodity,multiplier,unit,dials,last_reading,service_delivery_point_id\n"
    b"23905761,scm,electricity,0.01,kWh,8,12345.67,1-0-00001-1\n"
)
CMEP = (
    b"MEPMD01,19970819,GW-1,,,10012345,202611211200,10012345,OK,E,KWHREG,1,00000015,2,202611210015,R0,1.25,,E,1.5\r\n"
)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@cache
def scratch() -> Path:
    """Return a directory for targets that read files by name."""
    return Path(mkdtemp(prefix="mrsp-fuzz-"))


def _file(name: str, octets: bytes) -> Path:
    path = scratch() / name
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(octets)
    return path


def check_plan(octets: bytes) -> None:
    """A plan names each meter once, or the line that is wrong."""
    try:
        plan = parse_plan(octets, "read plan test.csv")
    except UsageError as error:
        plain(error)
        return
    assert isinstance(plan, ReadPlan)
    assert len(plan.by_key()) >= len({meter.key for meter in plan.meters})
    assert all(meter.multiplier.is_finite() and meter.meter_id.isprintable() for meter in plan.meters)


def plan_seeds() -> Iterator[bytes]:
    yield PLAN
    yield b'[{"meter_id":"23905761","message":"scm","multiplier":"0.01"}]'
    yield b"\xef\xbb\xbf" + PLAN.replace(b"\n", b"\r\n")
    yield b'meter_id,message\n"1\n2",scm\n'


def check_visual(octets: bytes) -> None:
    """An entry, in a file or a query, is exact or refused."""
    chance = Chance(octets)
    kind, body = chance.below(3), chance.rest()
    if kind == 0:
        url = "visual://?" + body.decode("latin-1")
    else:
        url = f"visual://{_file('entry.json' if kind == 1 else 'entry.toml', body)}"
    try:
        draft = load_entry(url)
    except UsageError as error:
        plain(error)
        return
    assert all(len(register.shown) <= 40 for register in draft.entry.registers)


def visual_seeds() -> Iterator[bytes]:
    yield b"\0reading=012345&quantity=kWh&dials=6"
    yield b"\0reading=1&reading=2"
    yield b'\1{"meter_id":"10012345","registers":[{"shown":"012345","unit":"kWh"}]}'
    yield b'\2meter_id = "10012345"\n[[registers]]\nshown = "012345"\nunit = "kWh"\n'
    yield b"\1" + b"[" * 3000


def check_message_format(octets: bytes) -> None:
    """Any text is a format whose examples read, or a mistake with its place."""
    try:
        file = parse_toml(octets.decode("utf-8", "replace"), FormatFile, name="test.toml", what="message format")
        made = compile_format(file, file.name)
    except UsageError as error:
        plain(error)
        return
    except FormatMistake:
        return  # with its keys, which whoever reads the file turns into a line
    with contextlib.suppress(DataError, UsageError):
        made.parse("M 10012345", site_zone=UTC)


def message_format_seeds() -> Iterator[bytes]:
    for path in sorted((PROFILES / "pager").glob("*.toml")):
        yield path.read_bytes()


def check_register_map(octets: bytes) -> None:
    """Any file is a register map, or a mistake with file and line."""
    path = _file("modbus/fuzzed.toml", octets)
    for read in (load_map, check_map):
        try:
            read(path)
        except UsageError as error:
            plain(error)


def register_map_seeds() -> Iterator[bytes]:
    for path in sorted((PROFILES / "modbus").glob("*.toml")):
        yield path.read_bytes().replace(f'name = "{path.stem}"'.encode(), b'name = "fuzzed"')


def check_cmep(octets: bytes) -> None:
    """Lines are CMEP, every value exact, or the first wrong one is named."""
    try:
        records = parsed(octets, Dialect())
    except CmepError as error:
        plain(error)
        return
    assert len(records) <= octets.count(b"\n") + 1


def cmep_seeds() -> Iterator[bytes]:
    yield CMEP
    yield CMEP.rstrip() + b",\n" + CMEP
    yield CMEP.replace(b"MEPMD01", b"MEPTU01")
    yield b'"' * 200


def check_cycle(octets: bytes) -> None:
    """A cycle as people write it is due at some time after any moment, or never, or is refused."""
    try:
        cycle = parse_cycle(octets.decode("utf-8", "replace"), UTC)
    except (ValueError, UsageError):
        return
    due = cycle.after(NOW)
    assert due is None or due > NOW
    assert cycle.words()


def cycle_seeds() -> Iterator[bytes]:
    yield b"daily at 00:15"
    yield b"monthly on business day 1 at 06:00"
    yield b"every 15m"


def check_key_set(octets: bytes) -> None:
    """The MDSP's key file holds keys that verify, or is refused; private parts are never taken in."""
    try:
        keys = MdspKeys(_file("mdsp.jwks", octets)).load()
    except LocalTrouble as error:
        plain(error)
        return
    assert keys.verification
    assert not any(key.is_private for key in keys.verification)


def key_set_seeds() -> Iterator[bytes]:
    signing = {
        "kty": "EC", "crv": "P-256", "use": "sig", "kid": "k",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    }  # fmt: skip
    okp = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    yield json.dumps({"keys": [signing]}).encode()
    yield json.dumps({"keys": [okp, {**signing, "use": "enc"}]}).encode()
    yield json.dumps({"keys": [{**signing, "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}]}).encode()


def check_kept(octets: bytes) -> None:
    """What lies on the disk and may be damaged: passwords, compressed recordings, lines of the audit log."""
    path = _file("password", octets)
    for read in (load_password, lambda file: load_secret(file, "broker password")):
        try:
            assert read(path).reveal()
        except (UsageError, LocalTrouble) as error:
            plain(error)
            shown = len(octets) > 5 and octets.decode("latin-1") in str(error)
            assert not shown
    try:
        assert len(inflate(octets, "recording test")) < 1 << 30
    except DataError as error:
        plain(error)
    chain = Chain()
    with contextlib.suppress(BrokenChain):
        for line in lines_of(octets):
            assert chain.follow(line)["seq"] == chain.seq


def kept_seeds() -> Iterator[bytes]:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    yield packer.compress(b"x" * 5000) + packer.flush()
    chain, log = Chain(), b""
    for event in ("session_begun", "session"):
        line = chain.next_line("2026-11-21T12:00:00Z", event, {"of": 1})
        chain.follow(line)
        log += line
    yield log
    yield b"PASSWORD01\n"
    yield b"00" * 20


TARGETS = (
    Target("read-plan", check_plan, plan_seeds, longest=4096),
    Target("visual", check_visual, visual_seeds, longest=2048),
    Target("message-format", check_message_format, message_format_seeds, longest=8192),
    Target("register-map", check_register_map, register_map_seeds, longest=8192),
    Target("cmep", check_cmep, cmep_seeds, longest=2048),
    Target("cycle", check_cycle, cycle_seeds, longest=128),
    Target("key-set", check_key_set, key_set_seeds, longest=2048),
    Target("kept", check_kept, kept_seeds, longest=4096),
)
