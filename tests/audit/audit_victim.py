"""A process that writes to the audit log until it is killed: `audit_victim.py FILE NAME COUNT`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from agent.audit import AuditLog
from drivers.writes import MeterWrite


def main() -> None:
    path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    log = AuditLog(path, lambda: datetime.now(UTC), most_octets=20_000)
    journal = log.journal(authorized_by=name, reason="test")
    number = 0
    while number != count:
        number += 1
        write = MeterWrite("line", name, "SP09 remote reset", "ST07", number.to_bytes(4, "big"), "demand_reset")
        journal.before(write)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        if count > 0:
            journal.after(write, "done", "")


if __name__ == "__main__":
    main()
