"""A portrait's settings into a rendering, everything checked before anything is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bpy

from ... import preferences
from ...sound import recordings, soundtrack
from ..picture_rig import settings as picture_settings
from . import film_encoder, playback
from . import lines as portrait_lines
from . import settings as portrait_settings
from .frames import FrameFolder, first_number
from .render import Rendering, fingerprint

if TYPE_CHECKING:
    from mouthpiece.performance import Performance
    from mouthpiece.portrait.consent import Consent
    from mouthpiece.portrait.draw.generator import Generator
    from mouthpiece.provenance.credentials import Seal
    from mouthpiece.provenance.facts import Facts


#: Endings of films that can carry the record of what they are.
FILMS: Final = (".mp4", ".m4v", ".mov")


def disabled_reason(context: bpy.types.Context) -> str:
    """Return why the active portrait cannot be rendered now; empty if it can. Cheap: panels ask."""
    from mouthpiece.errors import MouthpieceError

    obj = picture_settings.portrait_meant(context.active_object)
    if obj is None:
        return "Click a portrait, or make one with Add Portrait"
    if context.window_manager.mouthpiece.running:
        return "Something is under way"
    reason = portrait_settings.not_editable(obj)
    if reason:
        return reason
    if not portrait_lines.order(obj.data):
        return "Nothing is spoken yet: choose a sound and press Animate"
    try:
        portrait_settings.consent_of(obj)
        output_of(obj)
    except MouthpieceError as error:
        return str(error)
    return ""


@dataclass(frozen=True, slots=True)
class Output:
    """Where frames go, what they are called, and the film that is made of them, if any."""

    folder: Path
    name: str
    film: Path | None


def output_of(obj: bpy.types.Object) -> Output:
    """Return where what is rendered goes; PictureError if the place makes no sense."""
    from mouthpiece.errors import PictureError
    from mouthpiece.provenance.sequences import Numbering

    settings = obj.mouthpiece_portrait
    text = settings.output.strip()
    if not text:
        raise PictureError("No place is chosen for what is rendered. Choose one under Output.")
    if text.startswith("//") and not bpy.data.filepath:
        raise PictureError(
            "Output begins with //, the folder of this file, which was never saved. Save it, or choose another folder."
        )
    path, name = Path(bpy.path.abspath(text)).absolute(), f"{bpy.path.clean_name(obj.name)}_####.png"
    if settings.media == "FRAMES":
        if "#" in path.name:
            named = Numbering.of(path)
            return Output(named.folder, named.name, None)
        return Output(path.with_suffix("") if path.suffix.lower() in (*FILMS, ".png") else path, name, None)
    if path.is_dir():
        raise PictureError(f"'{path}' is a folder. Name a film in it, such as {obj.name}.mp4.")
    if path.suffix.lower() not in FILMS:
        path = path.with_name(path.name + FILMS[0])
    return Output(path.with_name(f"{path.stem}_frames"), name, path)


def span_of(obj: bpy.types.Object, scene: bpy.types.Scene) -> tuple[int, int]:
    """Return the first and the last frame to be rendered."""
    from mouthpiece.errors import RigError

    if obj.mouthpiece_portrait.span == "SCENE":
        return scene.frame_start, scene.frame_end
    found = portrait_lines.span(obj)
    if found is None:
        raise RigError(f"'{obj.name}' has no line to speak. Choose a sound and press Animate first.")
    return found


def rendering_of(
    obj: bpy.types.Object, scene: bpy.types.Scene, replace_files: bool = False, signer: Signer | None = None
) -> tuple[Rendering, list[str]]:
    """Return what is to be rendered of a portrait, and remarks; a MouthpieceError says what is wrong.

    ``signer`` is what is signed with in place of what the preferences name.
    """
    settings = obj.mouthpiece_portrait
    consent = portrait_settings.consent_of(obj)
    output = output_of(obj)
    folder, film = output.folder, output.film
    first, last = span_of(obj, scene)
    performance = playback.performance_of(obj, scene, (first, last))
    longest = playback.longest_of(obj)
    portrait = playback.portrait_of(obj, longest)
    generator = portrait_settings.generator_of(obj)
    remarks: list[str] = []
    if film is not None and not film_encoder.can_encode():
        remarks.append(f"This Blender cannot write films: frames are in '{folder}'.")
        film = None
    remarks += _other_rates(obj, recordings.true_fps(scene))
    sounds: list[soundtrack.Heard] = []
    if film is not None:
        sounds, told = soundtrack.heard(portrait_lines.spoken(obj), scene)
        remarks += told
    picture = _file_of(picture_settings.picture_of(obj))
    facts = _facts(obj, consent, performance, generator, picture)
    facts = replace(facts, options={**facts.options, "fps": recordings.true_fps(scene), "frames": last - first + 1})
    sealing, told = sealing_of(facts, picture, signer or Signer(*preferences.signer(bpy.context)))
    remarks += told
    of = fingerprint(
        portrait, performance, longest, consent, facts.marked, facts.software, sealing.seal.signature,
        getattr(generator, "sha256", ""),
    )  # fmt: skip
    frames = FrameFolder(folder, output.name, first_number(first), last - first + 1, of)
    rendering = Rendering(
        portrait, performance, generator, longest, first, scene.render.fps, scene.render.fps_base, frames, film,
        tuple(sounds), sealing, bpy.app.binary_path, settings.keep_frames or film is None,
        replace_files, tuple(settings.background),
    )  # fmt: skip
    return rendering, remarks


def _other_rates(obj: bpy.types.Object, fps: float) -> list[str]:
    """Return a remark on each line that was animated at another frame rate: it would not last as long as its sound."""
    return [
        f"{line.label} was animated at {line.frames().fps:g} frames per second, the scene runs at {fps:g}. Animate it "
        "again, or its lips are off."
        for line in portrait_lines.spoken(obj)
        if abs(line.frames().fps - fps) > 1e-3
    ]


def _facts(
    obj: bpy.types.Object, consent: Consent, performance: Performance, generator: Generator | None, picture: Path | None
) -> Facts:
    """Return what is recorded of a portrait."""
    from mouthpiece.portrait.film_job import hash_of
    from mouthpiece.provenance.facts import COMPOSITE, Facts, file_sha256, now, of_take, software, source_type_of

    placed, moved = picture_settings.landmarks_of(obj), performance
    networks = dict(performance.models)
    if generator is not None:
        networks[generator.name or "portrait"] = generator.sha256
    lines = portrait_lines.spoken(obj)
    return Facts(
        consent,
        software(),
        now(),
        COMPOSITE if picture is None else source_type_of(picture),
        picture_sha256="" if picture is None else file_sha256(picture),
        sound_sha256=performance.audio_sha256 if len(lines) == 1 else "",
        networks={name: digest for name, digest in networks.items() if digest},
        options={
            "face_sha256": hash_of(placed.landmarks, placed.irises),
            "motion_sha256": hash_of(moved.landmarks, moved.arkit, moved.head, moved.gaze, moved.blink),
            "take": of_take(performance.options),
            "lines": [{"dials": dict(line.dials), "strength": line.targets[0]["strength"]} for line in lines],
        },
        marked=bool(obj.mouthpiece_portrait.mark),
    )


def _file_of(image: bpy.types.Image) -> Path | None:
    """Return the file of an image, if there is one and the image is as it is there."""
    if not image.filepath or image.packed_file is not None or image.is_dirty:
        return None
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    return path if path.is_file() else None


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
    from mouthpiece.provenance.credentials import Seal, library

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
