"""One NTP question and what its answer is worth (RFC 5905). Pure: octets and moments in, values out.

An answer that is not demonstrably to our question is `NotOurs`: anybody can send one, so it neither counts nor ends the
waiting. One that is ours but of no use is `Unusable`: that server need not be asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from ipaddress import IPv4Address

import ntplib

from agent.clock.instant import NS, Instant
from agent.clock.samples import Leap

PACKET = 48
VERSION = 4
CLIENT, SERVER = 3, 4  # modes
UNSYNCHRONISED_LEAP = 3
UNSYNCHRONISED_STRATUM = 16
MAX_DISTANCE_S = Decimal("1.5")  # RFC 5905 MAXDIST with the margin that ntpd gives it
OUR_PRECISION_S = Decimal("1e-6")  # of reading our own clock
TOLERATED_NS = 1_000_000  # two honest clocks may disagree by this about how long the server held the question
# Timestamps carry 32 bits of seconds and wrap every 136 years, next in February 2036. No server's true time lies before
# 2000, so each is read as lying from 2000 to 2136, whatever our own clock believes.
NTP_TO_UNIX_S = 2_208_988_800
EARLIEST_S = NTP_TO_UNIX_S + 946_684_800
SMEARED_S = Decimal(1)
LEAPS: dict[int, Leap] = {0: "none", 1: "insert", 2: "delete"}  # 3 is refused before
KISSES = {
    "DENY": "access denied",
    "RSTR": "access denied by its policy",
    "RATE": "asked too often",
    "INIT": "not synchronised yet",
    "STEP": "its clock is being stepped",
    "AUTH": "authentication failed",
    "NTSN": "refuses us without Network Time Security",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A valid answer. Times are Unix nanoseconds by the server's clock."""

    received_ns: int
    sent_ns: int
    stratum: int
    reference: str
    root_delay_s: Decimal
    root_dispersion_s: Decimal
    precision_s: Decimal
    leap: Leap
    smeared: bool


@dataclass(frozen=True, slots=True)
class NotOurs:
    """Not shown to be an answer to our question."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """The server's answer, but no time to go by."""

    reason: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """Our clock against the server's, from one exchange. `offset_s` is ours minus theirs."""

    offset_s: Decimal
    uncertainty_s: Decimal
    delay_s: Decimal
    at_boottime_ns: int
    reply: Reply


def question(nonce: int) -> bytes:
    """Encode a client request. The transmit timestamp is the 64-bit nonce: it tells no time, and cannot be guessed."""
    packet = ntplib.NTPPacket(version=VERSION, mode=CLIENT)
    return bytes(packet.to_data())[:-8] + nonce.to_bytes(8, "big")


def judge(octets: bytes, nonce: int) -> Reply | NotOurs | Unusable:
    """Decide what a datagram is worth as the answer to `question(nonce)`."""
    if len(octets) < PACKET:
        return NotOurs(f"{len(octets)} octets are too few for an NTP packet")
    packet = ntplib.NTPPacket()
    packet.from_data(octets)
    if packet.mode != SERVER:
        return NotOurs(f"mode {packet.mode} is not a server's answer")
    # The timestamps from the octets themselves: the package makes binary floats of them, good to half a microsecond.
    originate, received, sent = octets[24:32], octets[32:40], octets[40:48]
    if originate != nonce.to_bytes(8, "big"):
        return NotOurs("its originate timestamp is not that of our question")
    refusal = _refusal(packet.stratum, packet.leap, packet.ref_id)
    if not refusal and not (any(received) and any(sent)):
        refusal = "the server's answer carries no time"
    if refusal:
        return Unusable(refusal)
    return Reply(
        received_ns=unix_ns(received),
        sent_ns=unix_ns(sent),
        stratum=packet.stratum,
        reference=_reference(packet.stratum, packet.ref_id),
        root_delay_s=Decimal(packet.root_delay),
        root_dispersion_s=Decimal(packet.root_dispersion),
        precision_s=Decimal(2) ** packet.precision,
        leap=LEAPS[packet.leap],
        smeared=_is_smeared(packet.stratum, packet.ref_id),
    )


def measure(reply: Reply, asked: Instant, answered_boottime_ns: int) -> Measurement | Unusable:
    """Work out offset and uncertainty from when we asked and, by CLOCK_BOOTTIME, when the answer came.

    Half the round trip, half the root delay, the root dispersion and both precisions bound the error (RFC 5905 root
    distance): the truth is inside however unequal the two directions were.
    """
    elapsed = answered_boottime_ns - asked.boottime_ns
    held = reply.sent_ns - reply.received_ns
    delay = elapsed - held
    if held < -TOLERATED_NS or delay < -TOLERATED_NS:
        return Unusable("the server's receive and transmit timestamps are impossible for the time that we waited")
    delay = max(delay, 0)
    twice = (2 * asked.realtime_ns + elapsed) - (reply.received_ns + reply.sent_ns)
    uncertainty = (
        Decimal(delay) / (2 * NS)
        + reply.root_delay_s / 2
        + reply.root_dispersion_s
        + reply.precision_s
        + OUR_PRECISION_S
    )
    if uncertainty > MAX_DISTANCE_S:
        return Unusable(f"its root distance of {uncertainty:.3f} s is beyond {MAX_DISTANCE_S} s")
    return Measurement(
        offset_s=Decimal(twice) / (2 * NS),
        uncertainty_s=uncertainty + (SMEARED_S if reply.smeared else 0),
        delay_s=Decimal(delay) / NS,
        at_boottime_ns=asked.boottime_ns + elapsed // 2,
        reply=reply,
    )


def unix_ns(timestamp: bytes) -> int:
    """Read a 64-bit NTP timestamp as Unix nanoseconds between 2000 and 2136."""
    seconds = int.from_bytes(timestamp[:4], "big")
    fraction = int.from_bytes(timestamp[4:], "big")
    since_2000 = (seconds - EARLIEST_S) % (1 << 32)
    return (EARLIEST_S - NTP_TO_UNIX_S + since_2000) * NS + (fraction * NS + (1 << 31)) // (1 << 32)


def _refusal(stratum: int, leap: int, ref_id: int) -> str:
    """Why the server itself says not to go by its time; empty if it does not."""
    if stratum == 0 and ref_id:
        code = _ascii(ref_id)
        return f"kiss-o'-death {code}" + (f": {KISSES[code]}" if code in KISSES else "")
    if leap == UNSYNCHRONISED_LEAP:
        return "the server says that its clock is not synchronised (leap indicator 3)"
    if stratum == 0 or stratum >= UNSYNCHRONISED_STRATUM:
        return f"the server says that its clock is not synchronised (stratum {stratum})"
    return ""


def _reference(stratum: int, ref_id: int) -> str:
    if stratum == 1:
        return _ascii(ref_id)
    if ref_id == 0x7F7F0101:  # what chrony and ntpd call a clock that follows nothing
        return "its own local clock"
    return str(IPv4Address(ref_id))  # of an IPv6 server: a hash that looks like one


def _is_smeared(stratum: int, ref_id: int) -> bool:
    """During a leap smear chrony shows 127.127.1.255, ntpd 254.x.y.z."""
    return stratum > 1 and (ref_id == 0x7F7F01FF or ref_id >> 24 == 254)


def _ascii(ref_id: int) -> str:
    """The four letters of a reference id; hexadecimal if they are not letters fit to print."""
    octets = ref_id.to_bytes(4, "big")
    letters = octets.rstrip(b"\0 ")
    if letters and all(0x21 <= octet <= 0x7E for octet in letters):
        return letters.decode("ascii")
    return octets.hex().upper()
