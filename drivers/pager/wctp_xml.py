"""XML from outside, made harmless: a tree of elements within hard limits. Nothing is fetched, nothing is expanded.

A DOCTYPE is tolerated, since real messages carry one; declarations inside it are refused, whatever they declare. The
text is decoded here and given to expat as a stand-alone document, so that a reference to an undefined entity is an
error everywhere (XML 1.0 §4.1); expat would leave it out of a value in silence where a DTD could have defined it.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from drivers.errors import DataError

MAX_OCTETS = 1_048_576  # of a document; a batch of a hundred messages is a tenth of it
MAX_ELEMENTS = 20_000
MAX_DEPTH = 16  # the deepest of WCTP is eight
MAX_ATTRIBUTES = 64
MAX_TEXT = 262_144  # characters of one element and its attributes

_DECLARATION = re.compile(r"<\?xml\s[^>]{0,200}?\?>")
_ENCODING = re.compile(rb"<\?xml\s[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z][A-Za-z0-9._-]{0,39})[\"']")
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_UNMARKED = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))  # UTF-16 without a byte order mark (XML 1.0 appendix F)
_CODECS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
}


@dataclass(slots=True)
class Element:
    """One element. `text` is what stands directly in it, its children's left out."""

    name: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def first(self, name: str) -> Element | None:
        """Return the first child called `name`."""
        return next((child for child in self.children if child.name == name), None)

    def write(self) -> str:
        """Return it as XML again, for whoever looks into a message that could not be used."""
        attributes = "".join(f" {name}={quoteattr(value)}" for name, value in self.attributes.items())
        inner = escape(self.text) + "".join(child.write() for child in self.children)
        return f"<{self.name}{attributes}>{inner}</{self.name}>" if inner else f"<{self.name}{attributes}/>"


def parse_xml(octets: bytes, *, most: int = MAX_OCTETS) -> Element:
    """Return the root element. Raises `DataError` for what is no XML, is too much of it, or declares anything."""
    if len(octets) > most:
        raise DataError(f"{len(octets):,} octets of XML are more than the {most:,} that are taken")
    text = _decoded(octets).lstrip("\ufeff \t\r\n")  # what stands before a declaration is wrong, and harmless
    declared = _DECLARATION.match(text)
    builder = _Builder()
    try:
        builder.parse(text[declared.end() :] if declared else text)
    except expat.ExpatError as error:
        what = expat.errors.messages.get(error.code, str(error))
        raise DataError(f"not XML: {what}, line {error.lineno}, column {error.offset + 1}") from error
    return builder.root()


def _decoded(octets: bytes) -> str:
    """Decode by the byte order mark, else by the declaration, else as UTF-8 (XML 1.0 §4.3.3)."""
    name = next((codec for mark, codec in (*_BOMS, *_UNMARKED) if octets.startswith(mark)), None)
    if name is None:
        found = _ENCODING.match(octets.lstrip())
        declared = found[1].decode("ascii").lower() if found else "utf-8"
        name = _CODECS.get(declared)
        if name is None:
            raise DataError(f"XML in the encoding {declared!r} is not read", advice="UTF-8, UTF-16 and Latin-1 are")
    try:
        return octets.decode(name)
    except UnicodeDecodeError as error:
        raise DataError(f"not XML in {name}: {error.reason} at octet {error.start}") from error


class _Builder:
    """Takes what expat finds, and stops it at the limits."""

    def __init__(self) -> None:
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.specified_attributes = True
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._refuse
        parser.ExternalEntityRefHandler = self._fetch_nothing
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        self._root: Element | None = None
        self._open: list[Element] = []
        self._pieces: list[list[str]] = []
        self._sizes: list[int] = []
        self._count = 0

    def parse(self, text: str) -> None:
        self._parser.Parse(b'<?xml version="1.0" standalone="yes"?>', False)
        self._parser.Parse(text.encode(), True)

    def root(self) -> Element:
        if self._root is None:
            raise DataError("not XML: there is no element in it")
        return self._root

    def _doctype(self, _name: str, _system: str | None, _public: str | None, has_subset: bool | int) -> None:
        if has_subset:
            self._refuse()

    def _refuse(self, *_what: object) -> None:
        raise DataError("the XML has declarations of its own in its DOCTYPE, which are refused")

    def _fetch_nothing(self, *_what: object) -> int:
        self._refuse()
        return 0

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH or len(attributes) > MAX_ATTRIBUTES:
            raise DataError(f"the XML has too many elements or attributes, or too many in each other, at {name[:40]!r}")
        element = Element(name, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)
        self._pieces.append([])
        self._sizes.append(0)
        self._grow(sum(map(len, attributes.values())))

    def _end(self, _name: str) -> None:
        self._open.pop().text = "".join(self._pieces.pop())
        self._sizes.pop()

    def _text(self, text: str) -> None:
        self._grow(len(text))
        self._pieces[-1].append(text)

    def _grow(self, characters: int) -> None:
        self._sizes[-1] += characters
        if self._sizes[-1] > MAX_TEXT:
            raise DataError(f"the XML has more than {MAX_TEXT:,} characters in one element")
