"""Content credentials (C2PA): a signed record, which shows whether a picture or film was changed since signing.

Only this module knows the package ``c2pa-python``. It uses the network only if an authority for time stamps is given.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import util
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import PictureError
from ..files.drafts import draft_file
from ..files.writer import replacing
from . import records
from .certificates import Identity, require_cryptography
from .facts import CERTIFIED, SELF_SIGNED, UNSIGNED, VOCABULARY, Facts
from .png import recorded_frame

#: Label of Mouthpiece's own assertion, which holds the record.
ASSERTION: Final = "mouthpiece.provenance"
#: Label of the ingredient that is the portrait.
INGREDIENT: Final = "portrait"
#: Settings of the library: no network, and a check of every new signature.
SETTINGS: Final = {
    "version": 1,
    "verify": {"verify_after_sign": True, "verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}
#: First bytes of a picture file and its media type, for the ingredient.
_MEDIA: Final = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)
#: How a certificate begins in DER: a sequence whose length has two bytes; in it another, of what is certified.
_CERTIFICATE: Final = b"\x30\x82"
#: Most digits of a certificate's serial number, which has 20 bytes at most.
_LONGEST_SERIAL: Final = 50
_NAMES: Final = {"linux": "libc2pa_c.so", "darwin": "libc2pa_c.dylib", "win32": "c2pa_c.dll"}


def library(signs: bool = True) -> Any:
    """Return the package ``c2pa``, with its compiled part loaded from its own folder only.

    Parameters
    ----------
    signs
        Whether it is used to sign, which needs the package ``cryptography`` as well.

    Raises
    ------
    PictureError
        If one of the two packages is not installed or cannot be loaded.
    """
    found = util.find_spec("c2pa")
    if found is None or found.origin is None:
        raise PictureError(
            "Content credentials need the package 'c2pa-python': python -m pip install 'mouthpiece[portrait]'. To go "
            "without them, which the record then says: --no-credentials."
        )
    name = "C2PA_LIBRARY_NAME"
    beside = Path(found.origin).parent / "libs" / _NAMES.get(sys.platform, "")
    before = os.environ.get(name)
    if "c2pa" not in sys.modules and before is None and beside.is_file():
        # the package would look for its compiled part in the current folder first, where anybody may have put a file
        os.environ[name] = str(beside)
    try:
        import c2pa
    except (ImportError, OSError, RuntimeError) as error:
        raise PictureError(
            f"The package 'c2pa-python' does not work here ({error}). Install it again, or leave content credentials "
            "out, which the record then says: --no-credentials."
        ) from error
    finally:
        if before is None:
            os.environ.pop(name, None)
    if signs:
        require_cryptography()
    return c2pa


@dataclass(frozen=True, slots=True)
class Seal:
    """Writes records, signed or not, into pictures and films.

    Attributes
    ----------
    identity : Identity or None
        The signer; None leaves content credentials out, and the record says so.
    picture : Path or None
        File of the portrait's picture, which is named as an ingredient but not copied into the result.
    authority : str
        Address of an authority for time stamps, which every signature asks over the network; empty for none.
    """

    identity: Identity | None
    picture: Path | None = None
    authority: str = ""

    @property
    def signature(self) -> str:
        """Kind of signature of the record, as in ``Facts.signature``."""
        if self.identity is None:
            return UNSIGNED
        return SELF_SIGNED if self.identity.self_made else CERTIFIED

    def put(self, path: Path, facts: Facts, place: Path | None = None) -> Facts:
        """Write the record and content credentials into a picture or film, in place; return the record as written.

        The file is replaced in one step: it is either unchanged or holds everything. ``place`` is where it is moved to
        afterwards, for messages.

        Raises
        ------
        PictureError
            If it is not a PNG picture or MP4 film, is damaged, cannot be written, or cannot be signed.
        """
        facts = replace(facts, signature=self.signature)
        if self.identity is None:
            return records.record(path, facts, place)
        try:
            with replacing(path) as signed, draft_file(signed.parent, path.suffix, 0o600) as plain:
                whole = records.recorded(path, plain, facts)
                with open(plain, "rb") as source, open(signed, "w+b") as target:
                    _sign(source, target, records.media_of(plain), whole, self)
        except OSError as error:
            what = f"'{place or path}' cannot be written: {error.strerror or error}"
            raise PictureError(f"{what}. Choose another place.") from error
        return whole

    def try_out(self, facts: Facts) -> None:
        """Seal a tiny picture and read it back, so that nothing is rendered which could not be sealed afterwards.

        Raises
        ------
        PictureError
            If something of the record could not be read back, or cannot be signed.
        """
        sealed = io.BytesIO(self.frame(np.zeros((1, 1, 3), np.uint8), facts))
        if self.identity is None:
            return
        with library().Reader("image/png", sealed) as reader:
            store = json.loads(reader.json())
        rows = store["manifests"][store["active_manifest"]]["assertions"]
        said = next(row["data"] for row in rows if row["label"] == ASSERTION)
        wanted = replace(facts, signature=self.signature)
        if replace(Facts.from_dict(said), content_sha256="") != replace(wanted, content_sha256=""):
            raise PictureError("The record would not be read back from the content credentials as it is.")

    def frame(self, frame: NDArray[np.uint8], facts: Facts) -> bytes:
        """Return a frame (H, W, 3 or 4) as the bytes of a PNG file with record and content credentials.

        Raises
        ------
        PictureError
            If it cannot be signed.
        """
        facts = replace(facts, signature=self.signature)
        plain, whole = recorded_frame(frame, facts)
        if self.identity is None:
            return plain
        result = io.BytesIO()
        _sign(io.BytesIO(plain), result, "image/png", whole, self)
        return result.getvalue()


def _sign(source: BinaryIO, target: BinaryIO, media: str, facts: Facts, seal: Seal) -> None:
    """Copy a picture or film that holds a record, and add content credentials to the copy."""
    c2pa, identity = library(), seal.identity
    assert identity is not None
    try:
        context = c2pa.Context.from_dict(SETTINGS)
        portrait = b"" if seal.picture is None else _ingredient(seal.picture)
        builder = c2pa.Builder(manifest_of(facts, media, has_portrait=bool(portrait)), context=context)
        if portrait:
            builder.add_ingredient_from_archive(io.BytesIO(portrait))
        info = c2pa.C2paSignerInfo(
            identity.algorithm, identity.certificates.encode(), identity.key.encode(), seal.authority or None
        )
        with c2pa.Signer.from_info(info) as signer:
            builder.sign(signer, media, source, target)
    except c2pa.C2paError as error:
        raise PictureError(
            f"The content credentials could not be signed ({error}).{_advice(seal, str(error))}"
        ) from error


def _advice(seal: Seal, error: str) -> str:
    """Return an error of signing as a sentence, with what the user can do about it."""
    if seal.authority and "http" in error:
        return f" The authority for time stamps, '{seal.authority}', did not answer. Check its address, or do without."
    if seal.identity is not None and not seal.identity.self_made:
        return " Check that certificate and key belong together and may sign for C2PA."
    return ""


def _ingredient(picture: Path) -> bytes:
    """Return a picture's file as an ingredient in the library's format, or no bytes if it cannot be one."""
    try:
        state = picture.stat()
        with open(picture, "rb") as stream:
            media = _media_type(stream.read(16))
    except OSError:
        return b""
    return _prepared(picture, media, state.st_mtime_ns, state.st_size) if media else b""


@lru_cache(maxsize=4)
def _prepared(picture: Path, media: str, *_state: int) -> bytes:
    """Return an ingredient in the library's format; cached, so that a picture is not read again for every frame."""
    c2pa = library()
    portrait = {"title": "Portrait", "relationship": "componentOf", "instance_id": INGREDIENT, "label": INGREDIENT}
    result = io.BytesIO()
    try:
        builder = c2pa.Builder({}, context=c2pa.Context.from_dict(SETTINGS))
        with open(picture, "rb") as stream:
            builder.add_ingredient(json.dumps(portrait), media, stream)
        builder.write_ingredient_archive(INGREDIENT, result)
    except (c2pa.C2paError, OSError):
        return b""  # the record still names the picture by its hash
    return result.getvalue()


def manifest_of(facts: Facts, media: str, has_portrait: bool) -> dict[str, Any]:
    """Return the manifest to sign: the program, that and how the content is synthetic, and the record."""
    name, _, version = facts.software.rpartition(" ")
    agent = {"name": name, "version": version}
    source = VOCABULARY + facts.source_type
    made = {"action": "c2pa.created", "when": facts.created, "digitalSourceType": source, "softwareAgent": agent}
    actions: list[dict[str, Any]] = [made]
    if has_portrait:
        actions.append({"action": "c2pa.placed", "parameters": {"ingredientIds": [INGREDIENT]}})
    # the person consented to this result, not to training or data mining on their face
    kept = {f"cawg.{use}": {"use": "notAllowed"} for use in ("ai_training", "ai_generative_training", "data_mining")}
    return {
        "claim_generator_info": [agent],
        "title": "Synthetic portrait",
        "format": media,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            {"label": "cawg.training-mining", "data": {"entries": kept}},
            {"label": ASSERTION, "data": facts.as_dict()},
        ],
    }


def signer_certificate(content: bytes, serial: str) -> str:
    """Return the SHA-256 of the certificate with a serial number in content credentials; empty if it is not found.

    Names and serial number can be copied into another certificate; its hash cannot. Where several certificates have
    that number, the hash is of all of them.
    """
    if not serial.isdecimal() or len(serial) > _LONGEST_SERIAL:
        return ""
    number = int(serial)
    wanted = number.to_bytes(number.bit_length() // 8 + 1, "big")
    found, place = set[bytes](), content.find(_CERTIFICATE)
    while place >= 0:
        end = place + 4 + int.from_bytes(content[place + 2 : place + 4], "big")
        # its number comes first in it, behind the version
        is_outer = content[place + 4 : place + 5] == _CERTIFICATE[:1]
        if is_outer and bytes([2, len(wanted)]) + wanted in content[place : place + 60]:
            found.add(hashlib.sha256(content[place:end]).digest())
        place = content.find(_CERTIFICATE, place + 1)
    if len(found) == 1:
        return found.pop().hex()
    return hashlib.sha256(b"".join(sorted(found))).hexdigest() if found else ""


def _media_type(head: bytes) -> str:
    """Return the media type of a picture by its first bytes, or an empty text if it cannot be an ingredient."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((media for start, media in _MEDIA if head.startswith(start)), "")
