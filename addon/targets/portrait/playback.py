"""A portrait of the scene as the core renders it: its picture and landmarks read, and a renderer kept for previews."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import bpy

from ...sound import recordings
from ..picture_rig import images
from ..picture_rig import settings as picture_settings
from . import lines as portrait_lines
from .settings import generator_of

if TYPE_CHECKING:
    from mouthpiece.performance import Performance
    from mouthpiece.portrait.draw.render import Renderer
    from mouthpiece.portrait.portrait import Portrait

#: Longest side of previews in pixels: a fraction of a second, whatever the picture.
PREVIEWED: Final = 1280


def longest_of(obj: bpy.types.Object) -> int:
    """Return the longer side, in pixels, of the frames of a portrait."""
    from mouthpiece.portrait.draw.render import LONGEST

    wanted = int(obj.mouthpiece_portrait.longest) or max(picture_settings.picture_of(obj).size)
    return min(LONGEST, wanted)


def portrait_of(obj: bpy.types.Object, longest: int) -> Portrait:
    """Return what is to be rendered, its picture read at ``longest`` pixels at most; PictureError says why not."""
    from mouthpiece.portrait.find.placement import Placed
    from mouthpiece.portrait.portrait import portrait_of as made

    image = picture_settings.picture_of(obj)
    placed = picture_settings.landmarks_of(obj)
    colours, factor = images.pixels(image, longest)
    irises = None if placed.irises is None else placed.irises / factor
    return made(colours, Placed(placed.landmarks / factor, irises))


def performance_of(obj: bpy.types.Object, scene: bpy.types.Scene, span: tuple[int, int]) -> Performance:
    """Return what the face does on those frames of the scene; frame 0 of it is the first of them."""
    return portrait_lines.played(obj, recordings.true_fps(scene), *span)


@dataclass(slots=True)
class _Prepared:
    """A renderer and what it was made from, a performance and what it was."""

    made_from: tuple[Any, ...] = ()
    renderer: Renderer | None = None
    played_from: tuple[Any, ...] = ()
    performance: Performance | None = None
    first: int = 0


_prepared: Final = _Prepared()


def forget() -> None:
    """Have the next preview made from the picture as it is then."""
    _prepared.made_from, _prepared.renderer, _prepared.played_from, _prepared.performance = (), None, (), None


def is_prepared_from(image: bpy.types.Image) -> bool:
    """Return whether the renderer kept was made from an image."""
    return image.name_full in _prepared.made_from


def frame_at(obj: bpy.types.Object, scene: bpy.types.Scene, frame: int) -> Any:
    """Return the picture (H, W, 4) of a portrait at a frame of the scene, uint8, first row at the top.

    Picture and motion are read again only if they changed. Raises RigError if there is no line, PictureError or
    TakeError if picture, landmarks or motion cannot be had.
    """
    performance, first = _performance(obj, scene)
    renderer = _renderer(obj)
    moment = min(max(frame - first, 0), len(performance) - 1)
    return renderer.frame(performance, moment / performance.fps)


def _renderer(obj: bpy.types.Object) -> Renderer:
    from mouthpiece.portrait.draw.render import Renderer, RenderOptions

    settings = obj.mouthpiece_portrait
    image = picture_settings.picture_of(obj)
    longest = min(longest_of(obj), PREVIEWED)
    points = obj.mouthpiece_picture.points
    repaired = settings.repair, settings.generator
    made_from = (image.name_full, image.filepath, tuple(image.size), points, longest, *repaired)
    if _prepared.renderer is None or _prepared.made_from != made_from:
        portrait = portrait_of(obj, longest)
        _prepared.renderer = Renderer(portrait, generator_of(obj), RenderOptions(longest=longest))
        _prepared.made_from = made_from
    return _prepared.renderer


def _performance(obj: bpy.types.Object, scene: bpy.types.Scene) -> tuple[Performance, int]:
    span = portrait_lines.span(obj) or (0, 0)  # without a line it is refused below
    lines = [str(line.entry()) for line in portrait_lines.spoken(obj)]
    played_from = (obj.name_full, recordings.true_fps(scene), span, tuple(lines), _motion(obj))
    if _prepared.performance is None or _prepared.played_from != played_from:
        _prepared.performance, _prepared.first = performance_of(obj, scene, span), span[0]
        _prepared.played_from = played_from
    return _prepared.performance, _prepared.first


def _motion(obj: bpy.types.Object) -> tuple[int, ...]:
    """Return something that changes when a line is animated again."""
    from ...keys import kept_takes

    return tuple(id(kept_takes.motion(line)) for line in portrait_lines.spoken(obj))
