"""How `mrsp keys status` shows an identity, to machines and to people."""

from __future__ import annotations

import json

from agent.identity.status import KeyStatus
from agent.utc_text import utc_text


def status_json(status: KeyStatus) -> str:
    """Return the status as JSON; `certificate` and what only some devices have is left out where there is none."""
    certificate = status.certificate
    answer: dict[str, object] = {"key": str(status.path), "algorithm": status.algorithm, "kid": status.kid}
    if status.token is not None:
        answer |= {"token": status.token, "tls_kid": status.tls_kid}
    if certificate is not None:
        answer["certificate"] = {
            "path": str(certificate.path),
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "not_before": utc_text(certificate.not_before),
            "not_after": utc_text(certificate.not_after),
            "days_left": certificate.days_left,
            "matches_key": certificate.matches_key,
            "accepted_by_broker": not status.unproven,
        }
    if status.next_kid is not None:
        answer["next_kid"] = status.next_kid
    answer["retired"] = list(status.retired)
    return json.dumps({**answer, "warnings": list(status.warnings)}, indent=2) + "\n"


def status_text(status: KeyStatus) -> str:
    """Return the status for a terminal."""
    certificate = status.certificate
    where = f"on the token {status.token!r}, by {status.path}" if status.token else str(status.path)
    lines = [f"key          {where} ({status.algorithm})", f"kid          {status.kid}"]
    if status.token is not None:
        lines.append(f"TLS key      {status.tls_kid}")
    if certificate is not None:
        lines += [
            f"certificate  {certificate.path}",
            f"subject      {certificate.subject}",
            f"issuer       {certificate.issuer}",
            f"expires      {utc_text(certificate.not_after)}, in {certificate.days_left} days",
        ]
    if status.unproven:
        lines.append("             not yet accepted by the broker; the one before is kept until then")
    if status.next_kid is not None:
        lines.append(f"next key     {status.next_kid}, waits for its certificate (`mrsp keys csr --next`)")
    lines += [f"retired      {kid}" for kid in status.retired]
    return "\n".join([*lines, *(f"warning      {warning}" for warning in status.warnings)]) + "\n"
