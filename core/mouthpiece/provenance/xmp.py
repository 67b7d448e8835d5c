"""Writes and reads XMP packets: XML that holds a record, with the fields that other programs look for.

A packet is written by a template with escaped values, so that wrapper, prefixes and line breaks are always the same. It
is read by ``xml.etree``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ..errors import PictureError
from .facts import NOTICE, VOCABULARY, Facts

#: Greatest size of a packet that is read, in bytes.
LARGEST: Final = 1_000_000
#: Bytes that files need besides the packet, and frames for what differs from one to the next.
_MARGIN: Final = 1_000
_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_EXT: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMP: Final = "http://ns.adobe.com/xap/1.0/"
_DC: Final = "http://purl.org/dc/elements/1.1/"
_OWN: Final = "urn:mouthpiece:provenance:1#"

#: Fields that repeat what the record says, their vocabularies, and what they speak of.
_FIELDS: Final = {
    "DigitalSourceType": (_EXT, "the kind of picture"),
    "AISystemUsed": (_EXT, "the program"),
    "AISystemVersionUsed": (_EXT, "the program's version"),
    "CreatorTool": (_XMP, "the program"),
    "CreateDate": (_XMP, "the moment of making"),
    "description": (_DC, "the consent"),
}

_PACKET: Final = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="{software}">
 <rdf:RDF xmlns:rdf="{rdf}">
  <rdf:Description rdf:about="" xmlns:dc="{dc}" xmlns:xmp="{xmp}" xmlns:Iptc4xmpExt="{ext}" xmlns:mouthpiece="{own}">
   <Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>
   <Iptc4xmpExt:AISystemUsed>{name}</Iptc4xmpExt:AISystemUsed>
   <Iptc4xmpExt:AISystemVersionUsed>{version}</Iptc4xmpExt:AISystemVersionUsed>
   <xmp:CreatorTool>{software}</xmp:CreatorTool>
   <xmp:CreateDate>{created}</xmp:CreateDate>
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{notice} Consent: {consent}</rdf:li></rdf:Alt></dc:description>
   <mouthpiece:Record>{record}</mouthpiece:Record>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


@dataclass(frozen=True, slots=True)
class Packet:
    """Contents of an XMP packet by any program.

    Attributes
    ----------
    source_type : str
        Word of IPTC's vocabulary, or whatever text the field holds; empty for none.
    tool : str
        Program that made the picture or film; empty if none is named.
    facts : Facts or None
        Mouthpiece's own record, if there is one.
    problems : tuple of str
        Sentences about fields that say other than the record does.
    """

    source_type: str
    tool: str
    facts: Facts | None
    problems: tuple[str, ...] = ()


def packet_of(facts: Facts) -> bytes:
    """Return the packet for a record, as UTF-8. What is read of it is the record, to the letter.

    Raises
    ------
    PictureError
        If the record could not be read back: a text that XML cannot hold, a number that is not finite, too much of it.
    """
    facts.check()
    name, _, version = facts.software.rpartition(" ")
    words = {
        "source": VOCABULARY + facts.source_type,
        "name": name or version,
        "version": version,
        "software": facts.software,
        "created": facts.created,
        "notice": NOTICE,
        "consent": str(facts.consent),
        "record": facts.as_json(),
    }
    safe = {key: escape(value, {'"': "&quot;"}) for key, value in words.items()}
    packet = _PACKET.format(rdf=_RDF, dc=_DC, xmp=_XMP, ext=_EXT, own=_OWN, **safe).encode("utf-8")
    if len(packet) > LARGEST - _MARGIN:
        raise PictureError(
            f"The record cannot be written: it has {len(packet):,} bytes, of which files hold {LARGEST - _MARGIN:,}. "
            "Take something out of the options of the take."
        )
    if read_packet(packet).facts != facts:
        raise PictureError("The record cannot be written: it would not be read back as it is.")
    return packet


def read_packet(packet: bytes) -> Packet:
    """Return the contents of a packet.

    Raises
    ------
    PictureError
        If it is too large, is not XML, or holds a damaged record of Mouthpiece's, or two.
    """
    if len(packet) > LARGEST:
        raise PictureError(f"The metadata is larger than {LARGEST:,} bytes and was not read.")
    if b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        raise PictureError("The metadata declares entities, which XMP never does; it was not read.")
    try:
        # declarations of entities, the one danger of this parser, were refused above
        root = ElementTree.fromstring(packet.decode("utf-8").strip("\ufeff\x00 \r\n"))  # noqa: S314
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError) as error:
        raise PictureError(f"The metadata is damaged: it is no XML ({error}).") from error
    said = {name: _properties(root, space, name) for name, (space, _) in _FIELDS.items()}
    records = _properties(root, _OWN, "Record")
    if len(records) > 1:
        raise PictureError("The metadata holds two records, so that programs may read either.")
    facts = Facts.from_json(records[0]) if records and records[0] else None
    source = next(iter(said["DigitalSourceType"]), "").rsplit("/", 1)[-1]
    problems = () if facts is None else tuple(_contradictions(facts, said))
    return Packet(source, next(iter(said["CreatorTool"]), ""), facts, problems)


def _contradictions(facts: Facts, said: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield a sentence for each field that does not say what the record does; fields that are not there say nothing."""
    name, _, version = facts.software.rpartition(" ")
    wanted = {
        "DigitalSourceType": VOCABULARY + facts.source_type,
        "CreatorTool": facts.software,
        "CreateDate": facts.created,
        "AISystemUsed": name or version,
        "AISystemVersionUsed": version,
        "description": facts.consent.statement,
    }
    if not said["DigitalSourceType"]:
        yield "The metadata does not say of what kind the picture is, as its record does: it was changed since."
    for field, text in wanted.items():
        plain, found = " ".join(text.split()), [" ".join(item.split()) for item in said[field]]
        # a description holds the statement among other words
        if any(plain not in item if field == "description" else plain != item for item in found):
            yield f"The metadata says something else of {_FIELDS[field][1]} than its record: it was changed since."


def _properties(root: ElementTree.Element, space: str, name: str) -> list[str]:
    """Return the texts of a property, written as elements, attributes or lists of texts."""
    tag, resource = f"{{{space}}}{name}", f"{{{_RDF}}}resource"
    found = []
    for description in root.iter(f"{{{_RDF}}}Description"):
        found += [description.attrib[tag]] if tag in description.attrib else []
        for element in description.findall(tag):
            items = list(element.iter(f"{{{_RDF}}}li"))
            found += [item.text or "" for item in items] or [element.text or element.get(resource) or ""]
    return [text.strip() for text in found]
