"""A real mosquitto as a process of its own, on TLS with client certificates."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
BY_CERTIFICATE = "use_identity_as_username true"


def mosquitto_conf(pki: Path, port: int, *more: str) -> str:
    """Return a configuration with the certificates that `metersim pki` has made; `more`: further lines."""
    lines = [
        f"listener {port} 127.0.0.1",
        f"cafile {pki}/ca.crt",
        f"certfile {pki}/broker.crt",
        f"keyfile {pki}/broker.key",
        "require_certificate true",
        "user root",
        "log_dest stderr",
        *more,
    ]
    return "\n".join(lines) + "\n"


@contextmanager
def running_mosquitto(file: Path, conf: str) -> Iterator[None]:
    """Run one by this configuration, written to `file`; its port is open when the block begins."""
    file.write_text(conf)
    with subprocess.Popen([MOSQUITTO, "-c", str(file)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            while "running" not in (line := process.stderr.readline()):
                assert line, "mosquitto ended"
            yield
        finally:
            process.terminate()
