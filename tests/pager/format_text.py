"""Write format files for tests."""

from __future__ import annotations

from pathlib import Path

from drivers.pager.formats import MessageFormat, load_format_file

PLAIN = """\
name = "plain"
title = "For tests"
status = "documented here"

[reply]
text = "{[}M={meter} E={energy}{]} C={check}"
meter_id = "meter"

[reply.field.meter]
kind = "digits"
length = 4

[reply.field.energy]
kind = "decimal"
whole = [1, 6]
decimals = 2

[reply.field.check]
kind = "check"
algorithm = "crc16-arc"

[[reply.register]]
field = "energy"
quantity = "kWh"
direction = "delivered"

[[example]]
text = "M=0012 E=345.60 C=CA97"
meter_id = "0012"
values = { energy = "345.6" }
"""


def written(directory: Path, text: str = PLAIN, name: str = "plain") -> Path:
    path = directory / "pager" / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def changed(directory: Path, *changes: tuple[str, str]) -> Path:
    """Return the plain format with some of its text replaced, each once and surely."""
    text = PLAIN
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return written(directory, text)


def loaded(directory: Path, *changes: tuple[str, str]) -> MessageFormat:
    return load_format_file(changed(directory, *changes))
