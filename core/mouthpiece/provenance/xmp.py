"""Writes and reads XMP packets: XML that holds a record, with the fields that other programs look for.

A packet is written by a template with escaped values, so that wrapper, prefixes and line breaks are always the same. It
is read by ``xml.etree``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ..errors import PictureError
from .facts import NOTICE, VOCABULARY, Facts

#: Greatest size of a packet that is read, in bytes.
LARGEST: Final = 1_000_000
_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_EXT: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMP: Final = "http://ns.adobe.com/xap/1.0/"
_DC: Final = "http://purl.org/dc/elements/1.1/"
_OWN: Final = "urn:mouthpiece:provenance:1#"

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
    """

    source_type: str
    tool: str
    facts: Facts | None


def packet_of(facts: Facts) -> bytes:
    """Return the packet for a record, as UTF-8."""
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
    return _PACKET.format(rdf=_RDF, dc=_DC, xmp=_XMP, ext=_EXT, own=_OWN, **safe).encode("utf-8")


def read_packet(packet: bytes) -> Packet:
    """Return the contents of a packet.

    Raises
    ------
    PictureError
        If it is too large, is not XML, or holds a damaged record of Mouthpiece's.
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
    record = _property(root, _OWN, "Record")
    source = _property(root, _EXT, "DigitalSourceType")
    facts = Facts.from_json(record) if record else None
    return Packet(source.rsplit("/", 1)[-1], _property(root, _XMP, "CreatorTool"), facts)


def _property(root: ElementTree.Element, space: str, name: str) -> str:
    """Return the text of a simple property, written as an element or an attribute; empty if there is none."""
    tag = f"{{{space}}}{name}"
    for description in root.iter(f"{{{_RDF}}}Description"):
        if tag in description.attrib:
            return description.attrib[tag].strip()
        found = description.find(tag)
        if found is not None:
            return (found.text or found.get(f"{{{_RDF}}}resource") or "").strip()
    return ""
