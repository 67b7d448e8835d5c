"""What goes into every frame and film of a portrait: the record, content credentials, a mark one can see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mouthpiece.provenance.facts import Facts
    from mouthpiece.provenance.sealing import Seal


@dataclass(frozen=True, slots=True)
class Sealing:
    """How frames and films are recorded and vouched for. No bpy: a worker uses it."""

    facts: Facts
    seal: Seal

    def frame_bytes(self, frame: Any, index: int, is_for_film: bool) -> bytes:
        """Return a frame (H, W, 4) as a PNG file with its record, marked if that is wanted.

        It is signed, but not where a film is made of it: the film will be.
        """
        from mouthpiece.provenance.marks import marked

        seal = replace(self.seal, identity=None) if is_for_film else self.seal
        return seal.frame(marked(frame) if self.facts.marked else frame, replace(self.facts, frame=index))

    def film(self, path: Path) -> None:
        """Put the record into a finished film, and sign it."""
        self.seal.put(path, self.facts)


@dataclass(frozen=True, slots=True)
class Signer:
    """What is signed with: the user's certificate and private key (PEM), or both empty for one made on this computer.

    ``authority`` is asked for time stamps, over the network; ``signs`` off leaves content credentials out.
    """

    certificate: str = ""
    key: str = ""
    authority: str = ""
    signs: bool = True


def sealing_of(facts: Facts, picture: Path | None, signer: Signer) -> tuple[Sealing, list[str]]:
    """Return how what is recorded of a portrait is vouched for, and a remark if it cannot be.

    Raises PictureError if the user's own certificate cannot be used.
    """
    from mouthpiece.errors import PictureError
    from mouthpiece.provenance import certificates
    from mouthpiece.provenance.sealing import Seal, library

    if not signer.signs:
        return Sealing(facts, Seal(None, picture)), []
    try:
        library()
    except PictureError as error:
        if signer.certificate:
            raise
        return Sealing(facts, Seal(None, picture)), [f"Not signed with content credentials: {error}"]
    own = (Path(signer.certificate), Path(signer.key)) if signer.certificate else None
    identity = certificates.own_identity() if own is None else certificates.read_identity(*own)
    return Sealing(facts, Seal(identity, picture, signer.authority)), []
