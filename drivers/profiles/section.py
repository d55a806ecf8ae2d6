"""What all tables of a profile file share."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

# A description is what a person reads as "allowed" beside a mistake.
Octet = Annotated[int, Meta(ge=0, le=255)]
Text = Annotated[str, Meta(min_length=1, description="text, not empty")]
DecimalText = Annotated[str, Meta(pattern=r"^-?\d{1,20}(\.\d{1,20})?$", description='a decimal as text, like "0.001"')]
#: Of a family; its file is called so.
FileName = Annotated[
    str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="small letters, digits and single hyphens")
]
Status = Annotated[
    str,
    Meta(
        pattern=r"^(not tried on hardware|tried on hardware: \S.*)$",
        description='"not tried on hardware" or "tried on hardware: which meter, by whom, when"',
    ),
]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all tables of a profile: immutable, and an unknown key is a mistake."""

    def said(self) -> dict[str, Any]:
        """Return the keys that the file sets, with values of the kinds declared below."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
