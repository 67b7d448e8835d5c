"""A portrait's settings into a job of the core, everything checked before anything is done."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bpy
from mouthpiece.errors import MouthpieceError, PictureError, RigError
from mouthpiece.files.places import is_file, is_folder

from ... import jobs, preferences
from ...keys import kept_takes
from ...sound import decoder, recordings, soundtrack
from ..picture_rig import images
from ..picture_rig import settings as picture_settings
from . import film_encoder, playback
from . import lines as portrait_lines
from . import settings as portrait_settings
from .plane import first_number
from .render import Rendering

if TYPE_CHECKING:
    from mouthpiece.portrait.consent import Consent
    from mouthpiece.portrait.film_job import PortraitJob, PortraitOutput, PortraitPicture
    from mouthpiece.portrait.frame_motion import FrameMotion
    from mouthpiece.provenance.credentials import Seal
    from mouthpiece.provenance.sequences import Numbering

#: Endings of films that can carry the record of what they are.
FILMS: Final = (".mp4", ".m4v", ".mov")
#: Greatest denominator of ``fps_base``, which Blender keeps as a single float: 1001/1000 is near 1.0010000467.
_DENOMINATOR: Final = 5_000


def disabled_reason(context: bpy.types.Context) -> str:
    """Return why the active portrait cannot be rendered now; empty if it can. Cheap: panels ask."""
    obj = picture_settings.portrait_meant(context.active_object)
    if obj is None:
        return "Click a portrait, or make one with Add Portrait"
    if context.window_manager.mouthpiece.running:
        return jobs.BUSY
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
    """Where frames go, and the film that is made of them, if any."""

    frames: Numbering
    film: Path | None


def output_of(obj: bpy.types.Object) -> Output:
    """Return where what is rendered goes; PictureError if the place makes no sense. Cheap: panels ask."""
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
            return Output(Numbering.of(path), None)
        folder = path.with_suffix("") if path.suffix.lower() in (*FILMS, ".png") else path
        return Output(Numbering(folder, name), None)
    if is_folder(path):
        raise PictureError(f"'{path}' is a folder. Name a film in it, such as {obj.name}.mp4.")
    if path.suffix.lower() not in FILMS:
        path = path.with_name(path.name + FILMS[0])
    return Output(Numbering(path.with_name(f"{path.stem}_frames"), name), path)


def span_of(obj: bpy.types.Object, scene: bpy.types.Scene) -> tuple[int, int]:
    """Return the first and the last frame to be rendered."""
    if obj.mouthpiece_portrait.span == "SCENE":
        return scene.frame_start, scene.frame_end
    found = portrait_lines.span(obj)
    if found is None:
        raise RigError(f"'{obj.name}' has no line to speak. Choose a sound and press Animate first.")
    return found


@dataclass(frozen=True, slots=True)
class Signer:
    """What is signed with: the user's certificate and private key (PEM), or both empty for one made on this computer.

    ``authority`` is asked for time stamps, over the network; ``signs`` off leaves content credentials out.
    """

    certificate: str = ""
    key: str = ""
    authority: str = ""
    signs: bool = True


@dataclass(frozen=True, slots=True)
class RenderWish:
    """What a rendering is to be like beyond the portrait's settings.

    Attributes
    ----------
    replaces : bool
        Whether a film or frames that are there already may be replaced.
    signer : Signer or None
        What is signed with in place of what the preferences name.
    quality : int
        Of a film, 1 best to 51.
    frames : Numbering or None
        Where frames go in place of what Output comes to; they are numbered as always.
    sound : Recording or None
        What is heard in a film in place of the lines' sounds.
    finders : mapping of str to str
        Networks that found the face, and their SHA-256, for the record.
    remedy : str
        What can be done, besides choosing another place, where files are in the way; ``{it}`` stands for them.
    """

    replaces: bool = False
    signer: Signer | None = None
    quality: int = 16
    frames: Numbering | None = None
    sound: recordings.Recording | None = None
    finders: Mapping[str, str] = field(default_factory=dict)
    remedy: str = "replace what is there"


def rendering_of(
    obj: bpy.types.Object, scene: bpy.types.Scene, wish: RenderWish | None = None
) -> tuple[Rendering, list[str]]:
    """Return what is to be rendered of a portrait, and remarks; a MouthpieceError says what is wrong."""
    wish = wish or RenderWish()
    consent = portrait_settings.consent_of(obj)
    place = output_of(obj)
    if recordings.pace(scene) != 1.0:
        raise RigError(
            f"'{scene.name}' stretches time, which portraits cannot follow. Set Time Stretching (Output Properties) to "
            "the same number twice, and animate again."
        )
    first, last = span_of(obj, scene)
    motion = _motion(obj, scene, first, last)
    remarks: list[str] = []
    if place.film is not None and not film_encoder.can_encode():
        remarks.append(f"This Blender cannot write films: frames are in '{place.frames.folder}'.")
        place = replace(place, film=None)
    output = _output(obj, place, first, wish)
    remarks += _other_rates(obj, recordings.true_fps(scene))
    sounds, told = _sounds(obj, scene, first, last, wish) if output.film is not None else ((), [])
    picture = _picture(obj)
    seal, said = seal_of(picture.file, wish.signer or Signer(*preferences.signer(bpy.context)))
    job = _job(obj, (consent, motion, picture, seal, output), wish, sounds)
    if job.output.keeps_frames and not output.keeps_frames and output.frames is not None:
        remarks.append(f"Frames that version 0.4.0 began are gone on with, and stay: '{output.frames.folder}'.")
    if output.film is not None and (words := decoder.unspeakable(str(output.film))):
        raise PictureError(f"Blender cannot make the film '{output.film}': {words}, or choose another place.")
    if output.film is not None and min(job.size) < film_encoder.LEAST:
        raise PictureError(
            "Films of {} x {} pixels cannot be written: Blender's have {} on a side at least. Render it larger, or as "
            "frames.".format(*job.size, film_encoder.LEAST)
        )
    blender = bpy.app.binary_path
    rendering = Rendering(job, first, scene.render.fps, scene.render.fps_base, sounds, blender)
    return rendering, [*remarks, *told, *said]


def _motion(obj: bpy.types.Object, scene: bpy.types.Scene, first: int, last: int) -> FrameMotion:
    """Return what the face does on frames of the scene."""
    from mouthpiece.portrait.frame_motion import FrameMotion, LineFacts

    performance = playback.performance_of(obj, scene, (first, last))
    lines = []
    for line in portrait_lines.spoken(obj):
        take, strength = kept_takes.motion(line), line.targets[0].get("strength", 1.0)
        lines.append(LineFacts(take.options, line.dials, strength, take.audio_sha256))
    fps = scene.render.fps / Fraction(scene.render.fps_base).limit_denominator(_DENOMINATOR)
    return FrameMotion(performance, fps, last - first + 1, tuple(lines))


def _output(obj: bpy.types.Object, place: Output, first: int, wish: RenderWish) -> PortraitOutput:
    """Return where a portrait goes: its frames are those that stay, also where they are to be taken away."""
    from mouthpiece.portrait.film_job import PortraitOutput

    frames = replace(wish.frames or place.frames, first=first_number(first))
    keeps = obj.mouthpiece_portrait.keep_frames or place.film is None
    return PortraitOutput(place.film, frames, keeps, wish.replaces, wish.remedy)


def _sounds(
    obj: bpy.types.Object, scene: bpy.types.Scene, first: int, last: int, wish: RenderWish
) -> tuple[tuple[soundtrack.TrackSound, ...], list[str]]:
    """Return what is heard in a film, and remarks."""
    if wish.sound is not None:
        return (soundtrack.TrackSound(wish.sound, first, last),), []
    found, remarks = soundtrack.heard(portrait_lines.spoken(obj), scene)
    return tuple(found), remarks


def _picture(obj: bpy.types.Object) -> PortraitPicture:
    """Return the picture of a portrait, all of its pixels if they are not very many, and what is known of its file."""
    from mouthpiece.portrait.film_job import PortraitPicture
    from mouthpiece.provenance.facts import source_type_in

    image, placed = picture_settings.picture_of(obj), picture_settings.landmarks_of(obj)
    longest = images.WHOLE if max(image.size) <= images.WHOLE else playback.longest_of(obj)
    portrait, file = playback.portrait_of(obj, longest), _file_of(image)
    if file is not None:
        return PortraitPicture.of_file(portrait, placed, file)
    if image.packed_file is not None and not image.is_dirty:
        packed = bytes(image.packed_file.data)
        return PortraitPicture(
            portrait, placed, sha256=hashlib.sha256(packed).hexdigest(), source_type=source_type_in(packed)
        )
    return PortraitPicture(portrait, placed)


def _job(
    obj: bpy.types.Object,
    parts: tuple[Consent, FrameMotion, PortraitPicture, Seal, PortraitOutput],
    wish: RenderWish,
    sounds: tuple[soundtrack.TrackSound, ...],
) -> PortraitJob:
    """Return the job; where 0.4.0 began it, as that understood it."""
    from mouthpiece.portrait import begun_before
    from mouthpiece.portrait.film_job import PortraitJob

    settings, longest = obj.mouthpiece_portrait, playback.longest_of(obj)
    consent, motion, picture, seal, output = parts
    red, green, blue = (round(255 * level) for level in settings.background)
    job = PortraitJob(
        picture,
        motion,
        consent,
        portrait_settings.generator_of(obj),
        seal,
        output,
        longest=longest,
        marked=bool(settings.mark),
        background=(red, green, blue),
        quality=wish.quality,
        finders=wish.finders,
        inputs=_files_read(obj, sounds),
    )
    if begun_before.is_of_scene(output):
        job = begun_before.scene_job(job, playback.portrait_of(obj, longest))
    if job.recorded is not None:  # whether the frames were to be kept was not noted: they are
        return replace(job, output=replace(output, keeps_frames=True))
    return job if output.keeps_frames else replace(job, output=_unfinished(output))


def _unfinished(output: PortraitOutput) -> PortraitOutput:
    """Return an output whose frames are taken away once their film is there, in a folder where none are kept."""
    assert output.film is not None and output.frames is not None
    folder = output.film.with_name(f"{output.film.stem}_unfinished")
    return replace(output, frames=replace(output.frames, folder=folder))


def _files_read(obj: bpy.types.Object, sounds: tuple[soundtrack.TrackSound, ...]) -> tuple[Path, ...]:
    """Return the files of the sounds and of the picture, even if it was painted on since."""
    image = picture_settings.picture_of(obj)
    picture = bpy.path.abspath(image.filepath, library=image.library) if image.filepath else ""
    return tuple(Path(path) for path in (picture, *(track.recording.path for track in sounds)) if path)


def _other_rates(obj: bpy.types.Object, fps: float) -> list[str]:
    """Return a remark on each line that was animated at another frame rate: it would not last as long as its sound."""
    return [
        f"{line.label} was animated at {line.frames().fps:g} frames per second, the scene runs at {fps:g}. Animate it "
        "again, or its lips are off."
        for line in portrait_lines.spoken(obj)
        if abs(line.frames().fps - fps) > 1e-3
    ]


def _file_of(image: bpy.types.Image) -> Path | None:
    """Return the file of an image, if there is one and the image is as it is there."""
    if not image.filepath or image.packed_file is not None or image.is_dirty:
        return None
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    return path if is_file(path) else None


def seal_of(picture: Path | None, signer: Signer) -> tuple[Seal, list[str]]:
    """Return how what is made of a picture is vouched for, and a remark if it cannot be.

    Raises PictureError if the user's own certificate cannot be used.
    """
    from mouthpiece.provenance import certificates
    from mouthpiece.provenance.credentials import Seal, library

    if not signer.signs:
        return Seal(None, picture), []
    try:
        library()
    except PictureError as error:
        if signer.certificate:
            raise
        return Seal(None, picture), [f"Not signed with content credentials: {error}"]
    own = (Path(signer.certificate), Path(signer.key)) if signer.certificate else None
    identity = certificates.own_identity() if own is None else certificates.read_identity(*own)
    return Seal(identity, picture, signer.authority), []
