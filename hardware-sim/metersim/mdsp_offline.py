"""Verify sealed documents without a network: what an agent exported, or what this MDSP has stored.

    metersim verify DIR --agent gw-0001 [--store mdsp.db] [EXPORT]

EXPORT: a directory as `mrsp spool export` writes it, `SEQ-ID.jws` and `SEQ-ID.jwe`. Prints one JSON report; exit
status 1 if anything does not hold. Links that are in neither are gaps: they are told, and are no proof of anything.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc.jwk import Key

from drivers.errors import UsageError
from metersim.mdsp_store import MdspStore
from metersim.mdsp_verify import ID_FIELDS, Delivered, Refused, Registry, open_sealed, read_keys
from metersim.pki import Pki

MAX_FILE_OCTETS = 67_108_864
_NAME = re.compile(r"([0-9]{10,})-(.+)\.(jws|jwe)")


@dataclass
class Report:
    """What was found. Sound: every signature holds, and every link follows the one before it that is here."""

    links: dict[int, Delivered] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def add(self, where: str, sealed: bytes, agent_id: str, registry: Registry, decryption: Sequence[Key]) -> None:
        """Open one sealed document; whichever kind it is."""
        refused = Refused("it is none of the documents of this contract")
        for kind in ID_FIELDS:
            try:
                found = open_sealed(f"mrsp/v1/{agent_id}/{kind}", sealed, registry, decryption)
            except Refused as err:
                refused = err if f"without its {ID_FIELDS[kind]}" not in str(err) else refused
                continue
            self._place(where, found)
            return
        self.findings.append(f"{where}: {refused}")

    def _place(self, where: str, found: Delivered) -> None:
        if (named := _NAME.fullmatch(where)) and (int(named[1]) != found.seq or named[2] != found.document_id):
            self.findings.append(f"{where}: it is link {found.seq}, {found.document_id}")
        known = self.links.setdefault(found.seq, found)
        if known.digest != found.digest:
            self.findings.append(f"{where}: link {found.seq} is there twice, and differs")

    def judge(self) -> dict[str, Any]:
        """Follow the chain; return the report."""
        gaps, before = [], 0
        for seq in sorted(self.links):
            link, previous = self.links[seq], self.links.get(seq - 1)
            if seq > before + 1:
                gaps.append([before + 1, seq - 1])
            expected = "" if seq == 1 else previous.digest if previous is not None else link.prev
            if link.prev != expected or (seq > 1 and not link.prev):
                self.findings.append(f"link {seq} does not follow link {seq - 1}")
            before = seq
        last = self.links.get(before)
        return {
            "sound": not self.findings,
            "links": len(self.links),
            "head": {"seq": before, "digest": last.digest if last else ""},
            "gaps": gaps,
            "findings": self.findings,
        }


def verify(
    agent_id: str, registry: Registry, decryption: Sequence[Key], sealed: Iterable[tuple[str, bytes]]
) -> dict[str, Any]:
    """Return the report on `sealed` documents (name, octets) of one agent."""
    report = Report()
    for where, octets in sealed:
        report.add(where, octets, agent_id, registry, decryption)
    return report.judge()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`metersim verify DIR --agent ID [EXPORT]`"""
    parser.add_argument("directory", type=Path, metavar="DIR", help="keys as `metersim pki` makes them")
    parser.add_argument("export", type=Path, nargs="?", metavar="EXPORT", help="of `mrsp spool export`")
    parser.add_argument("--agent", required=True, metavar="ID")
    parser.add_argument("--store", type=Path, help="the MDSP's database, verified as well")


async def serve(args: argparse.Namespace) -> int:
    """Print the report; 1 if anything does not hold."""
    pki = Pki(args.directory)
    registry = Registry(pki.agents)
    try:
        registry.keys(args.agent)
    except Refused as error:
        raise UsageError(str(error), advice="`metersim pki` registers agents") from error
    if args.export is not None and not args.export.is_dir():
        raise UsageError(f"{args.export} is no directory", advice="give one that `mrsp spool export` wrote")
    decryption = [key for key in read_keys(pki.mdsp_private_jwks).keys if key.get("use") == "enc"]
    sealed = [*_stored(args.store, args.agent), *_exported(args.export)]
    report = verify(args.agent, registry, decryption, sealed)
    sys.stdout.write(json.dumps(report) + "\n")
    return 0 if report["sound"] else 1


def _stored(path: Path | None, agent_id: str) -> list[tuple[str, bytes]]:
    if path is None:
        return []
    store = MdspStore(path)
    try:
        return [(f"link {seq} of the store", token) for seq, token in store.tokens(agent_id)]
    finally:
        store.close()


def _exported(directory: Path | None) -> Iterable[tuple[str, bytes]]:
    if directory is None:
        return
    for path in sorted(directory.iterdir()):
        if path.suffix in {".jws", ".jwe"}:
            with path.open("rb") as file:
                yield path.name, file.read(MAX_FILE_OCTETS)
