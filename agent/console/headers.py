"""What every answer of the console tells the browser to forbid itself."""

from __future__ import annotations

# htmx sets no inline styles and evaluates nothing as configured in base.html; uPlot styles its own elements through
# the DOM, which a policy of 'self' allows.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
FIXED: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), geolocation=(self), microphone=(), payment=(), usb=()"),
    (b"x-robots-tag", b"noindex"),
)
NO_STORE = (b"cache-control", b"no-store")


def with_fixed(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers with those of every answer; nothing is stored unless the answer says how long."""
    given = {name.lower() for name, _ in headers}
    added = [header for header in FIXED if header[0] not in given]
    if b"cache-control" not in given:
        added.append(NO_STORE)
    return [*headers, *added]
