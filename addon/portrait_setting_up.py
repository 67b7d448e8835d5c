"""A portrait's settings into a rendering, everything checked before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bpy

from . import film_encoding, picture_settings, portrait_lines, portrait_playing, portrait_settings, soundtrack
from .portrait_frames import FrameFolder, first_number
from .portrait_rendering import Rendering, fingerprint
from .portrait_sealing import Sealing

if TYPE_CHECKING:
    from mouthpiece.performance import Performance

#: Endings of films that can carry the record of what they are.
FILMS: Final = (".mp4", ".mov")


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


def output_of(obj: bpy.types.Object) -> tuple[Path, Path | None]:
    """Return the folder of frames, and the film if one is made; PictureError if the place makes no sense."""
    from mouthpiece.errors import PictureError

    settings = obj.mouthpiece_portrait
    text = settings.output.strip()
    if not text:
        raise PictureError("No place is chosen for what is rendered. Choose one under Output.")
    if text.startswith("//") and not bpy.data.filepath:
        raise PictureError(
            "Output begins with //, the folder of this file, which was never saved. Save it, or choose another folder."
        )
    path = Path(bpy.path.abspath(text)).absolute()
    if settings.media == "FRAMES":
        return (path.with_suffix("") if path.suffix.lower() in (*FILMS, ".png") else path), None
    if path.is_dir():
        raise PictureError(f"'{path}' is a folder. Name a film in it, such as {obj.name}.mp4.")
    if path.suffix.lower() not in FILMS:
        path = path.with_name(path.name + FILMS[0])
    return path.with_name(f"{path.stem}_frames"), path


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
    obj: bpy.types.Object, scene: bpy.types.Scene, replace: bool = False, options: Mapping[str, Any] | None = None
) -> tuple[Rendering, list[str]]:
    """Return what is to be rendered of a portrait, and remarks; a MouthpieceError says what is wrong.

    ``options`` are recorded besides what is known here.
    """
    from mouthpiece.portrait.generator import shipped_generator

    settings = obj.mouthpiece_portrait
    consent = portrait_settings.consent_of(obj)
    folder, film = output_of(obj)
    first, last = span_of(obj, scene)
    performance = portrait_playing.performance_of(obj, scene, (first, last))
    longest = portrait_playing.longest_of(obj)
    portrait = portrait_playing.portrait_of(obj, longest)
    generator = shipped_generator()
    remarks: list[str] = []
    if film is not None and not film_encoding.can_encode():
        remarks.append(f"This Blender cannot write films: frames are in '{folder}'.")
        film = None
    sounds: list[soundtrack.Heard] = []
    if film is not None:
        sounds, told = soundtrack.heard(portrait_lines.spoken(obj), scene)
        remarks += told
    facts = _facts(obj, consent, performance, generator, dict(options or {}))
    of = fingerprint(
        portrait, performance, longest, consent, settings.mark, facts.software, getattr(generator, "sha256", "")
    )
    frames = FrameFolder(folder, bpy.path.clean_name(obj.name), first_number(first), last - first + 1, of)
    rendering = Rendering(
        portrait, performance, generator, longest, first, scene.render.fps, scene.render.fps_base, frames, film,
        tuple(sounds), Sealing(facts), bpy.app.binary_path, settings.keep_frames or film is None, replace,
    )  # fmt: skip
    return rendering, remarks


def _facts(
    obj: bpy.types.Object, consent: Any, performance: Performance, generator: Any, options: dict[str, Any]
) -> Any:
    """Return what is recorded of it."""
    from mouthpiece.provenance.facts import COMPOSITE, Facts, now, software, source_type_of

    picture = _file_of(picture_settings.picture_of(obj))
    networks = dict(performance.models)
    if generator is not None:
        networks[generator.name] = generator.sha256
    return Facts(
        consent,
        software(),
        now(),
        COMPOSITE if picture is None else source_type_of(picture),
        picture_sha256="" if picture is None else _hash(picture),
        sound_sha256=performance.audio_sha256 if "+" not in performance.audio_sha256 else "",
        networks=networks,
        options={**dict(performance.options), **options},
        marked=bool(obj.mouthpiece_portrait.mark),
    )


def _hash(path: Path) -> str:
    from mouthpiece.provenance.facts import file_sha256

    return file_sha256(path)


def _file_of(image: bpy.types.Image) -> Path | None:
    """Return the file of an image, if there is one and the image is as it is there."""
    if not image.filepath or image.packed_file is not None or image.is_dirty:
        return None
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    return path if path.is_file() else None
