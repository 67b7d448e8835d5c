"""What is recorded in every picture and film of a portrait that was made to talk."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from ..errors import PictureError, UnreadableError
from ..files.json_text import parsed_json
from ..portrait.consent import Consent
from .files import opened

#: Layout of the record this version writes and reads.
FORMAT: Final = 1
#: IPTC's vocabulary of where pictures come from.
VOCABULARY: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
#: A picture of any origin with parts made by trained networks: what a portrait that talks is.
COMPOSITE: Final = "compositeWithTrainedAlgorithmicMedia"
#: Made by trained networks altogether: a talking portrait whose picture says that of itself.
GENERATED: Final = "trainedAlgorithmicMedia"
#: How the record is vouched for.
SELF_SIGNED, CERTIFIED, UNSIGNED = "self-signed", "certificate", "left out"
SIGNATURES: Final = (SELF_SIGNED, CERTIFIED, UNSIGNED)
#: One sentence for people, in every field that ordinary programs show.
NOTICE: Final = "Synthetic: a still picture made to talk by a program. This was never recorded by a camera."
#: Networks that find a face. What is made does not depend on them otherwise: the face's points are recorded too.
FINDERS: Final = ("face_detector_128", "face_landmarks_478")
#: Deepest nesting of options, and the largest whole numbers (64 bits): other programs read no more.
_DEEPEST: Final = 32
_LARGEST: Final = 1 << 63
#: Characters that XML 1.0 has no way to write; those that JSON does not escape, which options and names are written in.
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NOT_JSON: Final = re.compile("[\ud800-\udfff\ufffe\uffff]")
#: Parts of a record as :meth:`Facts.as_dict` names them -> what they are called.
_PARTS: Final = {
    "software": "name of the program",
    "created": "moment of making",
    "digital_source_type": "source type",
    "consent.statement": "consent statement",
    "consent.by": "name of who consents",
    "networks": "name of a network",
    "frame": "frame's number",
}
#: Bytes of a picture file that are searched for what it says of itself.
_SEARCHED: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Facts:
    """The record of one picture or film.

    Attributes
    ----------
    consent : Consent
        Why the face may be made to talk.
    software : str
        Program and version.
    created : str
        Moment of making, ISO 8601, UTC, whole seconds.
    source_type : str
        Word of IPTC's vocabulary: :data:`COMPOSITE` or :data:`GENERATED`.
    picture_sha256, sound_sha256 : str
        SHA-256 of the picture's file, and of the sound as heard (see ``Performance.audio_sha256``); empty if unknown.
    networks : mapping of str to str
        Name of each network used and the SHA-256 of its file.
    options : mapping of str to JSON values
        What was asked for.
    marked : bool
        Whether a mark one can see was drawn into the frames.
    signature : str
        One of :data:`SIGNATURES`.
    frame : int or None
        Number of the frame, from 0, in a sequence of pictures.
    content_sha256 : str
        SHA-256 of the pixels' or film's own data as stored, without any record; filled in when the record is written.
    """

    consent: Consent
    software: str
    created: str
    source_type: str = COMPOSITE
    picture_sha256: str = ""
    sound_sha256: str = ""
    networks: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    marked: bool = False
    signature: str = UNSIGNED
    frame: int | None = None
    content_sha256: str = ""

    def __post_init__(self) -> None:
        """Bring the options into a form that is the same however they are written."""
        object.__setattr__(self, "options", _plain(dict(self.options)))

    def of_content(self, digest: str) -> Facts:
        """Return the facts of content with that SHA-256."""
        return replace(self, content_sha256=digest)

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        return {
            "format": FORMAT,
            "synthetic": True,
            "software": self.software,
            "created": self.created,
            "digital_source_type": VOCABULARY + self.source_type,
            "consent": self.consent.as_dict(),
            "picture_sha256": self.picture_sha256,
            "sound_sha256": self.sound_sha256,
            "networks": dict(self.networks),
            "options": dict(self.options),
            "visible_mark": self.marked,
            "signature": self.signature,
            "frame": self.frame,
            "content_sha256": self.content_sha256,
        }

    def check(self) -> None:
        """Refuse what could not be read back from a file.

        Raises
        ------
        PictureError
            If a text holds what XML cannot, or a number is not finite or of more than 64 bits; it names the part.
        """
        left: list[tuple[str, Any]] = list(self.as_dict().items())
        while left:
            name, value = left.pop()
            if isinstance(value, Mapping):
                left += [(f"{name}.{key}", text) for key, item in value.items() for text in (key, item)]
                continue
            wrong = _objection(value, _NOT_JSON if "." in name else _NOT_XML)
            if wrong:
                part = _PARTS.get(name) or _PARTS.get(name.partition(".")[0]) or f"option '{_shown(name)}'"
                raise PictureError(f"The {part} cannot be recorded: {wrong}. Change it.")

    def as_json(self) -> str:
        """Return the facts as one line of JSON."""
        return json.dumps(self.as_dict(), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_dict(cls, raw: Any) -> Facts:
        """Return what :meth:`as_dict` gave.

        Raises
        ------
        PictureError
            If it is not that, or from a newer version.
        """
        try:
            if int(raw["format"]) > FORMAT:
                raise PictureError("The record was written by a newer Mouthpiece. Update Mouthpiece to read it.")
            facts = cls(
                consent=Consent.from_dict(raw["consent"]),
                software=str(raw["software"]),
                created=str(raw["created"]),
                source_type=str(raw["digital_source_type"]).removeprefix(VOCABULARY),
                picture_sha256=_digest(raw["picture_sha256"]),
                sound_sha256=_digest(raw["sound_sha256"]),
                networks={str(name): _digest(digest) for name, digest in raw["networks"].items()},
                options=dict(raw["options"]),
                marked=bool(raw["visible_mark"]),
                signature=str(raw["signature"]),
                frame=_frame(raw["frame"]),
                content_sha256=_digest(raw["content_sha256"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PictureError(f"The record is incomplete or damaged ({error!r}).") from error
        return facts

    @classmethod
    def from_json(cls, text: str) -> Facts:
        """Return what :meth:`as_json` gave; errors as for :meth:`from_dict`."""
        try:
            raw = parsed_json(text)
        except UnreadableError as error:
            raise PictureError(f"The record is damaged: {error}.") from error
        return cls.from_dict(raw)


def _frame(value: Any) -> int | None:
    """Return the number of a frame; ValueError if it is none."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LARGEST:
        raise ValueError(f"'{str(value)[:40]}' is no number of a frame")
    return value


def _objection(value: Any, unwritten: re.Pattern[str]) -> str:
    """Return why a text, number or other single value of a record could not be read back; empty if it could."""
    if isinstance(value, str):
        found = unwritten.search(value)
        return f"it holds the character U+{ord(found[0]):04X}, which no file can keep" if found else ""
    if isinstance(value, int):
        return "" if -_LARGEST <= value < _LARGEST else "it is a whole number of more than 64 bits"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "it is no finite number"
    return "" if value is None else f"it is a {type(value).__name__}"


def _shown(name: str) -> str:
    """Return the name of an option without its beginning, for messages."""
    return _NOT_XML.sub("?", name).removeprefix("options.")[:80]


def _digest(value: Any) -> str:
    text = str(value)
    if text and not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError(f"'{text[:80]}' is no SHA-256")
    return text


def of_take(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a take's options without names of files and lines (what its manner came from, its place in a cast).

    A seed of more than 64 bits, as takes of version 0.4.0 may have, is a text.
    """
    options = {name: value for name, value in options.items() if name != "cast"}
    seed = options.get("seed")
    if isinstance(seed, int) and not 0 <= seed < _LARGEST:
        options = {**options, "seed": str(seed)}
    style = options.get("style")
    if isinstance(style, Mapping) and str(style.get("name", "")).startswith("from "):
        return {**options, "style": {**style, "name": "from another sound"}}
    return dict(options)


def _plain(value: Any, depth: int = 0) -> Any:
    """Return JSON values with fractions rounded, and lists as text: C2PA takes lists of numbers for bytes.

    Raises PictureError if they are nested too deep.
    """
    if depth > _DEEPEST:
        raise PictureError(f"The options cannot be recorded: they are nested more than {_DEEPEST} deep.")
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {str(name): _plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return ", ".join(str(_plain(item, depth + 1)) for item in value)
    return value


def now() -> str:
    """Return the present moment, ISO 8601, UTC, whole seconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: UP017  # as Python 3.11 and older know it


def software() -> str:
    """Return this program's name and version."""
    from .. import __version__

    return f"Mouthpiece {__version__}"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    PictureError
        If it cannot be read.
    """
    with opened(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def bytes_sha256(content: Any) -> str:
    """Return the SHA-256 of bytes, or of an array's."""
    return hashlib.sha256(memoryview(content).cast("B")).hexdigest()


def source_type_of(picture: Path) -> str:
    """Return what a talking portrait made of a picture file is: generated if that says so of itself, else composite.

    Raises
    ------
    PictureError
        If the file cannot be read.
    """
    with opened(picture) as stream:
        return source_type_in(stream.read(_SEARCHED))


def source_type_in(content: bytes) -> str:
    """Return what :func:`source_type_of` does, for the content of a file."""
    return GENERATED if (VOCABULARY + GENERATED).encode() in content[:_SEARCHED] else COMPOSITE
