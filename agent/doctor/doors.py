"""The ports that the agent listens on: has another program taken one? The kernel's list tells; none is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.doctor.finding import Remark, fault, ok, skipped
from agent.doctor.patient import Patient, user_name
from agent.doctor.systemd import told_of
from agent.only_one import running

SOCKET = "mrsp-console.socket"
LISTENING = "0A"  # TCP_LISTEN


@dataclass(frozen=True, slots=True)
class Door:
    """One address of the configuration, ADDRESS:PORT."""

    section: str
    listen: str

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


def ports(patient: Patient) -> Iterator[Remark]:
    """Is each port ours, or free?"""
    doors = [door for door in _doors(patient) if door.port]
    if not doors:
        yield skipped("the agent listens on no port")
        return
    held = told_of(patient, SOCKET, "ActiveState", "Listen")
    by_systemd = held.get("ActiveState") == "active"
    troubles = 0
    if by_systemd and (console := next((door for door in doors if door.section == "console"), None)) is not None:
        for remark in of_socket(held, console.listen):
            troubles += 1
            yield remark
    users = listeners(patient)
    runs = patient.is_guest or running(patient.config.state_directory) is not None
    for door in doors:
        ours = patient.owner if runs else None
        theirs = sorted(users.get(door.port, set()) - {ours})
        if theirs and not (by_systemd and door.section == "console"):
            troubles += 1
            yield fault(
                f"[{door.section}]: port {door.port} is taken by a program of {user_name(theirs[0])}",
                f"`ss -ltnp sport = :{door.port}` as root shows which; stop it, or name another port",
            )
    if not troubles:
        yield ok(f"{', '.join(f'[{door.section}] {door.listen}' for door in doors)}: nobody else is there")


def of_socket(told: Mapping[str, str], listen: str) -> Iterator[Remark]:
    """Compare what systemd listens on for the console with what is configured."""
    found = told.get("Listen", "").partition(" ")[0]
    if found != listen:
        yield fault(
            f"{SOCKET} listens at {found}, and `[console] listen` is {listen}: the console is not served",
            f"`systemctl edit {SOCKET}`: [Socket], an empty ListenStream=, then ListenStream={listen}",
        )


def listeners(patient: Patient) -> dict[int, set[int]]:
    """Return the users of the sockets that listen, by port (proc(5), /proc/net/tcp)."""
    found: dict[int, set[int]] = {}
    for name in ("tcp", "tcp6"):
        for line in (patient.text(f"proc/net/{name}") or "").splitlines()[1:]:
            words = line.split()
            if len(words) > 7 and words[3] == LISTENING:
                found.setdefault(int(words[1].rpartition(":")[2], 16), set()).add(int(words[7]))
    return found


def _doors(patient: Patient) -> Iterator[Door]:
    settings = patient.config.settings
    if settings.console is not None:
        yield Door("console", settings.console.listen)
    if settings.metrics is not None and settings.metrics.listen is not None:
        yield Door("metrics", settings.metrics.listen)
    if settings.pager_push is not None:
        yield Door("pager_push", f"{settings.pager_push.listen}:{settings.pager_push.port}")
