"""`metersim ntp`: an NTP server that tells the time as wrongly as asked, for testing who believes it."""

from __future__ import annotations

import argparse
import asyncio
import random
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

NTP_TO_UNIX_S = 2_208_988_800
NS = 1_000_000_000
HEADER = struct.Struct(
    "!BBbbIII"
)  # leap/version/mode, stratum, poll, precision, root delay, root dispersion, reference
PACKET = 48
CLIENT, SERVER = 3, 4
SMEARING = 0x7F7F01FF  # reference id 127.127.1.255

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the server answers. The defaults are those of a good stratum 1 server."""

    offset_s: float = 0.0  # its clock minus the true one
    drift_ppm: float = 0.0  # its clock runs fast by this, from the first question on
    jump_s: float = 0.0  # added anew with each answer: a server that contradicts itself
    stratum: int = 1
    leap: int = 0  # 0 none, 1 insert, 2 delete, 3 not synchronised
    reference: str = "SIM"  # reference id: four letters; of a kiss-o'-death its code
    kiss: str | None = None  # answer with stratum 0 and this code
    kiss_after: int = 0  # this many good answers first
    mode: int = SERVER
    wrong_origin: bool = False  # originate timestamp is not the client's
    other_port: bool = False  # answers come from another port
    short: bool = False  # answers are cut off
    silent: bool = False
    lose: float = 0.0  # this share of the questions gets no answer
    root_delay_s: float = 0.0
    root_dispersion_s: float = 0.0005
    held_s: float = 0.0  # claims to have held the question this much longer than it did
    offset_after: int = 0  # its clock is right for this many answers first
    smear: bool = False  # says that it spreads a leap second, as chronyd says it
    unreachable: bool = False  # nobody listens there: the network says so


class NtpServer(asyncio.DatagramProtocol):
    """One server. `answered` counts answers, `asked` questions, `was_asked` tells of the first; `address`: where."""

    def __init__(
        self, behaviour: Behaviour | None = None, *, realtime_ns: Callable[[], int] = time.time_ns, seed: int = 0
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.asked = 0
        self.answered = 0
        self.was_asked = asyncio.Event()
        self._realtime_ns = realtime_ns
        self._random = random.Random(seed)
        self._began_ns: int | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._elsewhere: asyncio.DatagramTransport | None = None
        self._refusing: socket.socket | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> Address:
        """Listen; port 0 takes a free one. Returns the address."""
        loop = asyncio.get_running_loop()
        if self.behaviour.unreachable:
            self._refuse(host, port)
            return self.address
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        if self.behaviour.other_port:
            self._elsewhere, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=(host, 0))
        return self.address

    @property
    def address(self) -> Address:
        """Host and port that it listens on."""
        if self._refusing is not None:
            host, port = self._refusing.getsockname()[:2]
            return host, port
        if self._transport is None:
            raise RuntimeError("the server was not started")
        host, port = self._transport.get_extra_info("sockname")[:2]
        return host, port

    def close(self) -> None:
        """Stop listening."""
        if self._refusing is not None:
            self._refusing.close()
        for transport in (self._transport, self._elsewhere):
            if transport is not None:
                transport.close()

    def _refuse(self, host: str, port: int) -> None:
        """Hold a port that answers nobody: connected to itself, a socket has all others turned away by the kernel."""
        self._refusing = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._refusing.bind((host, port))
        self._refusing.connect(self._refusing.getsockname())

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Answer a client's question as the behaviour says; ignore everything else."""
        if len(data) < PACKET or data[0] & 0x07 != CLIENT:
            return
        self.asked += 1
        self.was_asked.set()
        if self.behaviour.silent or self._random.random() < self.behaviour.lose:
            return
        transport = self._elsewhere or self._transport
        if transport is not None:
            answer = self.answer(data, self._realtime_ns())
            transport.sendto(answer[:40] if self.behaviour.short else answer, addr)

    def answer(self, question: bytes, now_ns: int) -> bytes:
        """Make the answer to a question that arrives at `now_ns` (true Unix time)."""
        how = self.behaviour
        if self._began_ns is None:
            self._began_ns = now_ns
        drift_ns = int((now_ns - self._began_ns) * how.drift_ppm / 1_000_000)
        offset_s = how.offset_s if self.answered >= how.offset_after else 0.0
        theirs_ns = now_ns + drift_ns + int((offset_s + how.jump_s * self.answered) * NS)
        kissing = how.kiss is not None and self.answered >= how.kiss_after
        self.answered += 1
        reference = how.kiss if kissing and how.kiss is not None else how.reference
        version = question[0] >> 3 & 0x07
        origin = bytes(8) if how.wrong_origin else question[40:48]
        header = HEADER.pack(
            (how.leap << 6) | (version << 3) | how.mode,
            0 if kissing else max(how.stratum, 2) if how.smear else how.stratum,
            6,
            -20,
            int(how.root_delay_s * 65_536),
            int(how.root_dispersion_s * 65_536),
            SMEARING if how.smear else int.from_bytes(reference.encode("ascii")[:4].ljust(4, b"\0"), "big"),
        )
        received = timestamp(theirs_ns - int(how.held_s * NS))
        return header + timestamp(theirs_ns - 16 * NS) + origin + received + timestamp(theirs_ns)


def timestamp(unix_ns: int) -> bytes:
    """Encode Unix nanoseconds as a 64-bit NTP timestamp of whatever era."""
    seconds, rest = divmod(unix_ns, NS)
    return struct.pack("!II", (seconds + NTP_TO_UNIX_S) % (1 << 32), (rest << 32) // NS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `metersim ntp`."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="UDP port to listen on (default: a free one)")
    parser.add_argument("--offset", type=float, default=0.0, metavar="SECONDS", help="its clock is fast by this")
    parser.add_argument("--drift-ppm", type=float, default=0.0, metavar="PPM", help="and gains this")
    parser.add_argument("--jump", type=float, default=0.0, metavar="SECONDS", help="and jumps by this with each answer")
    parser.add_argument("--stratum", type=int, default=1, choices=range(256), metavar="0-255")
    parser.add_argument("--leap", type=int, default=0, choices=range(4), help="leap indicator; 3 is not synchronised")
    parser.add_argument("--reference", type=_code, default="SIM", metavar="CODE", help="reference id, up to 4 letters")
    parser.add_argument("--kiss", type=_code, metavar="CODE", help="send kiss-o'-death: DENY, RSTR, RATE …")
    parser.add_argument("--kiss-after", type=int, default=0, metavar="N", help="after N good answers")
    parser.add_argument("--mode", type=int, default=SERVER, choices=range(8), help="mode of the answers")
    parser.add_argument("--wrong-origin", action="store_true", help="answer somebody else's question")
    parser.add_argument("--other-port", action="store_true", help="answer from another port")
    parser.add_argument("--short", action="store_true", help="cut answers off")
    parser.add_argument("--silent", action="store_true", help="do not answer")
    parser.add_argument("--lose", type=float, default=0.0, metavar="SHARE", help="lose this share of the questions")
    parser.add_argument("--root-delay", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--root-dispersion", type=float, default=0.0005, metavar="SECONDS")
    parser.add_argument("--held", type=float, default=0.0, metavar="SECONDS", help="claims to have held the question")
    parser.add_argument("--offset-after", type=int, default=0, metavar="N", help="the offset only after N answers")
    parser.add_argument("--smear", action="store_true", help="says that it spreads a leap second")
    parser.add_argument("--unreachable", action="store_true", help="nobody listens at the address")
    parser.add_argument("--seed", type=int, default=0)


def behaviour_of(args: argparse.Namespace) -> Behaviour:
    """Read the behaviour out of parsed options."""
    return Behaviour(
        offset_s=args.offset,
        drift_ppm=args.drift_ppm,
        jump_s=args.jump,
        stratum=args.stratum,
        leap=args.leap,
        reference=args.reference,
        kiss=args.kiss,
        kiss_after=args.kiss_after,
        mode=args.mode,
        wrong_origin=args.wrong_origin,
        other_port=args.other_port,
        short=args.short,
        silent=args.silent,
        lose=args.lose,
        root_delay_s=args.root_delay,
        root_dispersion_s=args.root_dispersion,
        held_s=args.held,
        offset_after=args.offset_after,
        smear=args.smear,
        unreachable=args.unreachable,
    )


async def serve(args: argparse.Namespace, out: TextIO | None = None) -> None:
    """Write `HOST:PORT` as the first line of `out` (standard output by default) and serve until cancelled."""
    server = NtpServer(behaviour_of(args), seed=args.seed)
    host, port = await server.start(args.host, args.port)
    out = out or sys.stdout
    out.write(f"[{host}]:{port}\n" if ":" in host else f"{host}:{port}\n")
    out.flush()
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        server.close()


def _code(text: str) -> str:
    """Check a reference id given as an option."""
    if not (1 <= len(text) <= 4 and text.isascii() and text.isprintable()):
        raise argparse.ArgumentTypeError("one to four ASCII letters expected")
    return text
