"""Everything that differs between Blender versions and builds, as functions named for what they do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import bpy
from bpy_extras import anim_utils


class StripTimes(NamedTuple):
    """Where a strip lies, in scene frames.

    ``left`` is the first frame heard and ``right`` the one after the last; ``hidden`` frames of content lie
    before ``left``, dragged under the handle; ``trim_start`` and ``trim_end`` frames were cut off on loading.
    """

    left: int
    right: int
    hidden: float
    trim_start: int
    trim_end: int


def strips_of(editor: bpy.types.SequenceEditor) -> Any:
    """Return the collection that strips are added to and removed from (4.5: both names, 5.0 on: one)."""
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def all_strips(scene: bpy.types.Scene) -> list[Any]:
    """Return every strip of the scene, those in meta strips too; none where there is no sequencer."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    return list(getattr(editor, strips_name(editor)))


def strips_name(editor: bpy.types.SequenceEditor) -> str:
    """Return the name of the collection of all strips, for a search field."""
    return "strips_all" if hasattr(editor, "strips_all") else "sequences_all"


def sequencer_scene(context: bpy.types.Context) -> bpy.types.Scene:
    """Return the scene whose strips the user sees: the workspace's since 5.0, else the active one.

    A scene with strips of its own comes first: its frames are the frames that get the keys.
    """
    chosen = getattr(context.workspace, "sequencer_scene", None)
    if chosen is None or all_strips(context.scene):
        return context.scene
    return chosen


def strip_times(strip: Any) -> StripTimes:
    """Return where the strip lies; the renamed attributes of 5.2 are read where they exist."""
    if hasattr(strip, "left_handle"):
        return StripTimes(
            int(strip.left_handle),
            int(strip.right_handle),
            strip.left_handle_offset,
            strip.content_trim_start,
            strip.content_trim_end,
        )
    return StripTimes(
        int(strip.frame_final_start),
        int(strip.frame_final_end),
        strip.frame_offset_start,
        strip.animation_offset_start,
        strip.animation_offset_end,
    )


def strip_length(strip: Any) -> int:
    """Return the length of the strip's content in frames, hidden ends included."""
    return int(strip.content_duration if hasattr(strip, "content_duration") else strip.frame_duration)


def new_colour_strip(strips: Any, name: str, channel: int, start: int, length: int) -> Any:
    """Add a strip of one colour and return it (5.0 on: told its length, before: its end)."""
    told = bpy.types.StripsTopLevel.bl_rna.functions["new_effect"].parameters
    last = {"length": length} if "length" in told else {"frame_end": start + length}
    return strips.new_effect(name=name, type="COLOR", channel=channel, frame_start=start, **last)


def last_retiming_index(length: int) -> int:
    """Return which content frame the last retiming key of a strip ``length`` frames long stands for.

    Measured: the last frame itself in 4.5, the end of it in 5.2.
    """
    return length if "content_duration" in bpy.types.SoundStrip.bl_rna.properties else length - 1


def retimed_skip_is_scaled() -> bool:
    """Return whether frames trimmed on loading pass at the strip's retimed speed (5.2) or not (4.5). Measured."""
    return "content_trim_start" in bpy.types.SoundStrip.bl_rna.properties


def fcurves_of(owner: bpy.types.ID) -> Any:
    """Return the f-curves that animate ``owner``; an empty tuple if nothing does."""
    data = getattr(owner, "animation_data", None)
    if data is None or data.action is None or data.action_slot is None:
        return ()
    bag = anim_utils.action_get_channelbag_for_slot(data.action, data.action_slot)
    return () if bag is None else bag.fcurves


def channelbag(action: bpy.types.Action, slot: Any, ensure: bool = False) -> Any:
    """Return what holds a slot's f-curves; with ``ensure`` it is made, else None if there is none."""
    if not ensure:
        return anim_utils.action_get_channelbag_for_slot(action, slot)
    layer = action.layers[0] if len(action.layers) else action.layers.new("Layer")
    strip = layer.strips[0] if len(layer.strips) else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True)


def use_video_output(image_settings: bpy.types.ImageFormatSettings) -> bool:
    """Make the scene write a video and return True; return False if this build cannot."""
    try:
        if hasattr(image_settings, "media_type"):
            image_settings.media_type = "VIDEO"
        image_settings.file_format = "FFMPEG"
    except TypeError:
        return False
    return True


def use_image_output(image_settings: bpy.types.ImageFormatSettings) -> None:
    """Make the scene write PNG pictures."""
    if hasattr(image_settings, "media_type"):
        image_settings.media_type = "IMAGE"
    image_settings.file_format = "PNG"


def image_output(image_settings: bpy.types.ImageFormatSettings) -> tuple[str, str]:
    """Return what :func:`restore_image_output` needs."""
    return getattr(image_settings, "media_type", ""), image_settings.file_format


def restore_image_output(image_settings: bpy.types.ImageFormatSettings, before: tuple[str, str]) -> None:
    """Give back the medium and file format."""
    if before[0]:
        image_settings.media_type = before[0]
    image_settings.file_format = before[1]


def ensure_material_nodes(material: bpy.types.Material) -> Any:
    """Return the material's node tree, made if need be (5.0 on: always there)."""
    if material.node_tree is None:
        material.use_nodes = True
    return material.node_tree


def set_status(context: bpy.types.Context, text: str | None) -> None:
    """Show ``text`` in the status bar, or give the bar back with None; nothing to do without a window."""
    if context.workspace is not None:
        context.workspace.status_text_set(text)


def has_aud() -> bool:
    """Return whether this build can decode sound (some are compiled without Audaspace)."""
    try:
        import aud
    except ImportError:
        return False
    return hasattr(aud, "Sound")


@contextmanager
def scratch_scene(fps: int, fps_base: float) -> Iterator[bpy.types.Scene]:
    """Lend an empty scene of that frame rate and take it back with every sound loaded meanwhile."""
    sounds = set(bpy.data.sounds)
    scene = bpy.data.scenes.new("Mouthpiece Scratch")
    try:
        scene.render.fps, scene.render.fps_base = fps, fps_base
        yield scene
    finally:
        bpy.data.scenes.remove(scene)
        for sound in set(bpy.data.sounds) - sounds:
            bpy.data.sounds.remove(sound)


def redraw(context: bpy.types.Context) -> None:
    """Have every 3D View drawn again, panel and all."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


def redraw_images(context: bpy.types.Context) -> None:
    """Have every 3D View and Image editor drawn again."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "IMAGE_EDITOR"):
                area.tag_redraw()


def allow_overrides(obj: bpy.types.Object | None) -> None:
    """Make Mouthpiece's settings of an overridden object last.

    From 5.0 on, settings that its linked original has none of are lost on saving, unless the original has been asked
    for them before: asking makes them.
    """
    if obj is None or obj.override_library is None or obj.override_library.reference is None:
        return
    for name in bpy.types.Object.bl_rna.properties.keys():
        if name.startswith("mouthpiece"):
            group = getattr(obj.override_library.reference, name)
            getattr(group, group.bl_rna.properties.keys()[-1])


def user_folder() -> str:
    """Return the folder an extension may write to; where it runs from a checkout, one in the user's scripts."""
    try:
        return bpy.utils.extension_path_user(__package__ or "")
    except ValueError:
        return bpy.utils.user_resource("SCRIPTS", path="presets/mouthpiece")


def grease_pencils() -> Any:
    """Return the collection of Grease Pencil data-blocks of version 3 (4.5: the other name holds annotations)."""
    return bpy.data.grease_pencils_v3 if hasattr(bpy.data, "grease_pencils_v3") else bpy.data.grease_pencils


def show_stroke(stroke: Any, style: Any, line: bool, fill: int) -> None:
    """Have a stroke of Grease Pencil drawn with its line, its fill, or both.

    Strokes of one number ``fill`` are one shape, 0 is none. Since 5.2 all this is the stroke's own, before that its
    material's ``style``.
    """
    if hasattr(stroke, "fill_id"):
        stroke.fill_id, stroke.hide_stroke = fill, not line
    elif style is not None:
        style.show_stroke, style.show_fill = line, fill > 0


def stroke_shown(stroke: Any, style: Any) -> tuple[bool, bool]:
    """Return whether the line of a stroke is drawn, and whether it is filled."""
    if hasattr(stroke, "fill_id"):
        return not stroke.hide_stroke, stroke.fill_id != 0
    return (True, False) if style is None else (style.show_stroke, style.show_fill)
