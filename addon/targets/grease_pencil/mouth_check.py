"""Whether the mouth of a drawing opens with its handles as they are.

Panels ask at every redraw, so the answer is remembered until handles, strokes or layers change.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np

from . import face_finder, handles, planes
from . import settings as drawing_settings

if TYPE_CHECKING:
    from mouthpiece.retarget.coverage import Coverage

_KNOWN: Final[dict[Any, tuple[Coverage, float]]] = {}
_REMEMBERED: Final = 16


def looked_at(obj: bpy.types.Object) -> tuple[Coverage, float]:
    """Return which parts of a drawn face move, and how far its mouth opens: 1 for as far as the take's, 0 for not.

    Raises RigError if the handles are unusable.
    """
    from mouthpiece.retarget.drawing.drawn_coverage import drawn_coverage
    from mouthpiece.retarget.drawing.face import DrawnFace
    from mouthpiece.retarget.drawing.strokes import FacePart

    chosen: Any = obj.mouthpiece_strokes
    frame, landmarks = bpy.context.scene.frame_current, handles.read(obj)
    own = list(face_finder.own(obj, frame))
    parts = {layer.name: part for layer, part in drawing_settings.parts_of(obj)}
    prints = [
        (layer.name, layer.hide, parts[layer.name], zlib.crc32(planes.vectors(drawing, "position").tobytes()),
         zlib.crc32(planes.offsets(drawing).tobytes()), tuple(np.ravel(planes.layer_matrix(obj, layer))))
        for layer, drawing in own
    ]  # fmt: skip
    asked = (obj.name, landmarks.tobytes(), chosen.mouth, bool(chosen.head), tuple(chosen.plane), tuple(prints))
    if asked not in _KNOWN:
        strokes = face_finder.flat_strokes(obj, planes.from_numbers(chosen.plane), frame)
        face = DrawnFace.of(landmarks, face_finder.neutral(), chosen.mouth.lower())
        inside = [n for n, part in parts.items() if part in (FacePart.UPPER, FacePart.LOWER, FacePart.TONGUE)]
        _KNOWN[asked] = drawn_coverage(face, strokes, list(parts.values()), inside, chosen.head)
        while len(_KNOWN) > _REMEMBERED:
            del _KNOWN[next(iter(_KNOWN))]
    return _KNOWN[asked]


def warning(obj: bpy.types.Object) -> str:
    """Return that the drawn mouth hardly opens, and what to do; empty if it opens, or never does (an error says so)."""
    from mouthpiece.retarget.drawing.mouth_fit import NEVER, OPENS

    opened = looked_at(obj)[1]
    if not NEVER <= opened < OPENS:
        return ""
    return "The drawn mouth hardly opens: move the handles of the lips onto its line, or press Lay Lips on Mouth"
