"""Content credentials (C2PA): a record signed, so that one can tell whether a picture or film was changed since.

The one place that knows the package ``c2pa-python``. Nothing here reaches the network, unless an authority for time
stamps is named.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import util
from pathlib import Path
from typing import Any, Final

from ..errors import PictureError
from . import records
from .certificates import Identity
from .facts import CERTIFIED, SELF_SIGNED, UNSIGNED, VOCABULARY, Facts

#: Label of our own assertion: the record.
ASSERTION: Final = "mouthpiece.provenance"
#: What is asked of the library: no network, and a look at every signature made.
SETTINGS: Final = {
    "version": 1,
    "verify": {"verify_after_sign": True, "verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}
#: First bytes of pictures -> their media type, for the ingredient.
_MEDIA: Final = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)
_NAMES: Final = {"linux": "libc2pa_c.so", "darwin": "libc2pa_c.dylib", "win32": "c2pa_c.dll"}


def library() -> Any:
    """Return the package ``c2pa``, its compiled part taken from beside it and from nowhere else.

    Raises
    ------
    PictureError
        If it is not installed, or cannot be loaded.
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
        # by itself the package would look for its compiled part in the current folder first, which may be anybody's
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
    return c2pa


@dataclass(frozen=True, slots=True)
class Seal:
    """How pictures and films are vouched for.

    Attributes
    ----------
    identity : Identity or None
        What is signed with; None leaves content credentials out, and the record says so.
    picture : Path or None
        File of the picture that was made to talk, named as an ingredient, without a copy of it.
    authority : str
        Address of an authority for time stamps, asked over the network at every signature; empty for none.
    """

    identity: Identity | None
    picture: Path | None = None
    authority: str = ""

    @property
    def signature(self) -> str:
        """How the record is vouched for, as in ``Facts.signature``."""
        if self.identity is None:
            return UNSIGNED
        return SELF_SIGNED if self.identity.self_made else CERTIFIED

    def put(self, path: Path, facts: Facts) -> Facts:
        """Put the record, and content credentials, into a picture or film in place; return the record as it is in it.

        The file is exchanged in one go: it is as it was, or carries everything.

        Raises
        ------
        PictureError
            If it is no PNG picture or MP4 film, damaged, cannot be written, or cannot be signed.
        """
        facts = replace(facts, signature=self.signature)
        if self.identity is None:
            return records.record(path, facts)
        beside = path.with_name(f".{path.name}.{os.getpid()}.seal")
        signed = path.with_name(f".{path.name}.{os.getpid()}.signed")
        try:
            whole = records.recorded(path, beside, facts)
            _sign(beside, signed, whole, self)
            signed.replace(path)
        except OSError as error:
            raise PictureError(f"'{path}' cannot be written: {error.strerror}. Choose another place.") from error
        finally:
            for extra in (beside, signed):
                with suppress(OSError):
                    extra.unlink()
        return whole


def _sign(source: Path, target: Path, facts: Facts, seal: Seal) -> None:
    c2pa, identity = library(), seal.identity
    assert identity is not None
    media = records.media_of(source)
    try:
        context = c2pa.Context.from_dict(SETTINGS)
        portrait = _ingredient_type(seal.picture)
        builder = c2pa.Builder(manifest_of(facts, media, has_portrait=bool(portrait)), context=context)
        if portrait and seal.picture is not None:
            ingredient = {"title": "Portrait", "relationship": "componentOf", "instance_id": "portrait"}
            with open(seal.picture, "rb") as stream:
                builder.add_ingredient(json.dumps(ingredient | {"label": "portrait"}), portrait, stream)
        info = c2pa.C2paSignerInfo(
            identity.algorithm, identity.certificates.encode(), identity.key.encode(), seal.authority or None
        )
        with c2pa.Signer.from_info(info) as signer, open(source, "rb") as stream, open(target, "w+b") as out:
            builder.sign(signer, media, stream, out)
    except c2pa.C2paError as error:
        advice = "" if identity.self_made else " Check that certificate and key belong together and may sign for C2PA."
        raise PictureError(f"The content credentials could not be signed ({error}).{advice}") from error


def manifest_of(facts: Facts, media: str, has_portrait: bool) -> dict[str, Any]:
    """Return what is to be signed: who made it, that and how it is synthetic, and the record."""
    name, _, version = facts.software.rpartition(" ")
    agent = {"name": name, "version": version}
    source = VOCABULARY + facts.source_type
    made = {"action": "c2pa.created", "when": facts.created, "digitalSourceType": source, "softwareAgent": agent}
    actions: list[dict[str, Any]] = [made]
    if has_portrait:
        actions.append({"action": "c2pa.placed", "parameters": {"ingredientIds": ["portrait"]}})
    # consent was given to this, not to whatever else could be learned from a face
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


def _ingredient_type(picture: Path | None) -> str:
    """Return the media type of a picture that can be an ingredient, else nothing."""
    if picture is None:
        return ""
    try:
        with open(picture, "rb") as stream:
            head = stream.read(16)
    except OSError:
        return ""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((media for start, media in _MEDIA if head.startswith(start)), "")
