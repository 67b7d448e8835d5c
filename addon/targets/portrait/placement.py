"""What was rendered of a portrait, put into the sequencer and onto its plane."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import bpy
from mouthpiece.errors import AudioError

from ... import compat
from ...sound import soundtrack, timeline
from ...sound.decoder import unspeakable
from . import lines as portrait_lines
from .film_encoder import add_frames

if TYPE_CHECKING:
    from mouthpiece.portrait.film_job import PortraitMade

#: Custom property of a strip: the portrait it shows.
_MARK: Final = "mouthpiece_portrait"


def place(obj: bpy.types.Object, context: bpy.types.Context, done: PortraitMade, first: int, last: int) -> list[str]:
    """Show what was rendered where the portrait's settings want it, and return remarks."""
    settings, remarks = obj.mouthpiece_portrait, []
    settings.first, settings.last = first, last
    if settings.sequencer:
        remarks += sequence(obj, compat.sequencer_scene(context), done, first)
    if settings.plane:
        settings.rendered = image_of(obj, done, first)
        settings.shown = "FRAMES"
    return remarks


def image_of(obj: bpy.types.Object, done: PortraitMade, first: int) -> bpy.types.Image:
    """Return the image that plays what was rendered, the one used before if there is one."""
    source = _file(done)
    image = obj.mouthpiece_portrait.rendered
    if image is None or image.library is not None:
        image = bpy.data.images.load(str(source))
        image.name = f"{obj.name} Rendered"
    image.filepath = timeline.stored(str(source))
    image.source = "SEQUENCE" if done.path.is_dir() else "MOVIE"
    image.reload()
    return image


def sequence(obj: bpy.types.Object, scene: bpy.types.Scene, done: PortraitMade, first: int) -> list[str]:
    """Put what was rendered into a sequencer, in place of what was there of it, and its sounds where missing."""
    strips = compat.strips_of(scene.sequence_editor_create())
    old = [strip for strip in strips if strip.get(_MARK) == obj.name]
    channel = min((strip.channel for strip in old), default=0)
    for strip in old:
        strips.remove(strip)
    remarks = _sounds(obj, scene)
    if done.path.is_dir():
        if words := unspeakable(str(done.path)):
            return [*remarks, f"The frames are not in the sequencer: it cannot show '{done.path}': {words}."]
        channel = channel or timeline.free_channel(scene)
        added = add_frames(strips, obj.name, tuple(map(str, done.files)), channel, first)
        for strip in added:
            strip.directory = timeline.stored(str(done.path)) + "/"
    else:
        channel, film = channel or timeline.free_channel(scene), timeline.stored(str(done.path))
        added = [strips.new_movie(obj.name, film, channel, first, fit_method="FIT")]
    for strip in added:
        strip[_MARK] = obj.name
    return remarks


def _sounds(obj: bpy.types.Object, scene: bpy.types.Scene) -> list[str]:
    """Put the sounds of a portrait's lines into a sequencer where they are not heard already; return remarks."""
    missing = [line for line in portrait_lines.spoken(obj) if not line.sound.startswith("strip:")]
    heard, remarks = soundtrack.heard(missing, scene)
    for track in heard:
        path, origin = track.recording.path, track.recording.placement.origin
        if timeline.strip_at(scene, path, origin) is not None:
            continue
        try:
            strip = timeline.add(scene, track.recording, path, origin)
        except AudioError as error:
            remarks.append(str(error))
        else:
            strip[_MARK] = f"{obj.name}: {track.recording.identity}"
    return remarks


def _file(done: PortraitMade) -> Path:
    return done.files[0] if done.path.is_dir() else done.path
