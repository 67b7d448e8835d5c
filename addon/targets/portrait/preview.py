"""The frame of a portrait at the playhead, on its plane and in any Image editor: at once, or whenever it changes."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, Final

import bpy
from bpy.app.handlers import persistent
from mouthpiece.errors import MouthpieceError, PictureError

from ... import compat, previews
from ..picture_rig import settings as picture_settings
from . import lines as portrait_lines
from . import plane, playback

#: Portraits whose preview is out of date, by name; drawn when Blender next has a moment.
_waiting: Final[set[str]] = set()
#: Whether frames of a scene are being rendered: nothing of the scene may be changed then.
_rendering: Final = [False]


def preview(obj: bpy.types.Object, scene: bpy.types.Scene) -> bpy.types.Image:
    """Show the frame at the playhead on the portrait's plane and return its image; a MouthpieceError says why not."""
    frame = playback.frame_at(obj, scene, scene.frame_current)
    settings = obj.mouthpiece_portrait
    settings.preview = _image(obj, frame, settings.preview)
    settings.shown = "PREVIEW"
    return settings.preview


def _image(obj: bpy.types.Object, frame: Any, image: bpy.types.Image | None) -> bpy.types.Image:
    """Return an image of a frame, in a file of this session's: an image without one would ask to be saved."""
    from mouthpiece.provenance.png import encoded

    number = zlib.crc32(obj.name_full.encode())  # names that differ in signs only are one in file names
    place = Path(bpy.app.tempdir) / f"{bpy.path.clean_name(obj.name_full)}_{number:08x}.png"
    try:
        place.write_bytes(encoded(frame, level=0))
    except OSError as error:
        raise PictureError(f"The preview cannot be written to '{place}': {error.strerror}.") from error
    if image is None or image.library is not None:
        image = bpy.data.images.load(str(place))
        image.name = f"{obj.name} Preview"
        return image
    if image.filepath != str(place):
        image.filepath = str(place)
    image.reload()
    return image


def changed(obj: bpy.types.Object) -> None:
    """Have the preview of a portrait drawn again if it follows: soon, so that many changes cost one drawing.

    Without a user interface there is no soon, and what is about to change is not yet: call it when all is done.
    """
    if not (picture_settings.is_portrait(obj) and obj.mouthpiece_portrait.follow) or _rendering[0]:
        return
    _waiting.add(obj.name)
    if bpy.app.background:
        _draw_waiting()
    elif not bpy.app.timers.is_registered(_draw_waiting):
        bpy.app.timers.register(_draw_waiting, first_interval=0.01)


def _draw_waiting() -> None:
    """Draw what waits, in the scene that is open; nothing is drawn where a portrait has nothing to say."""
    names = list(_waiting)
    _waiting.clear()
    scene, state = bpy.context.scene, bpy.context.window_manager.mouthpiece
    for name in names:
        obj = scene.objects.get(name)
        if obj is None or not picture_settings.is_portrait(obj) or not portrait_lines.order(obj.data):
            continue
        try:
            preview(obj, scene)
        except MouthpieceError as error:
            obj.mouthpiece_portrait.follow = False
            state.remarks = str(error)
    compat.redraw_images(bpy.context)


@persistent
def _moved(scene: bpy.types.Scene, *_: Any) -> None:
    """Follow the playhead, but not while it plays: frames would come late."""
    screen = bpy.context.screen
    if screen is not None and screen.is_animation_playing:
        return
    for obj in scene.objects:
        if obj.type == "MESH" and obj.mouthpiece_portrait.follow:
            changed(obj)


@persistent
def _stopped(scene: bpy.types.Scene, *_: Any) -> None:
    """Catch up when playback ends."""
    for obj in scene.objects:
        if obj.type == "MESH" and obj.mouthpiece_portrait.follow:
            changed(obj)


@persistent
def _updated(_scene: bpy.types.Scene, graph: bpy.types.Depsgraph) -> None:
    """Notice pictures that were painted on or exchanged."""
    for update in graph.updates:
        if isinstance(update.id, bpy.types.Image) and playback.is_prepared_from(update.id.original):
            playback.forget()


@persistent
def _loaded(*_: Any) -> None:
    """Show pictures where previews were shown when the file was saved: they were of that session."""
    playback.forget()
    _rendering[0] = False
    for obj in bpy.data.objects:
        settings = obj.mouthpiece_portrait
        gone = settings.preview is None or not Path(bpy.path.abspath(settings.preview.filepath)).is_file()
        if obj.library is None and settings.shown == "PREVIEW" and gone:
            settings.shown = "STILL"


@persistent
def _render_begins(*_: Any) -> None:
    _rendering[0] = True


@persistent
def _render_ends(*_: Any) -> None:
    _rendering[0] = False


_HANDLERS: Final = (
    ("frame_change_post", _moved),
    ("animation_playback_post", _stopped),
    ("depsgraph_update_post", _updated),
    ("load_post", _loaded),
    ("render_init", _render_begins),
    ("render_complete", _render_ends),
    ("render_cancel", _render_ends),
)


def register() -> None:
    """Begin to follow playheads, dials and pictures."""
    previews.ON_CHANGE.append(changed)
    previews.ON_PICTURE.append(plane.exchanged)
    for name, handler in _HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)


def unregister() -> None:
    """Stop it."""
    previews.ON_CHANGE.remove(changed)
    previews.ON_PICTURE.remove(plane.exchanged)
    for name, handler in _HANDLERS:
        getattr(bpy.app.handlers, name).remove(handler)
    if bpy.app.timers.is_registered(_draw_waiting):
        bpy.app.timers.unregister(_draw_waiting)
    _waiting.clear()
    playback.forget()
