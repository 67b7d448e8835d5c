"""Previews the frame of a portrait at the playhead, on its plane and in Image editors, once or at every change."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, Final

import bpy
from bpy.app.handlers import persistent
from mouthpiece.errors import MouthpieceError, PictureError
from mouthpiece.files.places import is_file

from ... import compat, previews
from ..picture_rig import settings as picture_settings
from . import lines as portrait_lines
from . import plane, playback

#: Names of portraits whose preview is out of date; a timer draws them.
_waiting: Final[set[str]] = set()
#: Whether Blender is rendering: nothing in the scene may be changed then.
_rendering: Final = [False]


def preview(obj: bpy.types.Object, scene: bpy.types.Scene) -> bpy.types.Image:
    """Show the frame at the playhead on the portrait's plane and return its image.

    Raises MouthpieceError if the frame cannot be made.
    """
    frame = playback.frame_at(obj, scene, scene.frame_current)
    settings = obj.mouthpiece_portrait
    settings.preview = _image(obj, frame, settings.preview)
    settings.shown = "PREVIEW"
    return settings.preview


def _image(obj: bpy.types.Object, frame: Any, image: bpy.types.Image | None) -> bpy.types.Image:
    """Return an image of a frame, ``image`` if given. It has a file in Blender's temporary folder.

    An image without a file would make Blender ask on closing whether to save it.
    """
    from mouthpiece.provenance.png import encoded

    number = zlib.crc32(obj.name_full.encode())  # clean_name makes names equal that differ in special characters only
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
    """Draw the preview of a portrait again soon, if it follows the playhead: many changes then cost one drawing.

    In background mode it is drawn at once, so call this only after everything has changed.
    """
    if not (picture_settings.is_portrait(obj) and obj.mouthpiece_portrait.follow) or _rendering[0]:
        return
    _waiting.add(obj.name)
    if bpy.app.background:
        _draw_waiting()
    elif not bpy.app.timers.is_registered(_draw_waiting):
        bpy.app.timers.register(_draw_waiting, first_interval=0.01)


def _draw_waiting() -> None:
    """Draw the previews that are out of date, for portraits in the active scene that have lines."""
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
            state.remarks, state.remarks_of = str(error), ""
    compat.redraw_images(bpy.context)


@persistent
def _moved(scene: bpy.types.Scene, *_: Any) -> None:
    """Follow the playhead, except during playback, for which drawing is too slow."""
    screen = bpy.context.screen
    if screen is not None and screen.is_animation_playing:
        return
    for obj in scene.objects:
        if obj.type == "MESH" and obj.mouthpiece_portrait.follow:
            changed(obj)


@persistent
def _stopped(scene: bpy.types.Scene, *_: Any) -> None:
    """Draw the previews when playback ends."""
    for obj in scene.objects:
        if obj.type == "MESH" and obj.mouthpiece_portrait.follow:
            changed(obj)


@persistent
def _updated(_scene: bpy.types.Scene, graph: bpy.types.Depsgraph) -> None:
    """Forget prepared pictures when their image was painted on or replaced."""
    for update in graph.updates:
        if isinstance(update.id, bpy.types.Image) and playback.is_prepared_from(update.id.original):
            playback.forget()


@persistent
def _loaded(*_: Any) -> None:
    """Show the picture instead of a preview whose file is gone, as it was in the session that saved the file."""
    playback.forget()
    _rendering[0] = False
    for obj in bpy.data.objects:
        settings = obj.mouthpiece_portrait
        gone = settings.preview is None or not is_file(Path(bpy.path.abspath(settings.preview.filepath)))
        if obj.library is None and settings.shown == "PREVIEW" and gone:
            settings.shown = "STILL"


@persistent
def _render_begins(*_: Any) -> None:
    """Note that Blender is rendering."""
    _rendering[0] = True


@persistent
def _render_ends(*_: Any) -> None:
    """Note that Blender is no longer rendering."""
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
    """Add the handlers and callbacks by which previews follow the playhead, dials and pictures."""
    previews.ON_CHANGE.append(changed)
    previews.ON_PICTURE.append(plane.exchanged)
    for name, handler in _HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)


def unregister() -> None:
    """Remove the handlers, callbacks and the timer."""
    previews.ON_CHANGE.remove(changed)
    previews.ON_PICTURE.remove(plane.exchanged)
    for name, handler in _HANDLERS:
        getattr(bpy.app.handlers, name).remove(handler)
    if bpy.app.timers.is_registered(_draw_waiting):
        bpy.app.timers.unregister(_draw_waiting)
    _waiting.clear()
    playback.forget()
