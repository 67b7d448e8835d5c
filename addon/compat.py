"""Everything that differs between Blender versions and builds, each in a function named for what it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import bpy
from bpy_extras import anim_utils


class StripTimes(NamedTuple):
    """Position and trims of a strip, in scene frames.

    ``left`` is the first frame heard and ``right`` the one after the last. ``hidden`` is how many frames of content the
    left handle hides; ``trim_start`` and ``trim_end`` are the frames that were cut off on loading.
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
    """Return every strip of the scene, also those in meta strips; an empty list if it has no sequencer data."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    return list(getattr(editor, strips_name(editor)))


def strips_name(editor: bpy.types.SequenceEditor) -> str:
    """Return the name of the collection of all strips, for a search field."""
    return "strips_all" if hasattr(editor, "strips_all") else "sequences_all"


def sequencer_scene(context: bpy.types.Context) -> bpy.types.Scene:
    """Return the scene whose strips the user sees: since 5.0 the one the workspace shows, before that the active one.

    The active scene is preferred if it has strips, as the keys go onto its frames.
    """
    chosen = getattr(context.workspace, "sequencer_scene", None)
    if chosen is None or all_strips(context.scene):
        return context.scene
    return chosen


def show_in_sequencers(scene: bpy.types.Scene) -> None:
    """Let workspaces that show no scene's strips show this one's: since 5.0 they begin with none."""
    for workspace in bpy.data.workspaces:
        if getattr(workspace, "sequencer_scene", scene) is None:
            workspace.sequencer_scene = scene


def strip_times(strip: Any) -> StripTimes:
    """Return position and trims of a strip, read from the renamed attributes of 5.2 where they exist."""
    if hasattr(strip, "left_handle"):
        return StripTimes(
            int(strip.left_handle),
            int(strip.right_handle),
            strip.left_handle_offset,
            getattr(strip, "content_trim_start", 0),  # only sounds and films have them
            getattr(strip, "content_trim_end", 0),
        )
    return StripTimes(
        int(strip.frame_final_start),
        int(strip.frame_final_end),
        strip.frame_offset_start,
        getattr(strip, "animation_offset_start", 0),
        getattr(strip, "animation_offset_end", 0),
    )


def strip_length(strip: Any) -> int:
    """Return the length of the strip's content in frames, hidden ends included."""
    return int(strip.content_duration if hasattr(strip, "content_duration") else strip.frame_duration)


def move_strip(strip: Any, start: int) -> None:
    """Move a strip so that its content begins at a frame, by the renamed attribute of 5.2 where it exists."""
    if hasattr(strip, "content_start"):
        strip.content_start = start
    else:
        strip.frame_start = start


def trim_strip(strip: Any, left: int, right: int) -> None:
    """Put a strip's handles so that ``left`` is the first frame heard and ``right`` the one after the last."""
    if hasattr(strip, "left_handle"):
        strip.left_handle, strip.right_handle = left, right
    else:
        strip.frame_final_start, strip.frame_final_end = left, right


def strip_tab() -> dict[str, str]:
    """Return where a strip's properties are shown: since 5.0 in the Properties editor, before that in the sidebar."""
    if hasattr(bpy.types, "STRIP_PT_strip"):
        return {"bl_space_type": "PROPERTIES", "bl_region_type": "WINDOW", "bl_context": "strip"}
    return {"bl_space_type": "SEQUENCE_EDITOR", "bl_region_type": "UI", "bl_category": "Strip"}


def new_colour_strip(strips: Any, name: str, channel: int, start: int, length: int) -> Any:
    """Add a strip of one colour and return it (since 5.0 Blender takes its length, before that its end)."""
    known = bpy.types.StripsTopLevel.bl_rna.functions["new_effect"].parameters
    last = {"length": length} if "length" in known else {"frame_end": start + length}
    return strips.new_effect(name=name, type="COLOR", channel=channel, frame_start=start, **last)


def last_retiming_index(length: int) -> int:
    """Return the content frame of the last retiming key of a strip that is ``length`` frames long.

    Measured: the last frame in 4.5, the frame after it in 5.2.
    """
    return length if "content_duration" in bpy.types.SoundStrip.bl_rna.properties else length - 1


def retimed_skip_is_scaled() -> bool:
    """Return whether retiming also scales the frames trimmed on loading. Measured: yes in 5.2, no in 4.5."""
    return "content_trim_start" in bpy.types.SoundStrip.bl_rna.properties


def fcurves_of(owner: bpy.types.ID) -> Any:
    """Return the f-curves of the active action of ``owner``; an empty tuple if there are none."""
    data = getattr(owner, "animation_data", None)
    if data is None or data.action is None or data.action_slot is None:
        return ()
    bag = anim_utils.action_get_channelbag_for_slot(data.action, data.action_slot)
    return () if bag is None else bag.fcurves


def channelbag(action: bpy.types.Action, slot: Any, ensure: bool = False) -> Any:
    """Return the channelbag with a slot's f-curves; if there is none, None, or with ``ensure`` a new one."""
    if not ensure:
        return anim_utils.action_get_channelbag_for_slot(action, slot)
    layer = action.layers[0] if len(action.layers) else action.layers.new("Layer")
    strip = layer.strips[0] if len(layer.strips) else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True)


def use_video_output(image_settings: bpy.types.ImageFormatSettings) -> bool:
    """Set the output to video; return False if this build has no FFmpeg."""
    try:
        if hasattr(image_settings, "media_type"):
            image_settings.media_type = "VIDEO"
        image_settings.file_format = "FFMPEG"
    except TypeError:
        return False
    return True


def use_image_output(image_settings: bpy.types.ImageFormatSettings) -> None:
    """Set the output to PNG pictures."""
    if hasattr(image_settings, "media_type"):
        image_settings.media_type = "IMAGE"
    image_settings.file_format = "PNG"


def image_output(image_settings: bpy.types.ImageFormatSettings) -> tuple[str, str]:
    """Return medium and file format, for :func:`restore_image_output`."""
    return getattr(image_settings, "media_type", ""), image_settings.file_format


def restore_image_output(image_settings: bpy.types.ImageFormatSettings, before: tuple[str, str]) -> None:
    """Set medium and file format to what :func:`image_output` returned."""
    if before[0]:
        image_settings.media_type = before[0]
    image_settings.file_format = before[1]


def ensure_material_nodes(material: bpy.types.Material) -> Any:
    """Return the material's node tree, making it if it is missing (since 5.0 it never is)."""
    if material.node_tree is None:
        material.use_nodes = True
    return material.node_tree


def set_status(context: bpy.types.Context, text: str | None) -> None:
    """Show ``text`` in the status bar; None restores its usual content. Does nothing without a window."""
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
    """Provide an empty scene of that frame rate; afterwards remove it and every sound loaded meanwhile."""
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
    """Make Blender redraw every 3D View and sequencer with their panels."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "SEQUENCE_EDITOR"):
                area.tag_redraw()


def redraw_images(context: bpy.types.Context) -> None:
    """Make Blender redraw every 3D View and Image editor."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "IMAGE_EDITOR"):
                area.tag_redraw()


def allow_overrides(obj: bpy.types.Object | None) -> None:
    """Make sure that Mouthpiece's settings of a library override are saved.

    Since 5.0 they are lost on saving if the linked original has no such settings. Reading a property of the original
    creates them.
    """
    if obj is None or obj.override_library is None or obj.override_library.reference is None:
        return
    for name in bpy.types.Object.bl_rna.properties.keys():
        if name.startswith("mouthpiece"):
            group = getattr(obj.override_library.reference, name)
            getattr(group, group.bl_rna.properties.keys()[-1])


def user_folder() -> str:
    """Return the folder an extension may write to; if Mouthpiece is no extension, one in the user's scripts."""
    try:
        return bpy.utils.extension_path_user(__package__ or "")
    except ValueError:
        return bpy.utils.user_resource("SCRIPTS", path="presets/mouthpiece")


def grease_pencils() -> Any:
    """Return the Grease Pencil data-blocks (in 4.5 ``bpy.data.grease_pencils`` holds annotations instead)."""
    return bpy.data.grease_pencils_v3 if hasattr(bpy.data, "grease_pencils_v3") else bpy.data.grease_pencils


def show_stroke(stroke: Any, style: Any, line: bool, fill: int) -> None:
    """Set whether the line and the fill of a Grease Pencil stroke are shown.

    Strokes with the same number ``fill`` are filled as one shape; 0 is no fill. Since 5.2 these are attributes of the
    stroke, before that of its material's ``style``.
    """
    if hasattr(stroke, "fill_id"):
        stroke.fill_id, stroke.hide_stroke = fill, not line
    elif style is not None:
        style.show_stroke, style.show_fill = line, fill > 0


def stroke_shown(stroke: Any, style: Any) -> tuple[bool, bool]:
    """Return whether the line of a stroke is shown, and whether its fill is."""
    if hasattr(stroke, "fill_id"):
        return not stroke.hide_stroke, stroke.fill_id != 0
    return (True, False) if style is None else (style.show_stroke, style.show_fill)
