"""The `[outlet]` part of the configuration: ways out other than MQTT, with the same documents."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from agent.cmep import Dialect
from agent.order import Text

Form = Literal["sealed", "json", "cmep", "cim"]
PLAIN: frozenset[Form] = frozenset({"json", "cmep", "cim"})


class FileOutletSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[outlet.file]`: a directory that SFTP, rsync or a partner's program fetches from.

    Beside `[forward]` it holds copies: the MDSP's acknowledgement alone says what is delivered. Without `[forward]` it
    is the way itself, and `delivered` says when a document may leave the spool.
    """

    directory: Text  # that the partner fetches from
    forms: Annotated[tuple[Form, ...], msgspec.Meta(min_length=1, max_length=4)] = ("json",)  # of each document
    cmep: Dialect = Dialect()
    budget_octets: Annotated[int, msgspec.Meta(ge=1_048_576)] = 1_073_741_824  # of the files in it, at most
    # when a document may leave the spool, without [forward]
    delivered: Literal["when acknowledged", "when fetched"] = "when acknowledged"
    acknowledgements: Text | None = None  # where the MDSP's signed acknowledgements are put; default: `acks` in it

    def __post_init__(self) -> None:
        if len(set(self.forms)) != len(self.forms):
            raise ValueError("`forms`: one is named twice")


class OutletSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[outlet]`. `stdout`: every document as a line of JSON on standard output, beside the others."""

    file: FileOutletSettings | None = None
    stdout: bool = False  # every document as a line of JSON on standard output, too

    def check(self, *, forwards: bool, verifies: bool) -> None:
        """Raise `ValueError` for what does not fit. `forwards`: by MQTT; `verifies`: the MDSP's keys are there."""
        if self.file is None:
            return
        if forwards and "sealed" in self.file.forms:
            raise ValueError("`outlet.file.forms`: beside [forward] the files are copies, which are never `sealed`")
        if not forwards and self.file.delivered == "when acknowledged" and not verifies:
            raise ValueError(
                "`outlet.file`: acknowledgements are verified with `keys.mdsp`, which is missing; or say"
                ' `delivered = "when fetched"`'
            )
